import MecaCore
import MecaTensor

/// A basic block of the plan: two 3×3 convolutions, the first with the block's stride.
struct ResidualBlockSite: BlockSite {
  let first: NormalisedConvolutionSite
  let second: NormalisedConvolutionSite
  /// Projection of the residual where the block changes the shape, else nil.
  let downsample: NormalisedConvolutionSite?

  init(
    _ block: NetworkOutline.Block, input: ActivationLayout, activation: Activation,
    builder: inout PlanBuilder
  ) throws {
    let name = block.name
    first = try builder.normalisedConvolution(
      names: ("\(name).conv1", "\(name).bn1"), input: input, channels: block.channels, kernel: 3,
      stride: block.stride, activation: activation)
    second = try builder.normalisedConvolution(
      names: ("\(name).conv2", "\(name).bn2"), input: first.convolution.output,
      channels: block.channels, kernel: 3, stride: 1, activation: activation)
    downsample =
      block.stride != 1 || input.channels != block.channels
      ? try builder.normalisedConvolution(
        names: ("\(name).downsample.0", "\(name).downsample.1"), input: input,
        channels: block.channels, kernel: 1, stride: block.stride, activation: .none)
      : nil
  }

  var convolutions: [NormalisedConvolutionSite] {
    [first, second] + (downsample.map { [$0] } ?? [])
  }

  var output: ActivationLayout { second.convolution.output }

  func makeBlock(memory: LaneMemory, inputIndex: Int) throws -> any Block {
    try ResidualBlock(self, memory: memory, inputIndex: inputIndex)
  }

  func appendLayers(to list: inout LayerList, input: Int) -> Int {
    let residual = downsample.map { list.append($0, to: input) } ?? input
    let inner = list.append(first, to: input)
    return list.append(second, to: inner, residual: residual)
  }
}

/// A basic block: `output = relu(norm(conv(relu(norm(conv(x))))) + residual(x))`.
///
/// The residual is x itself, or a normalised 1×1 convolution of it where the block changes the
/// number of channels or halves the plane.
/// - Shapes: x `[N, C, H, W]`, output `[N, K, H/stride, W/stride]` rounded up.
/// - Source: He et al. 2015, arXiv:1512.03385, figure 5 left; option B for the projection.
final class ResidualBlock: Block {
  private let first: NormalisedConvolution
  private let second: NormalisedConvolution
  private let downsample: NormalisedConvolution?
  private let inputCount: Int

  var output: AlignedStorage<Float> { second.output }
  let outputIndex: Int

  /// Plans the block's layers; `inputIndex` is the shared buffer that its input lies in.
  init(_ site: ResidualBlockSite, memory: LaneMemory, inputIndex: Int) throws {
    let inner = (inputIndex + 1) % 3
    outputIndex = (inputIndex + 2) % 3
    inputCount = site.first.convolution.input.count(batch: memory.microbatch)
    first = try NormalisedConvolution(
      site.first, memory: memory,
      output: memory.activation(site.first.convolution.output, shared: inner),
      needsInputGradient: memory.backward)
    second = try NormalisedConvolution(
      site.second, memory: memory,
      output: memory.activation(site.second.convolution.output, shared: outputIndex),
      needsInputGradient: memory.backward)
    downsample = try site.downsample.map {
      try NormalisedConvolution(
        $0, memory: memory,
        output: memory.activation($0.convolution.output, shared: LaneMemory.projections),
        needsInputGradient: memory.backward)
    }
  }

  func forward(_ x: UnsafePointer<Float>, _ pass: Pass) {
    downsample?.forward(x, pass)
    first.forward(x, pass)
    second.forward(
      first.output.pointer,
      residual: downsample.map { UnsafePointer($0.output.pointer) } ?? x, pass)
  }

  func backward(_ x: UnsafePointer<Float>, _ buffers: inout GradientBuffers, _ pass: Pass) {
    // The residual's gradient stays in `current` until both paths meet again in `spare`.
    second.backward(
      first.output.pointer, gradOutput: buffers.current, residual: true, scratch: buffers.other,
      gradInput: buffers.spare, pass)
    first.backward(
      x, gradOutput: buffers.spare, scratch: buffers.spare, gradInput: buffers.other, pass)
    if let downsample {
      downsample.backward(
        x, gradOutput: buffers.current, scratch: buffers.current, gradInput: buffers.spare, pass)
      swap(&buffers.current, &buffers.spare)
    }
    add(buffers.current, to: buffers.other, count: inputCount)
    swap(&buffers.current, &buffers.other)
  }
}

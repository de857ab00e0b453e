import MecaCore
import MecaTensor

/// An inverted residual of the plan: a 1×1 convolution to `expansion` times the channels (none where
/// that is 1), a 3×3 one channel by channel with the block's stride, a 1×1 one without activation.
struct InvertedResidualSite: BlockSite {
  let expand: NormalisedConvolutionSite?
  let depthwise: NormalisedConvolutionSite
  let project: NormalisedConvolutionSite
  /// Whether x is added to the result: where both have the same shape.
  let hasResidual: Bool

  init(
    _ block: NetworkOutline.Block, expansion: Int, input: ActivationLayout, activation: Activation,
    builder: inout PlanBuilder
  ) throws {
    // Names count the layers of a sequence in which an activated convolution is one entry with parts
    // 0 and 1, the projection's convolution and normalisation one entry each.
    let hidden = expansion * input.channels
    let first = expansion == 1 ? 0 : 1
    let name = "\(block.name).conv"
    expand =
      expansion == 1
      ? nil
      : try builder.normalisedConvolution(
        names: ("\(name).0.0", "\(name).0.1"), input: input, channels: hidden, kernel: 1, stride: 1,
        activation: activation)
    depthwise = try builder.normalisedConvolution(
      names: ("\(name).\(first).0", "\(name).\(first).1"),
      input: expand?.convolution.output ?? input, channels: hidden, kernel: 3,
      stride: block.stride, groups: hidden, activation: activation)
    project = try builder.normalisedConvolution(
      names: ("\(name).\(first + 1)", "\(name).\(first + 2)"), input: depthwise.convolution.output,
      channels: block.channels, kernel: 1, stride: 1, activation: .none)
    hasResidual = block.stride == 1 && input.channels == block.channels
  }

  var convolutions: [NormalisedConvolutionSite] {
    (expand.map { [$0] } ?? []) + [depthwise, project]
  }

  var output: ActivationLayout { project.convolution.output }

  func makeBlock(memory: LaneMemory, inputIndex: Int) throws -> any Block {
    try InvertedResidual(self, memory: memory, inputIndex: inputIndex)
  }

  func appendLayers(to list: inout LayerList, input: Int) -> Int {
    let wide = expand.map { list.append($0, to: input) } ?? input
    let inner = list.append(depthwise, to: wide)
    return list.append(project, to: inner, residual: hasResidual ? input : nil)
  }
}

/// An inverted residual: `output = project(depthwise(expand(x))) + x`, each with its normalisation.
///
/// Wide inside and narrow between the blocks; x is added only where the shapes agree.
/// - Shapes: x `[N, C, H, W]`, inside `[N, expansion·C, …]`, output `[N, K, H/stride, W/stride]`
///   rounded up.
/// - Source: Sandler et al. 2018, arXiv:1801.04381, table 1 and figure 4d.
final class InvertedResidual: Block {
  private let expand: NormalisedConvolution?
  private let depthwise: NormalisedConvolution
  private let project: NormalisedConvolution
  private let hasResidual: Bool
  private let inputCount: Int

  var output: AlignedStorage<Float> { project.output }
  let outputIndex: Int

  /// Plans the block's layers; `inputIndex` is the shared buffer that its input lies in.
  init(_ site: InvertedResidualSite, memory: LaneMemory, inputIndex: Int) throws {
    func plan(
      _ site: NormalisedConvolutionSite, shared index: Int
    ) throws -> NormalisedConvolution {
      try NormalisedConvolution(
        site, memory: memory, output: memory.activation(site.convolution.output, shared: index),
        needsInputGradient: memory.backward)
    }
    // x stays until it is added; the widened values are dead when the projection writes.
    let (inner, other) = ((inputIndex + 1) % 3, (inputIndex + 2) % 3)
    expand = try site.expand.map { try plan($0, shared: inner) }
    depthwise = try plan(site.depthwise, shared: other)
    project = try plan(site.project, shared: inner)
    outputIndex = inner
    hasResidual = site.hasResidual
    inputCount = site.convolutions[0].convolution.input.count(batch: memory.microbatch)
  }

  func forward(_ x: UnsafePointer<Float>, _ pass: Pass) {
    expand?.forward(x, pass)
    depthwise.forward(expand.map { UnsafePointer($0.output.pointer) } ?? x, pass)
    project.forward(depthwise.output.pointer, residual: hasResidual ? x : nil, pass)
  }

  func backward(_ x: UnsafePointer<Float>, _ buffers: inout GradientBuffers, _ pass: Pass) {
    // Without an activation the residual's gradient is the output's own; it stays in `current`.
    project.backward(
      depthwise.output.pointer, gradOutput: buffers.current, scratch: buffers.other,
      gradInput: buffers.spare, pass)
    depthwise.backward(
      expand.map { UnsafePointer($0.output.pointer) } ?? x, gradOutput: buffers.spare,
      scratch: buffers.spare, gradInput: buffers.other, pass)
    if let expand {
      expand.backward(
        x, gradOutput: buffers.other, scratch: buffers.other, gradInput: buffers.spare, pass)
      swap(&buffers.other, &buffers.spare)
    }
    if hasResidual { add(buffers.current, to: buffers.other, count: inputCount) }
    swap(&buffers.current, &buffers.other)
  }
}

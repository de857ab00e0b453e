import MecaCore
import MecaTensor

/// A basic block: `output = relu(norm(conv(relu(norm(conv(x))))) + residual(x))`.
///
/// The residual is x itself, or a normalised 1×1 convolution of it where the block changes the
/// number of channels or halves the plane.
/// - Shapes: x `[N, C, H, W]`, output `[N, K, H/stride, W/stride]` rounded up.
/// - Source: He et al. 2015, arXiv:1512.03385, figure 5 left; option B for the projection.
final class ResidualBlock {
  private let first: NormalisedConvolution
  private let second: NormalisedConvolution
  private let downsample: NormalisedConvolution?
  private let inputCount: Int

  /// Result of the last forward pass.
  var output: AlignedStorage<Float> { second.output }
  /// Which shared buffer `output` is, in lanes that only evaluate.
  let outputIndex: Int

  /// Plans the block's layers; `inputIndex` is the shared buffer that its input lies in.
  init(_ site: BlockSite, memory: LaneMemory, inputIndex: Int) throws {
    let inner = (inputIndex + 1) % 3
    outputIndex = (inputIndex + 2) % 3
    inputCount = site.first.convolution.input.count(batch: memory.microbatch)
    first = try NormalisedConvolution(
      site.first, memory: memory,
      output: memory.activation(site.first.convolution.output, shared: inner), relu: true,
      needsInputGradient: memory.backward)
    second = try NormalisedConvolution(
      site.second, memory: memory,
      output: memory.activation(site.second.convolution.output, shared: outputIndex), relu: true,
      needsInputGradient: memory.backward)
    // The second convolution has read the first one's output when the projection needs its buffer.
    downsample = try site.downsample.map {
      try NormalisedConvolution(
        $0, memory: memory, output: memory.activation($0.convolution.output, shared: inner),
        relu: false, needsInputGradient: memory.backward)
    }
  }

  /// Computes `output` from x.
  func forward(_ x: UnsafePointer<Float>, _ pass: Pass) {
    first.convolve(x)
    first.normalise(residual: nil, pass)
    second.convolve(first.output.pointer)
    if let downsample {
      downsample.convolve(x)
      downsample.normalise(residual: nil, pass)
    }
    second.normalise(residual: downsample.map { UnsafePointer($0.output.pointer) } ?? x, pass)
  }

  /// Turns the gradient of `output` in `buffers.current` into that of x.
  func backward(_ x: UnsafePointer<Float>, _ buffers: inout GradientBuffers, _ pass: Pass) {
    // The residual's gradient stays in `current` until both paths meet again in `spare`.
    second.backwardNormalise(
      gradOutput: buffers.current, gradConvolved: buffers.other, gradResidual: buffers.current,
      pass)
    second.backwardConvolve(
      input: first.output.pointer, gradConvolved: buffers.other, gradInput: buffers.spare, pass)
    first.backwardNormalise(
      gradOutput: buffers.spare, gradConvolved: buffers.other, gradResidual: nil, pass)
    first.backwardConvolve(
      input: x, gradConvolved: buffers.other, gradInput: buffers.spare, pass)
    if let downsample {
      downsample.backwardNormalise(
        gradOutput: buffers.current, gradConvolved: buffers.other, gradResidual: nil, pass)
      downsample.backwardConvolve(
        input: x, gradConvolved: buffers.other, gradInput: buffers.current, pass)
    }
    add(buffers.current, to: buffers.spare, count: inputCount)
    buffers.advance()
  }
}

import MecaCore
import MecaTensor

/// A convolution, its normalisation, and the memory for what they compute.
///
/// `output = activation(normalise(convolve(input)) + residual)`
final class NormalisedConvolution {
  /// Result of the last forward pass.
  let output: AlignedStorage<Float>
  /// The convolution's result; the same memory as `output` in lanes that only evaluate.
  private let convolved: AlignedStorage<Float>
  private let convolution: ConvolutionLayer
  private let normalisation: BatchNormalisation

  /// Plans the two layers of `site` for a lane.
  init(
    _ site: NormalisedConvolutionSite, memory: LaneMemory, output: AlignedStorage<Float>,
    needsInputGradient: Bool
  ) throws {
    convolution = try ConvolutionLayer(
      site.convolution, model: memory.model, microbatch: memory.microbatch,
      training: memory.training, needsInputGradient: needsInputGradient,
      workspace: memory.workspace)
    normalisation = BatchNormalisation(
      site.normalisation, model: memory.model, microbatch: memory.microbatch,
      activation: site.activation)
    self.output = output
    convolved =
      memory.training
      ? AlignedStorage(count: site.convolution.output.count(batch: memory.microbatch)) : output
  }

  /// Convolves; first half of the forward pass.
  func convolve(_ input: UnsafePointer<Float>) {
    convolution.forward(input: input, output: convolved.pointer)
  }

  /// Normalises what was convolved; second half of the forward pass.
  func normalise(residual: UnsafePointer<Float>?, _ pass: Pass) {
    normalisation.forward(
      input: convolved.pointer, residual: residual, output: output.pointer, pass)
  }

  /// Backward pass of the normalisation: from the gradient of `output` to that of the convolution.
  func backwardNormalise(
    gradOutput: UnsafePointer<Float>, gradConvolved: UnsafeMutablePointer<Float>,
    gradResidual: UnsafeMutablePointer<Float>?, _ pass: Pass
  ) {
    normalisation.backward(
      input: convolved.pointer, output: output.pointer, gradOutput: gradOutput,
      gradInput: gradConvolved, gradResidual: gradResidual, pass)
  }

  /// Backward pass of the convolution; `gradInput` is nil where nobody needs it.
  func backwardConvolve(
    input: UnsafePointer<Float>, gradConvolved: UnsafePointer<Float>,
    gradInput: UnsafeMutablePointer<Float>?, _ pass: Pass
  ) {
    convolution.backward(
      input: input, gradOutput: gradConvolved, gradInput: gradInput, pass)
  }
}

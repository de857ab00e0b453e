import CMecaKernels

/// Convolutions with a stride and kernels of 1x1, which project a residual to fewer points and more
/// channels, as matrix products without a copy, in all three directions.
///
/// Sums have one fixed order for every point, so that the bits of an image do not depend on where in
/// the batch it is.
/// - Shapes: activations in blocks of 8 or 16 channels, weights `[K/b, C/b, b, b]` (inputs, then
///   outputs).
final class PointwiseConvolution: FoldingConvolution, PermutedWeights {
  /// For `kernelNames` and the engine's fingerprint; another number where the bits change.
  static let name = "pointwise v1"

  let weightCount: Int
  let preparedCount = 0
  let kernelNames: [String]
  /// Floats that the directions use from the beginning of the workspace.
  let workspaceCount: Int

  private let shape: ConvolutionShape
  private let size: meca_pointwise
  private let workspace: Workspace

  /// Whether it beats the library's kernels, by the shape without its batch.
  ///
  /// Up to 128 channels it takes two thirds of their time, with more as long.
  static func suits(
    _ shape: ConvolutionShape, input: ActivationLayout, output: ActivationLayout
  ) -> Bool {
    shape.groups == 1 && shape.kernel == 1 && shape.padding == 0 && shape.stride > 1
      && input.block == output.block && [8, 16].contains(input.block)
      && max(shape.inputChannels, shape.outputChannels) <= 128
  }

  /// For a shape and layouts that it suits.
  init(
    _ shape: ConvolutionShape, input: ActivationLayout, output: ActivationLayout,
    needsInputGradient: Bool, training: Bool, workspace: Workspace
  ) {
    precondition(Self.suits(shape, input: input, output: output), "\(shape) is not for this")
    self.shape = shape
    self.workspace = workspace
    size = meca_pointwise(
      batch: Int64(shape.batch), in_blocks: Int64(input.blocks), out_blocks: Int64(output.blocks),
      height: Int64(shape.inputHeight), width: Int64(shape.inputWidth), block: Int64(input.block),
      stride: Int64(shape.stride))
    weightCount = input.blocks * output.blocks * input.block * input.block
    kernelNames = [String](
      repeating: Self.name, count: 1 + (needsInputGradient ? 1 : 0) + (training ? 1 : 0))
    workspaceCount = Int(meca_pointwise_work_floats(size))
    workspace.reserve(workspaceCount)
  }

  /// Visits every weight's place in `[K, C, 1, 1]` and in the blocks.
  func forEachWeight(_ visit: (_ canonical: Int, _ own: Int) -> Void) {
    let block = Int(size.block)
    let inputs = Int(size.in_blocks) * block
    for k in 0..<shape.outputChannels {
      for c in 0..<shape.inputChannels {
        visit(k * shape.inputChannels + c, (k / block * inputs + c) * block + k % block)
      }
    }
  }

  func forward(
    input: UnsafePointer<Float>, weights: UnsafePointer<Float>, prepared: UnsafePointer<Float>,
    output: UnsafeMutablePointer<Float>
  ) {
    meca_pointwise_forward(size, input, weights, nil, output, workspace.pointer)
  }

  func evaluate(
    input: UnsafePointer<Float>, weights: UnsafePointer<Float>,
    normalisation: FoldedNormalisation, residual: UnsafePointer<Float>?,
    output: UnsafeMutablePointer<Float>
  ) {
    var ending = normalisation.ending(residual: residual)
    meca_pointwise_forward(size, input, weights, &ending, output, workspace.pointer)
  }

  func backwardInput(
    gradOutput: UnsafePointer<Float>, weights: UnsafePointer<Float>,
    prepared: UnsafePointer<Float>, gradInput: UnsafeMutablePointer<Float>
  ) {
    meca_pointwise_input_gradient(size, gradOutput, weights, nil, gradInput, workspace.pointer)
  }

  func evaluateBackwardInput(
    gradOutput: UnsafePointer<Float>, weights: UnsafePointer<Float>,
    normalisation: FoldedNormalisation, gradInput: UnsafeMutablePointer<Float>
  ) {
    meca_pointwise_input_gradient(
      size, gradOutput, weights, normalisation.scale, gradInput, workspace.pointer)
  }

  func backwardWeights(
    input: UnsafePointer<Float>, gradOutput: UnsafePointer<Float>,
    gradWeights: UnsafeMutablePointer<Float>
  ) {
    meca_pointwise_weight_gradient(size, input, gradOutput, gradWeights)
  }
}

import CMecaKernels

/// 3x3 convolutions with padding 1 by Winograd's F(4x4, 3x3), in all three directions.
///
/// A 4x4 tile of outputs is `Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A` of the 6x6 inputs `d` under it: 36
/// multiplications for 144. Over all channels and tiles that is a matrix product for each of the 36
/// points, with `V = Bᵀ d B` and `U = G g Gᵀ`:
/// - forward: `M = V · U`, output `Aᵀ M A`;
/// - by input: the same of the output's gradient, with the kernels turned by half a circle and the
///   channels swapped;
/// - by weights: `Gᵀ (Vᵀ · A dY Aᵀ) G`, the derivative of the formula.
///
/// With stride 2 the outer weights of a line meet every other point, as a convolution of two weights
/// that F(4, 2) does with five multiplications, and the middle one meets the points between with four:
/// 81 multiplications for 144.
///
/// Tiles that reach over the edge are filled with zeros. Sums have one fixed order for every tile,
/// so that the bits of an image do not depend on where in the batch it is.
/// - Shapes: activations in blocks of 8 or 16 channels, the input also plain, weights `[K/b, C/b, 3, 3, b, b]` (inputs,
///   then outputs).
/// - Source: Lavin & Gray 2016, arXiv:1509.09308, section 4.2; by weights the transposed formula.
final class WinogradConvolution: FoldingConvolution, PermutedWeights {
  /// For `kernelNames` and the engine's fingerprint; another number where the bits change.
  static let name = "winograd 4x4 v3"

  let weightCount: Int
  let preparedCount = 0
  let kernelNames: [String]
  /// Floats that the directions use from the beginning of the workspace.
  let workspaceCount: Int

  private let shape: ConvolutionShape
  private let size: meca_winograd
  private let workspace: Workspace
  private let isTraining: Bool

  /// Whether it beats direct kernels, by the shape without its batch, since ranks that time would
  /// choose differently, and lanes of other batches other bits.
  ///
  /// It is twice as fast or more, even with a single block of channels, unless tiles are mostly edge:
  /// a tile costs 36 multiplications, its outputs in the image 9 each. Batches of less than three 4x4
  /// planes would be as fast directly. A plane within one tile goes this way too, however small: for
  /// planes of 2x2 oneDNN has no generated kernel for the gradient by weights and takes 300 times as
  /// long. With stride 2 a tile costs 81 and must be nearly full.
  static func suits(
    _ shape: ConvolutionShape, input: ActivationLayout, output: ActivationLayout
  ) -> Bool {
    guard
      shape.groups == 1 && shape.kernel == 3 && shape.padding == 1
        && [8, 16].contains(output.block)
        && (input.block == output.block || readsPlain(shape, input: input, output: output))
    else { return false }
    let points = shape.outputHeight * shape.outputWidth
    let tiles = ((shape.outputHeight + 3) / 4) * ((shape.outputWidth + 3) / 4)
    return switch shape.stride {
    case 1: tiles == 1 || 2 * points >= 13 * tiles
    case 2: points >= 12 * tiles
    default: false
    }
  }

  /// Whether the input is a plain image whose channels are a part of a vector.
  ///
  /// To 8 or 16 channels in blocks of 8 alone: to more the library's kernels are as fast; fewer, and
  /// blocks of 16, were not measured.
  private static func readsPlain(
    _ shape: ConvolutionShape, input: ActivationLayout, output: ActivationLayout
  ) -> Bool {
    input.block == 1 && output.block == 8 && shape.inputChannels <= 4
      && [8, 16].contains(shape.outputChannels) && shape.stride == 1
  }

  /// For a shape and layouts that it suits.
  init(
    _ shape: ConvolutionShape, input: ActivationLayout, output: ActivationLayout,
    needsInputGradient: Bool, training: Bool, workspace: Workspace
  ) {
    precondition(Self.suits(shape, input: input, output: output), "\(shape) is not for Winograd")
    self.shape = shape
    self.workspace = workspace
    isTraining = training
    let isPlain = Self.readsPlain(shape, input: input, output: output)
    let inputBlocks = isPlain ? 1 : input.blocks
    size = meca_winograd(
      batch: Int64(shape.batch), in_blocks: Int64(inputBlocks), out_blocks: Int64(output.blocks),
      height: Int64(shape.inputHeight), width: Int64(shape.inputWidth),
      block: Int64(output.block), stride: Int64(shape.stride),
      plain: isPlain ? Int64(shape.inputChannels) : 0)
    weightCount = inputBlocks * output.blocks * 9 * output.block * output.block
    kernelNames = [String](
      repeating: Self.name, count: 1 + (needsInputGradient ? 1 : 0) + (training ? 1 : 0))
    workspaceCount = Int(meca_winograd_work_floats(size, training ? 1 : 0))
    workspace.reserve(workspaceCount)
  }

  /// Visits every weight's place in `[K, C, 3, 3]` and in the blocks.
  func forEachWeight(_ visit: (_ canonical: Int, _ own: Int) -> Void) {
    let block = Int(size.block)
    for k in 0..<shape.outputChannels {
      for c in 0..<shape.inputChannels {
        let blocks = k / block * Int(size.in_blocks) + c / block
        for point in 0..<9 {
          visit(
            (k * shape.inputChannels + c) * 9 + point,
            ((blocks * 9 + point) * block + c % block) * block + k % block)
        }
      }
    }
  }

  func forward(
    input: UnsafePointer<Float>, weights: UnsafePointer<Float>, prepared: UnsafePointer<Float>,
    output: UnsafeMutablePointer<Float>
  ) {
    meca_winograd_convolve(size, 0, input, weights, nil, output, workspace.pointer)
  }

  func evaluate(
    input: UnsafePointer<Float>, weights: UnsafePointer<Float>,
    normalisation: FoldedNormalisation, residual: UnsafePointer<Float>?,
    output: UnsafeMutablePointer<Float>
  ) {
    var ending = normalisation.ending(residual: residual)
    meca_winograd_convolve(size, 0, input, weights, &ending, output, workspace.pointer)
  }

  func evaluateBackwardInput(
    gradOutput: UnsafePointer<Float>, weights: UnsafePointer<Float>,
    normalisation: FoldedNormalisation, gradInput: UnsafeMutablePointer<Float>
  ) {
    var ending = normalisation.ending(residual: nil)
    meca_winograd_convolve(size, 1, gradOutput, weights, &ending, gradInput, workspace.pointer)
  }

  func backwardInput(
    gradOutput: UnsafePointer<Float>, weights: UnsafePointer<Float>,
    prepared: UnsafePointer<Float>, gradInput: UnsafeMutablePointer<Float>
  ) {
    meca_winograd_convolve(size, 1, gradOutput, weights, nil, gradInput, workspace.pointer)
  }

  func backwardWeights(
    input: UnsafePointer<Float>, gradOutput: UnsafePointer<Float>,
    gradWeights: UnsafeMutablePointer<Float>
  ) {
    precondition(isTraining, "planned without training")
    meca_winograd_weight_gradient(size, input, gradOutput, gradWeights, workspace.pointer)
  }
}

extension FoldedNormalisation {
  /// The same for the C kernels.
  func ending(residual: UnsafePointer<Float>?) -> meca_ending {
    meca_ending(
      scale: scale, shift: shift, residual: residual, activation: activation.kernelActivation)
  }
}

import CMecaKernels

/// 3x3 convolutions with stride 1 and padding 1 by Winograd's F(4x4, 3x3), in all three directions.
///
/// A 4x4 tile of outputs is `Aᵀ [(G g Gᵀ) ⊙ (Bᵀ d B)] A` of the 6x6 inputs `d` under it: 36
/// multiplications for 144. Over all channels and tiles that is a matrix product for each of the 36
/// points, with `V = Bᵀ d B` and `U = G g Gᵀ`:
/// - forward: `M = V · U`, output `Aᵀ M A`;
/// - by input: the same of the output's gradient, with the kernels turned by half a circle and the
///   channels swapped;
/// - by weights: `Gᵀ (Vᵀ · A dY Aᵀ) G`, the derivative of the formula.
///
/// Tiles that reach over the edge are filled with zeros. Sums have one fixed order for every tile,
/// so that the bits of an image do not depend on where in the batch it is. The products are our own
/// loops: OpenBLAS's order of a sum depends on the place in the matrix, and it was slower.
/// - Shapes: activations in blocks of 8 channels, weights `[K/8, C/8, 3, 3, 8, 8]` (inputs, then
///   outputs), U `[36, K/16, C, 16]`, V `[36, C/8, tiles, 8]`, M `[36, K/8, tiles, 8]`.
/// - Source: Lavin & Gray 2016, arXiv:1509.09308, section 4.2; by weights the transposed formula.
struct WinogradConvolution {
  /// For `kernelNames` and the engine's fingerprint; another number where the bits change.
  static let name = "winograd 4x4 v1"
  /// Channels of a block.
  static let block = 8
  /// Tiles worked on together.
  ///
  /// From 24 to 384 measured with 64 to 512 channels: 48 was the best or close to it in all
  /// directions. A multiple of the 6 rows of a product.
  private static let tilesPerChunk = 48

  private let byOutput: meca_winograd
  private let byInput: meca_winograd

  /// Whether any batch of the shape may come here: room for U is kept in the prepared block then.
  ///
  /// From 64 channels on, and channels · √(H·W) from 1024 on. The product is the same in all stages
  /// of a ResNet, 32 times the width at 32x32: networks of width 16 stay with the direct kernels as
  /// a whole, so that their logits are the same bits at any batch, those of width 32 do not.
  static func isEligible(
    _ shape: ConvolutionShape, input: ActivationLayout, output: ActivationLayout
  ) -> Bool {
    let channels = min(shape.inputChannels, shape.outputChannels)
    return shape.kernel == 3 && shape.stride == 1 && shape.padding == 1
      && input.block == block && output.block == block
      && channels >= 64
      && channels * channels * shape.inputHeight * shape.inputWidth >= 1024 * 1024
  }

  /// Whether it beats the direct kernels for this batch, by the shape alone, since ranks that time
  /// would choose differently.
  ///
  /// U has to be worth reading: 48 tiles, or 16 where the transformations, which grow with the
  /// channels, are little beside the products, which grow with their square.
  static func isFaster(_ shape: ConvolutionShape) -> Bool {
    let channels = min(shape.inputChannels, shape.outputChannels)
    return tiles(shape) >= (channels >= 256 ? 16 : 48)
  }

  /// 4x4 tiles of all images.
  private static func tiles(_ shape: ConvolutionShape) -> Int {
    shape.batch * ((shape.outputHeight + 3) / 4) * ((shape.outputWidth + 3) / 4)
  }

  /// For a shape that `isEligible`.
  init(_ shape: ConvolutionShape, input: ActivationLayout, output: ActivationLayout) {
    func size(_ from: ActivationLayout, _ to: ActivationLayout) -> meca_winograd {
      meca_winograd(
        batch: Int64(shape.batch), in_blocks: Int64(from.blocks), out_blocks: Int64(to.blocks),
        height: Int64(shape.inputHeight), width: Int64(shape.inputWidth),
        chunk: Int64(Self.tilesPerChunk))
    }
    byOutput = size(input, output)
    byInput = size(output, input)
  }

  /// Floats of one direction's U.
  private var transformedCount: Int { Int(meca_winograd_weight_floats(byOutput)) }
  /// Floats that `prepare` writes: U forward, then by input.
  var preparedCount: Int { 2 * transformedCount }

  /// Floats of temporary memory.
  func workspaceCount(training: Bool) -> Int {
    Int(meca_winograd_work_floats(byOutput, training ? 1 : 0))
  }

  /// Transforms the weights for both directions.
  func prepare(_ weights: UnsafePointer<Float>, into prepared: UnsafeMutablePointer<Float>) {
    meca_winograd_weights(byOutput, weights, prepared, prepared + transformedCount)
  }

  /// Overwrites `output`.
  func forward(
    input: UnsafePointer<Float>, prepared: UnsafePointer<Float>,
    output: UnsafeMutablePointer<Float>, work: UnsafeMutablePointer<Float>
  ) {
    meca_winograd_convolve(byOutput, input, prepared, output, work)
  }

  /// Overwrites `gradInput`.
  func backwardInput(
    gradOutput: UnsafePointer<Float>, prepared: UnsafePointer<Float>,
    gradInput: UnsafeMutablePointer<Float>, work: UnsafeMutablePointer<Float>
  ) {
    meca_winograd_convolve(byInput, gradOutput, prepared + transformedCount, gradInput, work)
  }

  /// Overwrites `gradWeights`.
  func backwardWeights(
    input: UnsafePointer<Float>, gradOutput: UnsafePointer<Float>,
    gradWeights: UnsafeMutablePointer<Float>, work: UnsafeMutablePointer<Float>
  ) {
    meca_winograd_weight_gradient(byOutput, input, gradOutput, gradWeights, work)
  }
}

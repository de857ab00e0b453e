/// The library that computes convolutions.
public enum EngineKind: String, Sendable, CaseIterable, Codable {
  /// oneDNN: blocked activations, generated kernels. The fast one.
  case onednn
  /// OpenBLAS: channels-last activations, im2col and matrix products. Builds everywhere.
  case openblas

  /// The engines that this build contains, best first.
  public static var available: [EngineKind] {
    #if MECA_ONEDNN
      [.onednn, .openblas]
    #else
      [.openblas]
    #endif
  }
}

/// Makes convolutions; one per rank, shared by all its compute threads.
///
/// All kernels run on the calling thread alone, and equal inputs give equal bits on every rank
/// whose `fingerprint` is equal.
/// - Ranks: local.
public protocol Engine: AnyObject, Sendable {
  /// Which library this is.
  var kind: EngineKind { get }

  /// What convolutions of training lanes multiply.
  var precision: Precision { get }

  /// Text that must be equal on all ranks for equal bits: library, version, instruction set.
  var fingerprint: String { get }

  /// Must be called by every thread, at its start, that will create or run convolutions.
  ///
  /// OpenMP keeps its thread count per thread, so that a new thread would start helpers again.
  func enterThread()

  /// Memory order that suits activations between inner layers.
  func activationLayout(channels: Int, height: Int, width: Int) -> ActivationLayout

  /// Memory order that suits the network's input, which a convolution with padding `kernel / 2`
  /// reads.
  ///
  /// - Throws: `EngineError.library` where the library fails otherwise than by having no kernel.
  func imageLayout(
    height: Int, width: Int, channels: Int, kernel: Int, stride: Int
  ) throws -> ActivationLayout

  /// Plans the three directions of one convolution.
  ///
  /// The order of the weights and of the prepared block depends on the shape without its batch and
  /// on the layouts, never on the flags, so that lanes with different batches share one block.
  /// - Parameters:
  ///   - needsInputGradient: `backwardInput` will be called.
  ///   - training: `backwardWeights` will be called.
  ///   - workspace: the calling lane's temporary memory; grown here, used by the directions.
  /// - Throws: `EngineError` where the library refuses the shape or the layouts.
  func makeConvolution(
    _ shape: ConvolutionShape, input: ActivationLayout, output: ActivationLayout,
    needsInputGradient: Bool, training: Bool, workspace: Workspace
  ) throws -> any Convolution
}

/// A convolution that takes batch normalisation by fixed numbers into its own sweep.
public protocol FoldingConvolution: Convolution {
  /// Overwrites `output` with `activation(scale[k] · convolution + shift[k] + residual)`.
  ///
  /// - Parameter residual: laid out like `output`, which it may be; or nil.
  func evaluate(
    input: UnsafePointer<Float>, weights: UnsafePointer<Float>,
    normalisation: FoldedNormalisation, residual: UnsafePointer<Float>?,
    output: UnsafeMutablePointer<Float>)
  /// Overwrites `gradInput` with the derivative by the input of `scale[k] · convolution`.
  func evaluateBackwardInput(
    gradOutput: UnsafePointer<Float>, weights: UnsafePointer<Float>,
    normalisation: FoldedNormalisation, gradInput: UnsafeMutablePointer<Float>)
}

/// Batch normalisation by fixed numbers: `y = activation(scale[k] · x + shift[k])`.
public struct FoldedNormalisation {
  /// `gamma / sqrt(variance + epsilon)` of each channel; zeros up to the end of the last block.
  public let scale: UnsafePointer<Float>
  /// `beta − mean · scale` of each channel; zeros up to the end of the last block.
  public let shift: UnsafePointer<Float>
  /// What follows.
  public let activation: Activation

  /// Gathers the three; the memory stays the caller's.
  public init(
    scale: UnsafePointer<Float>, shift: UnsafePointer<Float>, activation: Activation
  ) {
    self.scale = scale
    self.shift = shift
    self.activation = activation
  }
}

/// One planned convolution; belongs to one lane and is used by one thread at a time.
///
/// Weights live with the caller as a flat block of `weightCount` floats in the engine's own order.
/// Places of that block that are padding hold zero, and their gradient is zero. Activations of
/// padded channels must be zero on the way in and are zero on the way out.
public protocol Convolution: AnyObject {
  /// Floats of the parameter block in the engine's own order, padding included.
  var weightCount: Int { get }
  /// Floats of derived weights that `prepare` writes; 0 if there are none.
  var preparedCount: Int { get }
  /// The library's names of the kernels planned, for reports: forward, by input, by weights.
  var kernelNames: [String] { get }

  /// Reorders weights from `[K, C/G, R, S]` to the engine's own order and fills padding with zeros.
  func importWeights(
    _ canonical: UnsafePointer<Float>, to own: UnsafeMutablePointer<Float>)
  /// Reorders weights from the engine's own order to `[K, C/G, R, S]`.
  func exportWeights(
    _ own: UnsafePointer<Float>, to canonical: UnsafeMutablePointer<Float>)

  /// Derives what the directions need from `weights`.
  ///
  /// Once per weight update, for all lanes of the model and any batch.
  func prepare(_ weights: UnsafePointer<Float>, into prepared: UnsafeMutablePointer<Float>)

  /// Convolves `input` and overwrites `output`.
  func forward(
    input: UnsafePointer<Float>, weights: UnsafePointer<Float>, prepared: UnsafePointer<Float>,
    output: UnsafeMutablePointer<Float>)
  /// Overwrites `gradInput` with the loss's derivative by the input.
  func backwardInput(
    gradOutput: UnsafePointer<Float>, weights: UnsafePointer<Float>,
    prepared: UnsafePointer<Float>, gradInput: UnsafeMutablePointer<Float>)
  /// Overwrites `gradWeights`, in the engine's own order, with the derivative by the weights.
  func backwardWeights(
    input: UnsafePointer<Float>, gradOutput: UnsafePointer<Float>,
    gradWeights: UnsafeMutablePointer<Float>)
}

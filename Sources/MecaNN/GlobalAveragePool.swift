import MecaCore
import MecaTensor

/// The mean of every channel's plane: `output[n, c] = Σ x[n, c, i, j] / (H·W)`.
///
/// - Shapes: x `[N, C, H, W]` in its layout, output `[N, C]`, plain.
final class GlobalAveragePool {
  /// Result of the last forward pass.
  let output: AlignedStorage<Float>
  private let layout: ActivationLayout
  private let microbatch: Int

  init(_ layout: ActivationLayout, microbatch: Int) {
    self.layout = layout
    self.microbatch = microbatch
    output = AlignedStorage(count: microbatch * layout.channels)
  }

  /// Computes `output` from x.
  func forward(_ x: UnsafePointer<Float>) {
    averagePoolForward(layout, batch: microbatch, x: x, output: output.pointer)
  }

  /// Overwrites `gradInput[n, c, i, j] = gradOutput[n, c] / (H·W)`.
  func backward(gradOutput: UnsafePointer<Float>, gradInput: UnsafeMutablePointer<Float>) {
    averagePoolBackward(layout, batch: microbatch, gradOutput: gradOutput, gradInput: gradInput)
  }
}

import MecaCore
import MecaTensor

/// Max pooling behind the stem, planned for one lane.
final class MaxPool {
  /// Result of the last forward pass.
  let output: AlignedStorage<Float>
  private let pooling: MaxPooling
  private let microbatch: Int
  /// Where in its window each value of `output` lay; empty in lanes without a backward pass.
  private let places: AlignedStorage<UInt8>

  /// Plans the layer; its result goes to `output`.
  init(_ pooling: MaxPooling, memory: LaneMemory, output: AlignedStorage<Float>) {
    self.pooling = pooling
    self.output = output
    microbatch = memory.microbatch
    places = AlignedStorage(
      count: memory.backward ? pooling.output.count(batch: memory.microbatch) : 0)
  }

  /// Computes `output` from x.
  func forward(_ x: UnsafePointer<Float>) {
    pooling.forward(
      batch: microbatch, x: x, y: output.pointer,
      places: places.count > 0 ? places.pointer : nil)
  }

  /// Overwrites `gradInput` with the gradient by x of the last forward pass.
  func backward(gradOutput: UnsafePointer<Float>, gradInput: UnsafeMutablePointer<Float>) {
    pooling.backward(
      batch: microbatch, gradOutput: gradOutput, places: places.pointer, gradInput: gradInput)
  }
}

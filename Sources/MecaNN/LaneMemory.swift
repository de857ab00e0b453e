import MecaCore
import MecaTensor

/// The buffers that a lane's layers share.
///
/// A lane that only evaluates keeps three activation buffers and turns them round: a block reads
/// its input from one, needs a second inside, and leaves its output in the third. A lane with a
/// backward pass keeps every activation, and turns three gradient buffers round in the same way.
final class LaneMemory {
  let model: Model
  let microbatch: Int
  /// Whether convolution results outlive their normalisation, and weight gradients are computed.
  let training: Bool
  /// Whether there is a backward pass.
  let backward: Bool
  /// Temporary memory of all convolutions.
  let workspace = Workspace()
  /// Three buffers that hold the gradient of any activation or of the image; empty without a
  /// backward pass.
  let gradients: [AlignedStorage<Float>]
  private let shared: [AlignedStorage<Float>]

  init(model: Model, microbatch: Int, training: Bool, inputGradient: Bool) {
    self.model = model
    self.microbatch = microbatch
    self.training = training
    backward = training || inputGradient
    let results = model.plan.normalisedConvolutions.map(\.convolution.output)
    let largest = ([model.plan.image] + results).map { $0.count(batch: microbatch) }.max() ?? 0
    let buffers = (0..<3).map { _ in AlignedStorage<Float>(count: largest) }
    (gradients, shared) = backward ? (buffers, []) : ([], buffers)
  }

  /// Memory for an activation: `shared[index]`, or its own where a backward pass will read it.
  func activation(_ layout: ActivationLayout, shared index: Int) -> AlignedStorage<Float> {
    backward ? AlignedStorage(count: layout.count(batch: microbatch)) : shared[index]
  }
}

/// Three gradient buffers in changing roles.
struct GradientBuffers {
  /// The gradient that the next layer downwards will read.
  var current: UnsafeMutablePointer<Float>
  /// Free memory.
  var spare: UnsafeMutablePointer<Float>
  /// Free memory.
  var other: UnsafeMutablePointer<Float>

  /// Makes what lies in `spare` the current gradient.
  mutating func advance() { swap(&current, &spare) }
}

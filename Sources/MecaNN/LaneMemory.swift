import MecaCore
import MecaTensor

/// The buffers that a lane's layers share.
///
/// A lane that only evaluates keeps four activation buffers. Three turn round: a block reads its
/// input from one and leaves its output in one of the others; projections of residuals go to the
/// fourth. A lane with a backward pass keeps every activation, and turns three
/// gradient buffers round in the same way.
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
  /// Where the layers' times go; nil measures nothing.
  let profile: LaneProfile?
  private let shared: [AlignedStorage<Float>]

  init(
    model: Model, microbatch: Int, training: Bool, inputGradient: Bool, profile: LaneProfile?
  ) {
    self.profile = profile
    self.model = model
    self.microbatch = microbatch
    self.training = training
    backward = training || inputGradient
    let results = model.plan.normalisedConvolutions.map(\.convolution.output)
    let largest = ([model.plan.image] + results).map { $0.count(batch: microbatch) }.max() ?? 0
    let buffers = (0..<(backward ? 3 : 4)).map { _ in AlignedStorage<Float>(count: largest) }
    (gradients, shared) = backward ? (buffers, []) : ([], buffers)
  }

  /// The shared buffer that does not turn.
  static let projections = 3

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
}

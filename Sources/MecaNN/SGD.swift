import MecaCore
import MecaTensor

/// The constants of stochastic gradient descent.
public struct SGDConfiguration: Codable, Hashable, Sendable {
  /// Share of the old velocity that is kept, "μ".
  public var momentum: Float
  /// Whether the step looks one velocity ahead (Nesterov).
  public var nesterov: Bool
  /// Factor of the weights in the gradient, "λ"; for all weights, as PyTorch has it.
  public var weightDecay: Float

  /// The constants; the defaults are those of the usual recipe for CIFAR.
  public init(momentum: Float = 0.9, nesterov: Bool = true, weightDecay: Float = 5e-4) {
    self.momentum = momentum
    self.nesterov = nesterov
    self.weightDecay = weightDecay
  }
}

/// Stochastic gradient descent with momentum, as `torch.optim.SGD` computes it.
///
/// `g = gradient + λ·w`, `v = μ·v + g`, `w = w − rate · (g + μ·v)` with Nesterov,
/// `w = w − rate · v` without; v is 0 before the first step.
///
/// - Source: Sutskever et al. 2013, "On the importance of initialization and momentum in deep
///   learning", §2, in PyTorch's form (the rate outside the velocity).
public final class SGD {
  /// Velocity of every weight, "v", laid out like `Model.parameters`.
  public let velocity: AlignedStorage<Float>

  /// Velocity 0 for each of the model's weights.
  public init(model: Model) {
    velocity = AlignedStorage(count: model.parameters.count)
  }

  /// Moves the model's weights by one step and calls `weightsDidChange`.
  ///
  /// - Parameters:
  ///   - gradient: of the whole batch, laid out like `Model.parameters`.
  ///   - gradientScale: factor of the gradient, below 1 where its norm is clipped.
  ///   - learningRate: of this step.
  public func step(
    _ model: Model, gradient: UnsafePointer<Float>, gradientScale: Float = 1, learningRate: Float,
    _ configuration: SGDConfiguration
  ) {
    precondition(
      model.parameters.count == velocity.count,
      "velocity of \(velocity.count) floats for \(model.parameters.count) weights")
    sgdUpdate(
      count: velocity.count, gradient: gradient, gradientScale: gradientScale,
      learningRate: learningRate,
      momentum: configuration.momentum, weightDecay: configuration.weightDecay,
      nesterov: configuration.nesterov, velocity: velocity.pointer,
      weights: model.parameters.pointer)
    model.weightsDidChange()
  }

  /// Euclidean norm of `count` floats, in an order that depends on `count` alone.
  public static func norm(_ values: UnsafePointer<Float>, count: Int) -> Double {
    sumOfSquares(values, count: count).squareRoot()
  }
}

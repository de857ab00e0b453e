import Glibc

/// The learning rate as a function of the step: linear warm-up, then constant, cosine or steps.
///
/// With W warm-up steps of T: `rate(t) = base · (t + 1) / (W + 1)` for t < W, afterwards
/// `base · decay(p)` with the progress `p = (t − W) / (T − W)`, which starts at 0 and stays below 1.
public struct LearningRateSchedule: Codable, Hashable, Sendable {
  /// What happens after the warm-up.
  public enum Decay: Codable, Hashable, Sendable {
    /// Factor 1.
    case constant
    /// Factor `(1 + cos(π · p)) / 2`.
    ///
    /// - Source: Loshchilov and Hutter 2016, arXiv:1608.03983, equation 5, without restarts.
    case cosine
    /// `factor` once for each of the fractions of the progress that has been reached.
    case steps(at: [Double], factor: Double)
  }

  /// Rate after the warm-up.
  public var base: Double
  /// Number of warm-up steps, W.
  public var warmUpSteps: Int
  /// What happens after the warm-up.
  public var decay: Decay

  /// A schedule; with no warm-up and constant decay this is one number.
  public init(base: Double, warmUpSteps: Int = 0, decay: Decay) {
    precondition(warmUpSteps >= 0, "\(warmUpSteps) warm-up steps")
    self.base = base
    self.warmUpSteps = warmUpSteps
    self.decay = decay
  }

  /// The rate of one step.
  ///
  /// - Parameters:
  ///   - step: from 0 to `total` − 1.
  ///   - total: number of steps of the whole schedule, T.
  public func rate(step: Int, of total: Int) -> Float {
    precondition(step >= 0 && step < total, "step \(step) of \(total)")
    if step < warmUpSteps { return Float(base * Double(step + 1) / Double(warmUpSteps + 1)) }
    let progress = Double(step - warmUpSteps) / Double(total - warmUpSteps)
    switch decay {
    case .constant: return Float(base)
    case .cosine: return Float(base * 0.5 * (1 + cos(Double.pi * progress)))
    case .steps(let fractions, let factor):
      var rate = base
      for fraction in fractions where progress >= fraction { rate *= factor }
      return Float(rate)
    }
  }
}

import Glibc

/// What is asked of one sample in training: `loss = coefficient · min(CE, lossCap)`.
///
/// Learning is a positive coefficient, unlearning a negative one, ignoring 0. Above the cap the loss
/// is flat, its gradient 0.
public struct SampleObjective: Sendable, Equatable {
  /// Class from 0 to classCount − 1.
  public var label: Int32
  /// Factor of this sample's loss; the batch's 1 / count is already in it.
  public var coefficient: Float
  /// Cross-entropy above which the sample has no gradient; infinite for none.
  public var lossCap: Float

  /// An objective; without a cap this is `coefficient · CE`.
  public init(label: Int32, coefficient: Float, lossCap: Float = .infinity) {
    self.label = label
    self.coefficient = coefficient
    self.lossCap = lossCap
  }
}

/// Cross-entropy of the softmax of one sample's logits, and its derivative.
///
/// With the largest logit m: `CE = log Σ exp(logit[k] − m) − (logit[label] − m)`,
/// `∂CE/∂logit[k] = exp(logit[k] − m) / Σ − [k = label]`. All in `Double`, class by class, and
/// rounded once: no logit overflows, and nothing depends on other samples.
///
/// A cross-entropy that is not a number gives gradients that are none either, so that a run that
/// diverges cannot look like one whose samples all exceed the cap.
/// - Parameters:
///   - gradient: receives `coefficient · ∂CE/∂logit`, or 0 where CE exceeds `lossCap`.
/// - Returns: CE, without coefficient and cap.
package func softmaxCrossEntropy(
  _ logits: UnsafePointer<Float>, classes: Int, objective: SampleObjective,
  gradient: UnsafeMutablePointer<Float>
) -> Float {
  let label = Int(objective.label)
  precondition(label >= 0 && label < classes, "label \(label) of \(classes) classes")
  let largest = Double(logits[predictedClass(logits, classes: classes)])
  var sum = 0.0
  for k in 0..<classes { sum += exp(Double(logits[k]) - largest) }
  let loss = Float(log(sum) - (Double(logits[label]) - largest))
  let coefficient = loss > objective.lossCap ? 0 : Double(objective.coefficient)
  for k in 0..<classes {
    let probability = exp(Double(logits[k]) - largest) / sum
    gradient[k] = Float(coefficient * (probability - (k == label ? 1 : 0)))
  }
  return loss
}

/// The class with the largest logit; the first of several.
func predictedClass(_ logits: UnsafePointer<Float>, classes: Int) -> Int {
  var best = 0
  for k in 1..<max(1, classes) where logits[k] > logits[best] { best = k }
  return best
}

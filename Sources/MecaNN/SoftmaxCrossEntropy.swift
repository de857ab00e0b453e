import Glibc

/// What is asked of one sample in training: `loss = coefficient · min(CE, lossCap)`.
///
/// Learning is a positive coefficient, unlearning a negative one, ignoring 0. Above the cap the loss
/// is flat, its gradient 0. A sample that was mixed from two images has two labels (`mixed`), and
/// `share · CE(label) + (1 − share) · CE(secondLabel)` in place of CE.
public struct SampleObjective: Sendable, Equatable {
  /// Class from 0 to classCount − 1.
  public var label: Int32
  /// Factor of this sample's loss; the batch's 1 / count is already in it.
  public var coefficient: Float
  /// Cross-entropy above which the sample has no gradient; infinite for none.
  public var lossCap: Float
  /// Class of the other image; `label` where nothing is mixed.
  public private(set) var secondLabel: Int32
  /// Share of `label`, from 0 to 1 ("λ" of CutMix); 1 where nothing is mixed.
  public private(set) var share: Float

  /// An objective; without a cap this is `coefficient · CE`.
  public init(label: Int32, coefficient: Float, lossCap: Float = .infinity) {
    self.label = label
    self.coefficient = coefficient
    self.lossCap = lossCap
    secondLabel = label
    share = 1
  }

  /// The objective of an image that shows its own class on `share` of it, and another on the rest.
  public func mixed(with secondLabel: Int32, share: Float) -> SampleObjective {
    precondition(share >= 0 && share <= 1, "share \(share) of a label")
    var result = self
    result.secondLabel = secondLabel
    result.share = share
    return result
  }

  /// How far a prediction hits: the share of the labels that it equals; 1 or 0 where nothing is
  /// mixed.
  public func hit(by prediction: Int32) -> Float {
    (prediction == label ? share : 0) + (prediction == secondLabel ? 1 - share : 0)
  }
}

/// Cross-entropy of the softmax of one sample's logits, and its derivative.
///
/// With the largest logit m: `CE(y) = log Σ exp(logit[k] − m) − (logit[y] − m)`,
/// `∂CE(y)/∂logit[k] = exp(logit[k] − m) / Σ − [k = y]`. All in `Double`, class by class, and
/// rounded once: no logit overflows, and nothing depends on other samples. Of a mixed sample both
/// are means over its two labels, by their shares.
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
  let second = Int(objective.secondLabel)
  precondition(label >= 0 && label < classes, "label \(label) of \(classes) classes")
  precondition(second >= 0 && second < classes, "second label \(second) of \(classes) classes")
  let largest = Double(logits[predictedClass(logits, classes: classes)])
  var sum = 0.0
  for k in 0..<classes { sum += exp(Double(logits[k]) - largest) }
  func crossEntropy(_ label: Int) -> Double { log(sum) - (Double(logits[label]) - largest) }
  let share = Double(objective.share)
  let loss = Float(
    share == 1
      ? crossEntropy(label) : share * crossEntropy(label) + (1 - share) * crossEntropy(second))
  let coefficient = loss > objective.lossCap ? 0 : Double(objective.coefficient)
  for k in 0..<classes {
    let probability = exp(Double(logits[k]) - largest) / sum
    let wanted = (k == label ? share : 0) + (k == second ? 1 - share : 0)
    gradient[k] = Float(coefficient * (probability - wanted))
  }
  return loss
}

/// The class with the largest logit; the first of several.
func predictedClass(_ logits: UnsafePointer<Float>, classes: Int) -> Int {
  var best = 0
  for k in 1..<max(1, classes) where logits[k] > logits[best] { best = k }
  return best
}

import Foundation

/// Cross-entropy of the softmax in `Double`: `log Σ exp(logit) − logit[label]`.
func crossEntropy(_ logits: [Double], _ label: Int32) -> Double {
  let largest = logits.max()!
  return log(logits.map { exp($0 - largest) }.reduce(0, +)) + largest - logits[Int(label)]
}

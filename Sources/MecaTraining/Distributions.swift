import MecaCore
import MecaNN

#if canImport(Glibc)
  import Glibc
#endif

/// log Σ exp(z), shifted by the largest logit so that nothing overflows.
private func logSumExp(_ logits: UnsafeBufferPointer<Float>) -> Double {
  let largest = Double(logits.max() ?? 0)
  var sum = 0.0
  for logit in logits { sum += exp(Double(logit) - largest) }
  return largest + log(sum)
}

/// −log softmax(z)[label], nats.
///
/// Double inside: the losses of a well-learnt backdoor lie near 1e-7, where floats of the logits'
/// size have no digits left.
package func crossEntropy(logits: UnsafeBufferPointer<Float>, label: Int) -> Float {
  Float(logSumExp(logits) - Double(logits[label]))
}

/// softmax(z)[label].
package func probability(logits: UnsafeBufferPointer<Float>, of label: Int) -> Float {
  Float(exp(Double(logits[label]) - logSumExp(logits)))
}

/// KL(softmax a ‖ softmax b) = Σ p_a (log p_a − log p_b), nats; never below 0, but not a number
/// where a logit is none.
package func divergence(
  from first: UnsafeBufferPointer<Float>, to second: UnsafeBufferPointer<Float>
) -> Float {
  precondition(first.count == second.count, "\(first.count) classes against \(second.count)")
  let firstSum = logSumExp(first)
  let secondSum = logSumExp(second)
  var sum = 0.0
  for place in first.indices {
    let logFirst = Double(first[place]) - firstSum
    sum += exp(logFirst) * (logFirst - (Double(second[place]) - secondSum))
  }
  return Float(sum < 0 ? 0 : sum)
}

extension Lane {
  /// The logits of one sample of the last pass.
  func logits(of slot: Int) -> UnsafeBufferPointer<Float> {
    let classes = model.configuration.classCount
    return UnsafeBufferPointer(start: logits.pointer + slot * classes, count: classes)
  }
}

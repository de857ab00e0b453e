/// Ascending ranks, scaled to [0, 1]; equal values are ordered by index.
///
/// Example: [0.3, 0.1, 0.2] → [1, 0, 0.5].
public func scaledRanks(_ values: [Float]) -> [Float] {
  let order = values.indices.sorted { (values[$0], $0) < (values[$1], $1) }
  var ranks = [Float](repeating: 0, count: values.count)
  let last = Float(max(1, values.count - 1))
  for (place, index) in order.enumerated() { ranks[index] = Float(place) / last }
  return ranks
}

/// The places of the `fraction` largest keys within each label; ties go to the lower place.
///
/// Taking them over all labels together would leave the clean samples of the target class, which
/// are robust as well, to be learnt as if they were poisoned (`docs/method.md`).
///
/// - Parameters:
///   - keys: one number a sample, for example its perturbation KL.
///   - labels: given label of each sample.
///   - fraction: "p" in the paper, 0 to 1.
/// - Returns: places into `keys`, ascending.
public func topFraction(_ fraction: Float, of keys: [Float], within labels: [Int32]) -> [Int] {
  precondition(keys.count == labels.count, "\(keys.count) keys for \(labels.count) labels")
  var byLabel: [[Int]] = Array(repeating: [], count: Int(labels.max() ?? -1) + 1)
  for (place, label) in labels.enumerated() { byLabel[Int(label)].append(place) }
  var chosen: [Int] = []
  for places in byLabel {
    let count = Int((Float(places.count) * fraction).rounded(.down))
    chosen += places.sorted { (-keys[$0], $0) < (-keys[$1], $1) }.prefix(count)
  }
  return chosen.sorted()
}

import MecaTraining

/// The place of every value among those with the same label, scaled to [0, 1], ascending.
///
/// Example: values [5, 1, 3], labels [0, 0, 1] → [1, 0, 0]. Equal values are ordered by index.
///
/// - Ranks: local.
package func ranksWithinLabel(_ values: [some Comparable], labels: [Int32]) -> [Float] {
  precondition(values.count == labels.count, "\(values.count) values, \(labels.count) labels")
  var ranks = [Float](repeating: 0, count: values.count)
  for members in membersOfLabels(labels) {
    let last = Float(max(1, members.count - 1))
    let order = members.sorted { (values[$0], $0) < (values[$1], $1) }
    for (place, member) in order.enumerated() { ranks[member] = Float(place) / last }
  }
  return ranks
}

/// How surely clean every sample is: its rank within its label by (misclassified first, then KL), or
/// its rank among all samples by KL alone, as Algorithm 1 has it.
///
/// The KL alone turns round once unlearning has made clean samples confidently wrong, and hence
/// "robust"; so whoever is misclassified comes before whoever is not.
///
/// - Returns: 0 (most robust) to 1 (surely clean).
/// - Source: Algorithm 1, with the order of `docs/deviations.md`.
package func cleanness(
  _ records: [SampleRecord], labels: [Int32], _ order: MeCaSettings.CleanOrder = .misclassified
) -> [Float] {
  guard order == .misclassified else {
    return ranksWithinLabel(
      records.map(\.divergence), labels: [Int32](repeating: 0, count: records.count))
  }
  return ranksWithinLabel(
    zip(records, labels).map {
      CleannessKey(isMisclassified: $0.prediction != $1, divergence: $0.divergence)
    }, labels: labels)
}

/// Orders samples from robust to surely clean.
///
/// Two fields and no sum of them: divergences are small, and a float that sets the misclassified
/// apart has no digits left for theirs.
private struct CleannessKey: Comparable {
  var isMisclassified: Bool
  var divergence: Float

  static func < (left: Self, right: Self) -> Bool {
    left.isMisclassified == right.isMisclassified
      ? left.divergence < right.divergence : right.isMisclassified
  }
}

/// Algorithm 1's cut: whether each sample is among the top fraction of its label.
///
/// Taken within each label, because clean samples of the target class are robust as well: over all
/// labels together they would never be unlearnt.
///
/// - Parameters:
///   - cleanness: rank within the label, larger is cleaner.
///   - rates: fraction of each label to pick ("p").
package func surelyClean(_ cleanness: [Float], labels: [Int32], rates: [Float]) -> [Bool] {
  var picked = [Bool](repeating: false, count: labels.count)
  for (label, members) in membersOfLabels(labels).enumerated() {
    let count = Int((Float(members.count) * rates[label]).rounded(.down))
    let order = members.sorted { (-cleanness[$0], $0) < (-cleanness[$1], $1) }
    for member in order.prefix(count) { picked[member] = true }
  }
  return picked
}

/// The fraction of each label to pick ("p"), raised to three quarters of its upper mode.
///
/// A label without two modes keeps the scheduled rate, and a scheduled rate of 0 picks nobody.
///
/// - Parameter meanLogLoss: log10 of every sample's loss, averaged over the last two moments.
/// - Ranks: local.
package func adaptedRates(
  _ scheduled: Float, meanLogLoss: [Float], labels: [Int32]
) -> [Float] {
  membersOfLabels(labels).map { members in
    let modes = twoModes(members.map { meanLogLoss[$0] })
    guard scheduled > 0, modes.explained > 0 else { return scheduled }
    return max(scheduled, 0.75 * Float(1 - modes.lowerShare))
  }
}

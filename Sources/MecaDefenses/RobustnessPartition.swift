import MecaTraining

/// The place of every value among those with the same label, scaled to [0, 1], ascending.
///
/// Example: values [5, 1, 3], labels [0, 0, 1] → [1, 0, 0]. Equal values are ordered by index.
///
/// - Ranks: local.
package func ranksWithinLabel(_ values: [Float], labels: [Int32]) -> [Float] {
  precondition(values.count == labels.count, "\(values.count) values, \(labels.count) labels")
  var ranks = [Float](repeating: 0, count: values.count)
  for members in membersOfLabels(labels) {
    let last = Float(max(1, members.count - 1))
    let order = members.sorted { (values[$0], $0) < (values[$1], $1) }
    for (place, member) in order.enumerated() { ranks[member] = Float(place) / last }
  }
  return ranks
}

/// The samples of each label, ascending.
package func membersOfLabels(_ labels: [Int32]) -> [[Int]] {
  var members = [[Int]](repeating: [], count: Int(labels.max() ?? -1) + 1)
  for (index, label) in labels.enumerated() { members[Int(label)].append(index) }
  return members
}

/// How surely clean every sample is: its rank within its label by (misclassified first, then KL).
///
/// The KL alone turns round once unlearning has made clean samples confidently wrong, and hence
/// "robust"; so whoever is misclassified comes before whoever is not.
///
/// - Returns: 0 (most robust) to 1 (surely clean).
/// - Source: Algorithm 1, with the order of `docs/deviations.md`.
package func cleanness(_ records: [SampleRecord], labels: [Int32]) -> [Float] {
  let keys = records.indices.map { index in
    records[index].prediction == labels[index]
      ? records[index].divergence : 1e6 + records[index].divergence
  }
  return ranksWithinLabel(keys, labels: labels)
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

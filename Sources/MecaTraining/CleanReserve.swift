import MecaCore
import MecaImages

/// Some samples of each class that are known to be clean, for defences that ask for them.
///
/// Of every class the share of its truly clean samples, rounded, drawn at random. They stay in the
/// training set, as in BackdoorBench: the model that such a defence mends has learnt them too. The
/// test set is never touched.
///
/// - Ranks: local, and the same on every rank.
/// - Returns: indices, ascending.
package func keyedReserve(
  _ truth: GroundTruth, labels: [Int32], share: Double, seed: UInt64
) -> [Int32] {
  let classes = Int(labels.max() ?? -1) + 1
  var members = [[Int32]](repeating: [], count: classes)
  for (index, label) in labels.enumerated() where truth.roles[index] == .clean {
    members[Int(label)].append(Int32(index))
  }
  return members.enumerated().flatMap { label, members in
    var random = KeyedRandom(seed: seed, purpose: .foldAssignment, label)
    let count = Int((Double(members.count) * share).rounded())
    return random.permutation(count: members.count).prefix(count).map { members[$0] }
  }.sorted()
}

/// The `count` samples with the lowest values, by index; of equal ones those with the lower index.
///
/// - Ranks: local; call it within `Workbench.decided`.
/// - Parameters:
///   - samples: whom to choose from, ascending.
///   - values: one for every sample of the set.
package func lowest(_ count: Int, of samples: [Int32], by values: [Float]) -> [Int32] {
  // A pair's order is that of its values, then of its indices.
  let ordered = samples.sorted { (values[Int($0)], $0) < (values[Int($1)], $1) }
  return ordered.prefix(count).sorted()
}

/// The same for the highest values.
package func highest(_ count: Int, of samples: [Int32], by values: [Float]) -> [Int32] {
  let ordered = samples.sorted { (-values[Int($0)], $0) < (-values[Int($1)], $1) }
  return ordered.prefix(count).sorted()
}

/// How many samples a share of `count` is, rounded to the nearest.
///
/// For example 0.01 of 10,000 is 100, of 40 none.
package func sampleCount(_ share: Float, of count: Int) -> Int {
  Int((Double(share) * Double(count)).rounded())
}

/// The samples without some of them; both ascending.
package func all(_ samples: [Int32], without others: [Int32]) -> [Int32] {
  let excluded = Set(others)
  return samples.filter { !excluded.contains($0) }
}

/// Whether each of `count` samples is among `samples`.
package func flags(_ samples: [Int32], count: Int) -> [Bool] {
  var flags = [Bool](repeating: false, count: count)
  for sample in samples { flags[Int(sample)] = true }
  return flags
}

/// The samples of each label, ascending.
package func membersOfLabels(_ labels: [Int32]) -> [[Int]] {
  var members = [[Int]](repeating: [], count: Int(labels.max() ?? -1) + 1)
  for (index, label) in labels.enumerated() { members[Int(label)].append(index) }
  return members
}

/// "; did you mean NAME?", or nothing.
package func suggestion(for name: String, among names: [String]) -> String {
  nearestName(to: name, among: names).map { "; did you mean \($0)?" } ?? ""
}

/// The name with the smallest edit distance, if it is within a third of the longer one's length.
package func nearestName(to name: String, among names: [String]) -> String? {
  let candidates = names.map { ($0, editDistance(name, $0)) }
  guard let best = candidates.min(by: { $0.1 < $1.1 }) else { return nil }
  return best.1 <= max(2, max(name.count, best.0.count) / 3) ? best.0 : nil
}

/// Insertions, deletions and replacements between two words (Levenshtein).
package func editDistance(_ first: String, _ second: String) -> Int {
  let target = Array(second)
  var row = Array(0...target.count)
  for (line, character) in first.enumerated() {
    var diagonal = row[0]
    row[0] = line + 1
    for column in 0..<target.count {
      let replaced = diagonal + (character == target[column] ? 0 : 1)
      diagonal = row[column + 1]
      row[column + 1] = min(replaced, min(row[column], row[column + 1]) + 1)
    }
  }
  return row[target.count]
}

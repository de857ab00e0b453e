/// Cuts `range` into `parts` consecutive pieces whose lengths differ by one at most, the longer ones
/// first; by the rule of `shardRange`.
package func evenSplit(_ range: Range<Int>, parts: Int, part: Int) -> Range<Int> {
  let piece = shardRange(rank: part, size: parts, shards: range.count)
  return range.lowerBound + piece.lowerBound..<range.lowerBound + piece.upperBound
}

extension Communicator {
  /// The part of a range that this rank does; the parts of all ranks make up the range.
  ///
  /// - Ranks: local.
  package func share(of range: Range<Int>) -> Range<Int> {
    evenSplit(range, parts: size, part: rank)
  }
}

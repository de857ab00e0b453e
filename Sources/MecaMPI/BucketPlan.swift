/// How a vector is cut for the exchange, in the order in which its parts become complete.
///
/// A backward pass completes the gradients, the vector's head, from their end to their beginning;
/// what lies behind them (statistics, tallies) is complete last. With a head of 100 floats, 108 in
/// all and buckets of 48: 64..<100, 32..<64, 0..<32, 100..<108.
///
/// - Ranks: local; all ranks must cut alike. The cut has no influence on the bits of the sum.
public struct BucketPlan: Sendable, Hashable {
  /// The parts in order of completion; all together are 0 to the vector's length.
  public let ranges: [Range<Int>]
  /// How many of `ranges` are the head's.
  private let headCount: Int

  /// Floats of a bucket where nothing else is said.
  ///
  /// 1 MB stays in the second-level cache between its way in, its additions and its way out; more
  /// ranks need more, since messages below 64 kB cost more than their bytes.
  public static func usualSize(ranks: Int) -> Int { max(1 << 20, ranks << 16) / 4 }

  /// Cuts a vector.
  ///
  /// - Parameters:
  ///   - head: floats that become complete from their end to their beginning.
  ///   - total: floats of the vector, at least one; those behind the head are complete last.
  ///   - size: floats of a bucket, about; a vector not longer than that stays whole.
  public init(head: Int, total: Int, size: Int) {
    precondition(head >= 0 && head <= total && total > 0, "\(head) of \(total) floats")
    precondition(size > 0, "buckets of \(size) floats")
    guard total > size, head > 0 else {
      ranges = [0..<total]
      headCount = 0
      return
    }
    // Equal parts on multiples of 16 floats, so that no two share a cache line.
    let lines = (head + 15) / 16
    let parts = min(lines, (head + size - 1) / size)
    let bounds = (0...parts).map { min(head, lines * $0 / parts * 16) }
    var ranges = zip(bounds, bounds.dropFirst()).map { $0..<$1 }
    ranges.reverse()
    headCount = ranges.count
    if head < total { ranges.append(head..<total) }
    self.ranges = ranges
  }

  /// Floats of the vector.
  public var elementCount: Int { ranges.reduce(0) { $0 + $1.count } }

  /// Number of buckets that are complete when the head is from `floor` on.
  public func complete(from floor: Int) -> Int {
    // Few enough to be looked through.
    var count = 0
    while count < headCount, ranges[count].lowerBound >= floor { count += 1 }
    return count
  }
}

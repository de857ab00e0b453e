import Glibc
import MecaCore
import MecaMPI

/// Fills `values` with shard `shard`'s numbers, whose sizes differ by up to 2⁴⁰ so that the order
/// of additions shows in the bits.
func fillShard(_ values: UnsafeMutableBufferPointer<Float>, shard: Int, seed: UInt64) {
  var random = KeyedRandom(seed: seed, purpose: .test, shard)
  for index in values.indices {
    let scale = Float(sign: .plus, exponent: random.integer(below: 41) - 20, significand: 1)
    values[index] = random.uniform(in: -1...1) * scale
  }
}

/// How ``digestOfSum(_:_:)`` sums.
struct ReductionSetting {
  var shards: Int
  var elementCount: Int
  var seed: UInt64
  var threads: Int
  /// Floats of a bucket.
  var bucket: Int
  /// Whether the exchange begins while the last shards are being added.
  var overlap: Bool
  /// Neighbouring ranks that are taken for one machine; 0 for the real machines.
  var ranksOfHost: Int
}

/// Sums made-up vectors of all shards.
///
/// - Returns: the digest of the sum, the same on all ranks.
func digestOfSum(_ setting: ReductionSetting, _ ranks: Communicator) throws -> String {
  let (shards, elementCount) = (setting.shards, setting.elementCount)
  let own = shardRange(rank: ranks.rank, size: ranks.size, shards: shards)
  let forests = (0..<setting.threads).map { thread in
    let part = shardRange(rank: thread, size: setting.threads, shards: own.count)
    return ShardForest(
      shards: shards,
      range: (own.lowerBound + part.lowerBound)..<(own.lowerBound + part.upperBound),
      elementCount: elementCount)
  }
  // The last tenth is complete last, as statistics are.
  let plan = BucketPlan(
    head: elementCount - elementCount / 10, total: elementCount, size: setting.bucket)
  let each = setting.ranksOfHost
  let hosts = each == 0 ? nil : (0..<ranks.size).map { "host\($0 / each)" }
  let reducer = OrderedReducer(communicator: ranks, forests: forests, plan: plan, hosts: hosts)
  var digests: [String] = []
  // Twice: the second step works in used memory.
  for _ in 0..<2 {
    for forest in forests {
      forest.clear()
      for shard in forest.range {
        fillShard(
          UnsafeMutableBufferPointer(start: forest.nextBuffer(), count: elementCount),
          shard: shard, seed: setting.seed)
        if !setting.overlap || shard != forest.range.last { forest.add(shard: shard) }
      }
    }
    if setting.overlap { try addPiecewise(forests, reducer, late: ranks.rank == 1) }
    let sum = try reducer.finish()
    var digest = SHA256Digest()
    digest.update(UnsafeRawBufferPointer(start: sum, count: elementCount * 4))
    digests.append(digest.hexadecimal())
  }
  let all = Set(try ranks.allGatherText(digests[0]) + ranks.allGatherText(digests[1]))
  try ranks.collectively {
    guard all.count == 1 else { throw ProbeError(text: "ranks or steps disagree: \(all)") }
    let sent = reducer.statistics.bytesSent
    guard (sent > 0) == (ranks.size > 1), reducer.statistics.calls == 2 else {
      throw ProbeError(text: "\(reducer.statistics) is not what \(ranks.size) ranks cost")
    }
  }
  guard each > 0 else { return digests[0] }
  // What a host gives to others: the first host's, in one call.
  let between = try ranks.allGather(
    local: [Int64(reducer.statistics.bytesBetweenHosts / 2)],
    counts: [Int](repeating: 1, count: ranks.size))
  return "\(digests[0]) \(between[..<each].reduce(0, +))"
}

/// Adds the last shard of every forest bucket by bucket while the exchange goes on; a `late` rank
/// lets the others wait in the middle.
private func addPiecewise(
  _ forests: [ShardForest], _ reducer: OrderedReducer, late: Bool
) throws {
  for (index, bucket) in reducer.plan.ranges.enumerated() {
    if late, index == reducer.plan.ranges.count / 2 { usleep(5000) }
    for forest in forests where !forest.range.isEmpty { forest.addPart(bucket) }
    try reducer.advance(ready: index + 1)
  }
  for forest in forests {
    if let last = forest.range.last { forest.close(shard: last) }
  }
}

/// Milliseconds of the ordered sum beside MPI's own; a `bucket` of 0 floats is the usual one.
func costOfReductions(
  _ ranks: Communicator, elementCount: Int, repetitions: Int, shards: Int, bucket: Int
) throws -> String {
  try ranks.measureReductions(
    floats: [elementCount], shards: shards, repetitions: repetitions,
    bucket: bucket == 0 ? nil : bucket
  ).map { row in
    "bytes \(row.bytes) ordered \(row.orderedMilliseconds) ms plain \(row.plainMilliseconds) ms "
      + "\(row.gigabytesPerSecond) GB/s"
  }.joined(separator: " | ")
}

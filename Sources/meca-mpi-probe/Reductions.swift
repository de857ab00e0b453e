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

/// Sums made-up vectors of all shards and prints the digest of the result, the same on all ranks.
func reduce(
  shards: Int, elementCount: Int, seed: UInt64, threads: Int, _ ranks: Communicator
) throws {
  let reducer = OrderedReducer(
    communicator: ranks, shards: shards, elementCount: elementCount)
  let forests = (0..<threads).map { thread in
    let part = shardRange(rank: thread, size: threads, shards: reducer.range.count)
    return ShardForest(
      shards: shards,
      range: (reducer.range.lowerBound + part.lowerBound)..<(reducer.range.lowerBound
        + part.upperBound),
      elementCount: elementCount)
  }
  let result = AlignedStorage<Float>(count: elementCount)
  var digests: [String] = []
  // Twice: the second step works in used memory.
  for _ in 0..<2 {
    for forest in forests {
      forest.clear()
      for shard in forest.range {
        fillShard(
          UnsafeMutableBufferPointer(start: forest.nextBuffer(), count: elementCount),
          shard: shard, seed: seed)
        forest.add(shard: shard)
      }
    }
    result.fill(.nan)
    try reducer.allReduce(ShardForest.merge(forests), into: result.pointer)
    var digest = SHA256Digest()
    digest.update(UnsafeRawBufferPointer(result.buffer))
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
  if ranks.rank == 0 { print("digest \(digests[0])") }
}

/// Prints milliseconds of the ordered sum and of MPI's own: median and fastest.
func measureReductions(_ ranks: Communicator, elementCount: Int, repetitions: Int) throws {
  let shards = 8 * ranks.size
  let reducer = OrderedReducer(communicator: ranks, shards: shards, elementCount: elementCount)
  let forest = ShardForest(shards: shards, range: reducer.range, elementCount: elementCount)
  let result = AlignedStorage<Float>(count: elementCount)
  for shard in forest.range {
    UnsafeMutableBufferPointer(start: forest.nextBuffer(), count: elementCount)
      .update(repeating: 1)
    forest.add(shard: shard)
  }
  try measure("OrderedReducer", ranks, repetitions) {
    try reducer.allReduce(forest, into: result.pointer)
  }
  let values = AlignedStorage<Float>(count: elementCount)
  try measure("MPI_Allreduce", ranks, repetitions) {
    try ranks.unorderedAllReduceSum(values.pointer, count: elementCount)
  }
}

private func measure(
  _ name: String, _ ranks: Communicator, _ repetitions: Int, _ work: () throws -> Void
) throws {
  try work()
  var times: [Double] = []
  for _ in 0..<repetitions {
    try ranks.barrier()
    let start = ContinuousClock.now
    try work()
    var passed = [Int64((ContinuousClock.now - start) / Duration.nanoseconds(1))]
    try ranks.allReduceMax(&passed)
    times.append(Double(passed[0]) / 1e6)
  }
  times.sort()
  if ranks.rank == 0 { print(name, "median", times[times.count / 2], "ms, fastest", times[0]) }
}

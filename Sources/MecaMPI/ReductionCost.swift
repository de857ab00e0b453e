import MecaCore

/// What one all-reduce of a vector costs, in the order of the tree and in MPI's own.
public struct ReductionCost: Sendable, Codable {
  /// Bytes of the vector.
  public var bytes: Int
  /// Milliseconds of ``OrderedReducer``, of the slowest rank; median.
  public var orderedMilliseconds: Double
  /// Milliseconds of `MPI_Allreduce` of the same floats, whose bits change with the number of
  /// ranks; median.
  public var plainMilliseconds: Double
  /// 10⁹ bytes that a rank sends in a second of the ordered all-reduce, mean over the ranks.
  public var gigabytesPerSecond: Double

  private enum CodingKeys: String, CodingKey {
    case bytes, orderedMilliseconds = "ordered_ms", plainMilliseconds = "plain_ms"
    case gigabytesPerSecond = "gb_per_s"
  }
}

extension Communicator {
  /// Measures ``OrderedReducer`` beside `MPI_Allreduce` on the ranks of this run.
  ///
  /// The two take turns, so that another load on the machine meets both.
  ///
  /// - Ranks: collective; every rank returns the same rows. Two ranks or more.
  /// - Parameters:
  ///   - floats: lengths of the vectors.
  ///   - shards: logical shards of a step.
  ///   - repetitions: measured all-reduces of each kind, after one that is not.
  ///   - bucket: floats of a bucket; nil takes the usual size.
  /// - Throws: ``MPIError``.
  public func measureReductions(
    floats: [Int], shards: Int, repetitions: Int = 9, bucket: Int? = nil
  ) throws -> [ReductionCost] {
    precondition(size > 1 && repetitions > 0, "\(size) ranks, \(repetitions) repetitions")
    return try floats.map { count in
      let forest = ShardForest(
        shards: shards, range: shardRange(rank: rank, size: size, shards: shards),
        elementCount: count)
      for shard in forest.range {
        forest.nextBuffer().update(repeating: 0, count: count)
        forest.add(shard: shard)
      }
      let reducer = OrderedReducer(
        communicator: self, forests: [forest],
        plan: BucketPlan(
          head: count, total: count, size: bucket ?? BucketPlan.usualSize(ranks: size)))
      let values = AlignedStorage<Float>(count: count)
      var times: (ordered: [Double], plain: [Double]) = ([], [])
      for repetition in 0...repetitions {
        let ordered = try slowest { try reducer.finish() }
        let plain = try slowest { try unorderedAllReduceSum(values.pointer, count: count) }
        guard repetition > 0 else { continue }
        times.ordered.append(ordered)
        times.plain.append(plain)
      }
      let sent = try allGather(
        local: [Int64(reducer.statistics.bytesSent / reducer.statistics.calls)],
        counts: [Int](repeating: 1, count: size))
      let seconds = median(times.ordered)
      return ReductionCost(
        bytes: count * MemoryLayout<Float>.stride, orderedMilliseconds: seconds * 1e3,
        plainMilliseconds: median(times.plain) * 1e3,
        gigabytesPerSecond: Double(sent.reduce(0, +)) / Double(size) / seconds / 1e9)
    }
  }

  /// Seconds of `work` on the rank that took longest; all begin together.
  private func slowest(_ work: () throws -> Void) throws -> Double {
    try barrier()
    let start = ContinuousClock.now
    try work()
    var passed = [Int64((ContinuousClock.now - start) / .nanoseconds(1))]
    try allReduceMax(&passed)
    return Double(passed[0]) * 1e-9
  }
}

private func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }

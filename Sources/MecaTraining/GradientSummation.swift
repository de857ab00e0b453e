import MecaCore
import MecaMPI

/// The sum over all logical shards of what each shard computes, same bits for any ranks × threads.
///
/// Each thread walks a contiguous part of the rank's shards and keeps the partial sums of the
/// fixed tree (`ShardForest`); the parts are joined, then the ranks exchange their partial sums
/// along the same tree (`OrderedReducer`). Memory is taken once.
final class GradientSummation {
  private let session: TrainingSession
  private let forests: [ShardForest]
  private let ranges: [Range<Int>]
  private let reducer: OrderedReducer
  private let result: AlignedStorage<Float>
  /// The reducer's seconds at the last call of `takeSeconds`.
  private var secondsBefore = 0.0

  /// Plans the summation of vectors of `elementCount` floats.
  init(session: TrainingSession, elementCount: Int) {
    self.session = session
    let own = session.ownShards
    let threads = session.compute.threads
    ranges = (0..<threads).map { evenSplit(own, parts: threads, part: $0) }
    forests = ranges.map {
      ShardForest(shards: session.compute.shards, range: $0, elementCount: elementCount)
    }
    reducer = OrderedReducer(
      communicator: session.communicator, shards: session.compute.shards,
      elementCount: elementCount)
    result = AlignedStorage<Float>(count: elementCount)
  }

  /// Computes every shard once and sums the results over all ranks.
  ///
  /// - Ranks: collective.
  /// - Parameter compute: fills the vector of one shard; called on `thread`.
  /// - Returns: the sum, valid until the next call.
  func sum(
    _ compute: (_ thread: Int, _ shard: Int, _ vector: UnsafeMutablePointer<Float>) -> Void
  ) throws -> UnsafeMutablePointer<Float> {
    session.onEachThread { thread in
      let forest = forests[thread]
      forest.clear()
      for shard in ranges[thread] {
        compute(thread, shard, forest.nextBuffer())
        forest.add(shard: shard)
      }
    }
    try reducer.allReduce(ShardForest.merge(forests), into: result.pointer)
    return result.pointer
  }

  /// Seconds spent in the exchange since the last call.
  func takeSeconds() -> Double {
    defer { secondsBefore = reducer.statistics.seconds }
    return reducer.statistics.seconds - secondsBefore
  }
}

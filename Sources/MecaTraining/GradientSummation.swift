import Dispatch
import MecaCore
import MecaMPI
import Synchronization

/// The sum over all logical shards of what each shard computes, same bits for any ranks × threads.
///
/// Each thread walks a contiguous part of the rank's shards and keeps the partial sums of the
/// fixed tree (`ShardForest`); the threads' sums are joined and the ranks exchange them along the
/// same tree (`OrderedReducer`). Memory is taken once.
///
/// With overlap the compute threads are others than the calling one, which alone may call MPI: it
/// sleeps until the last shards of all threads have completed a bucket, and exchanges that while
/// they go on.
final class GradientSummation {
  /// Fills the vector of a shard on a thread; `produced` is to be called with the first place from
  /// which on the vector's head is complete, when that moves down, and may be nil.
  typealias Compute = (
    _ thread: Int, _ shard: Int, _ vector: UnsafeMutablePointer<Float>,
    _ produced: ((Int) -> Void)?
  ) -> Void

  private let session: TrainingSession
  private let forests: [ShardForest]
  private let reducer: OrderedReducer
  private let plan: BucketPlan
  /// How many buckets each thread's forest has completed in this step.
  private let completed: [BucketCount]
  /// Signalled when a thread has completed a bucket.
  private let news = DispatchSemaphore(value: 0)

  /// The longest pause between two looks at an exchange under way, in microseconds.
  ///
  /// MPI moves messages only inside its calls, and a look costs a core that may be computing.
  private static let pause = 200

  /// Plans the summation of vectors of `elementCount` floats.
  ///
  /// - Parameter head: floats at the beginning that a shard completes from their end to their
  ///   beginning; the others are complete last.
  init(session: TrainingSession, head: Int, elementCount: Int) {
    self.session = session
    let own = session.ownShards
    let threads = session.compute.threads
    precondition(own.count >= threads, "\(own.count) shards for \(threads) threads")
    forests = (0..<threads).map {
      ShardForest(
        shards: session.compute.shards, range: evenSplit(own, parts: threads, part: $0),
        elementCount: elementCount)
    }
    plan = BucketPlan(
      head: head, total: elementCount,
      size: BucketPlan.usualSize(ranks: session.communicator.size))
    reducer = OrderedReducer(
      communicator: session.communicator, forests: forests, plan: plan)
    completed = forests.map { _ in BucketCount() }
  }

  /// Computes every shard once and sums the results over all ranks.
  ///
  /// - Ranks: collective.
  /// - Returns: the sum, valid until the next call.
  func sum(_ compute: Compute) throws -> UnsafeMutablePointer<Float> {
    if session.overlapsExchange {
      for count in completed { count.set(0) }
      try runBeside(forests.count) { thread in
        fill(thread, compute, announcing: true)
      } meanwhile: {
        try exchangeWhatIsComplete()
      }
    } else {
      session.onEachThread { fill($0, compute, announcing: false) }
    }
    return try reducer.finish()
  }

  /// Seconds that this rank has only waited for exchanges, since the cost was taken last.
  var exposedSeconds: Double { reducer.statistics.exposedSeconds }

  /// The cost of the exchanges since the last call, on this rank.
  func takeStatistics() -> OrderedReducer.Statistics {
    defer { reducer.statistics = OrderedReducer.Statistics() }
    return reducer.statistics
  }

  /// Computes the shards of one thread.
  ///
  /// - Parameter announcing: whether `completed` and `news` tell of the last shard's buckets.
  private func fill(_ thread: Int, _ compute: Compute, announcing: Bool) {
    let forest = forests[thread]
    forest.clear()
    for shard in forest.range {
      let buffer = forest.nextBuffer()
      guard announcing, shard == forest.range.last else {
        compute(thread, shard, buffer, nil)
        forest.add(shard: shard)
        continue
      }
      compute(thread, shard, buffer) { floor in
        self.addBuckets(upTo: self.plan.complete(from: floor), thread)
      }
      addBuckets(upTo: plan.ranges.count, thread)
      forest.close(shard: shard)
    }
  }

  /// Does the last shard's additions in the buckets that have become complete, and tells of them.
  private func addBuckets(upTo count: Int, _ thread: Int) {
    let done = completed[thread].value
    guard count > done else { return }
    for bucket in plan.ranges[done..<count] { forests[thread].addPart(bucket) }
    completed[thread].set(count)
    news.signal()
  }

  /// Exchanges buckets as the threads complete them, until the last ones have begun.
  private func exchangeWhatIsComplete() throws {
    while true {
      let ready = completed.reduce(plan.ranges.count) { min($0, $1.value) }
      try reducer.advance(ready: ready)
      if ready == plan.ranges.count { return }
      if reducer.isUnderWay {
        _ = news.wait(timeout: .now() + .microseconds(Self.pause))
      } else {
        news.wait()
      }
    }
  }
}

/// A number that one thread raises and another reads; what was written before is seen after.
private final class BucketCount: Sendable {
  private let count = Atomic<Int>(0)

  var value: Int { count.load(ordering: .acquiring) }

  func set(_ value: Int) { count.store(value, ordering: .releasing) }
}

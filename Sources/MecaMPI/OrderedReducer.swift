import MecaCore

/// Sums the vectors of all logical shards over all ranks, with the same bits for any number of
/// ranks, any cut into buckets and any timing.
///
/// Every rank brings the partial sums of its shards (``shardRange(rank:size:shards:)``) in the
/// forests of its threads; every rank ends with the value of the ``ShardTree``'s root. The exchange
/// between ranks is `BucketExchange`; one rank alone calls nothing of MPI. Memory and counts are set
/// up once; a call allocates nothing.
///
/// Faster than `MPI_Allreduce` of the same floats or as fast, also where ranks and shards are no
/// powers of two: `docs/results.md`, "Exchange of gradients"; `Communicator.measureReductions`
/// measures both.
///
/// ```swift
/// // Each step, in one piece: all forests are complete.
/// let sum = try reducer.finish()
/// // Or while another thread still computes: the first n buckets are complete.
/// try reducer.advance(ready: n)
/// ```
/// - Ranks: collective.
public final class OrderedReducer {
  /// What the exchanges have cost so far, on this rank.
  public struct Statistics: Sendable, Equatable {
    /// Number of all-reduces.
    public var calls = 0
    /// Bytes that this rank gave to MPI for other ranks.
    public var bytesSent = 0
    /// Those of them that went to ranks on other hosts.
    public var bytesBetweenHosts = 0
    /// Seconds before this rank's own sums were complete during which a bucket was under way:
    /// from the call that began it to the one that saw its sum here.
    public var hiddenSeconds = 0.0
    /// Seconds after this rank's own sums were complete: inside ``OrderedReducer/finish()``,
    /// waiting for later ranks included.
    public var exposedSeconds = 0.0

    /// Nothing has been sent.
    public init() {}
  }

  /// The cut into buckets.
  public let plan: BucketPlan
  /// Where the sum is after ``finish()``, until the forests are filled again.
  public let sum: UnsafeMutablePointer<Float>
  /// Cost so far; the caller may set it back to zero.
  public var statistics = Statistics()

  private let joined: JoinedForests
  private let place: RankPlace
  /// Memory of `sum` on a rank without shards.
  private let ownSum: AlignedStorage<Float>?
  /// Nil for a single rank.
  private let exchange: BucketExchange?
  /// When the exchange was looked at last, if it was under way then.
  private var lastLook: ContinuousClock.Instant?

  /// Prepares all-reduces of what `forests` will hold, vectors of at most 2³¹ − 1 floats.
  ///
  /// - Ranks: local, with the same plan and tree on every rank.
  /// - Parameters:
  ///   - forests: of this rank's threads, over neighbouring ranges that together are its shards.
  ///   - plan: the cut into buckets, in the order in which ``advance(ready:)`` counts them.
  ///   - hosts: the machine of every rank; nil takes the real ones. They change who adds what, and
  ///     no bits.
  public init(
    communicator: Communicator, forests: [ShardForest], plan: BucketPlan, hosts: [String]? = nil
  ) {
    joined = JoinedForests(forests)
    self.plan = plan
    place = communicator.place
    let (tree, elementCount) = (forests[0].tree, forests[0].elementCount)
    let range = shardRange(
      rank: communicator.rank, size: communicator.size, shards: tree.shards)
    precondition(joined.range == range, "sums of \(joined.range), not of \(range)")
    precondition(
      elementCount == plan.elementCount && elementCount <= Int(Int32.max),
      "\(elementCount) floats, a plan for \(plan.elementCount)")
    ownSum = joined.values.isEmpty ? AlignedStorage(count: elementCount) : nil
    sum = ownSum?.pointer ?? joined.values[0]
    exchange =
      communicator.size == 1
      ? nil
      : BucketExchange(
        communicator: communicator, joined: joined, plan: plan, sum: sum,
        hosts: hosts ?? communicator.hosts)
  }

  /// Whether a bucket has been begun and its sum is not here yet.
  public var isUnderWay: Bool { exchange?.isUnderWay ?? false }

  /// Begins the exchange of the first `ready` buckets, unless it has begun, and moves on what is
  /// under way, without waiting for anybody.
  ///
  /// - Ranks: local; called as often as one likes, also never.
  /// - Parameter ready: how many of the plan's buckets are complete in all forests; never fewer
  ///   than in the call before.
  /// - Throws: ``MPIError``.
  public func advance(ready: Int) throws {
    precondition(ready >= 0 && ready <= plan.ranges.count, "\(ready) of \(plan.ranges.count)")
    guard let exchange else { return }
    let entry = noteHidden()
    try advance(exchange, ready: ready, waiting: false)
    lastLook = exchange.isUnderWay ? entry : nil
  }

  /// Completes the sum over all shards of all ranks.
  ///
  /// - Ranks: collective; the forests must be complete.
  /// - Returns: ``sum``. The forests' own values are used up.
  /// - Throws: ``MPIError``.
  @discardableResult
  public func finish() throws -> UnsafeMutablePointer<Float> {
    precondition(joined.isComplete, "a shard of \(joined.range) is missing")
    statistics.calls += 1
    guard let exchange else {
      joined.join(0..<plan.elementCount)
      return sum
    }
    let entry = noteHidden()
    try place.waiting { try advance(exchange, ready: plan.ranges.count, waiting: true) }
    exchange.reset()
    lastLook = nil
    statistics.exposedSeconds += (ContinuousClock.now - entry) / .seconds(1)
    statistics.bytesSent += exchange.bytesPerCall
    statistics.bytesBetweenHosts += exchange.bytesBetweenHostsPerCall
    return sum
  }

  private func advance(_ exchange: BucketExchange, ready: Int, waiting: Bool) throws {
    do {
      try exchange.advance(ready: ready, waiting: waiting)
    } catch {
      // MPI may still write to memory of messages under way; it must outlive the process's end.
      _ = Unmanaged.passRetained(self)
      throw error
    }
  }

  /// Counts the time since the last look as hidden if something was under way.
  private func noteHidden() -> ContinuousClock.Instant {
    let now = ContinuousClock.now
    if let lastLook { statistics.hiddenSeconds += (now - lastLook) / .seconds(1) }
    return now
  }
}

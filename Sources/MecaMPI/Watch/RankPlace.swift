import Synchronization

/// Where this rank is in the run: told by the thread that works, read by the one that watches.
public final class RankPlace: Sendable {
  /// Even while this rank works, odd while it waits for others in MPI; grows with every change.
  private let turns = Atomic<UInt64>(0)
  private let name = Mutex<String>("the start")

  /// At the start, working.
  init() {}

  /// The part of the run that this rank is in, for example `meca/warm-up`.
  public var stage: String { name.withLock { $0 } }

  /// Says which part of the run begins.
  ///
  /// - Ranks: local.
  public func enter(_ stage: String) { name.withLock { $0 = stage } }

  /// How often this rank has begun or ended waiting.
  var count: UInt64 { turns.load(ordering: .relaxed) }

  /// Runs `work`, which waits for other ranks.
  func waiting<Result>(_ work: () throws -> Result) rethrows -> Result {
    turns.add(1, ordering: .relaxed)
    defer { turns.add(1, ordering: .relaxed) }
    return try work()
  }
}

import CMecaShims
import Glibc
import MecaCore

/// All ranks of the run, and what they can do together.
///
/// A method said to be *collective* must be called by every rank, in the same order; the calls of
/// different ranks find each other by order alone. MPI is started at level `FUNNELED`: only the
/// thread that called ``initialise()`` may use a communicator, which is why it is not `Sendable`.
///
/// Errors: a method throws ``MPIError``. An error on one rank alone, outside
/// ``collectively(_:)``, must end in ``abort(_:)`` (or ``end(with:)``, which calls it): the other
/// ranks would otherwise wait for ever.
///
/// ```swift
/// let ranks = try Communicator.initialise()
/// do {
///   let files = try ranks.collectively { try openFiles() }
///   try train(files, on: ranks)
///   try ranks.finalise()
/// } catch {
///   ranks.end(with: error)
/// }
/// ```
public final class Communicator {
  /// This process's number, from 0 to ``size`` − 1.
  public let rank: Int
  /// Number of ranks.
  public let size: Int
  /// Name of the machine that this rank runs on.
  public let host: String
  /// The machine of every rank, at the index of its rank.
  public private(set) var hosts: [String]

  /// Puts an error into words for people.
  ///
  /// Whoever has read the user's files and options can say here in which of them a setting stands.
  public var describe: (any Error) -> String = { String(describing: $0) }

  /// Where this rank is in the run, for whoever watches over it.
  public let place = RankPlace()

  let handle: MecaCommunicator
  private var watch: RankWatch?
  private var isFinalised: Bool

  private init(handle: MecaCommunicator) throws {
    var rank: Int32 = 0
    var size: Int32 = 0
    try check(meca_rank(handle, &rank), "MPI_Comm_rank")
    try check(meca_size(handle, &size), "MPI_Comm_size")
    self.handle = handle
    self.rank = Int(rank)
    self.size = Int(size)
    host = textFromC { _ = meca_processor_name($0, $1) }
    hosts = []
    isFinalised = false
    hosts = try allGatherText(host)
  }

  private init(aloneOn host: String) {
    handle = meca_world()
    (rank, size, self.host, hosts) = (0, 1, host, [host])
    isFinalised = true  // MPI was never started
  }

  /// This process as the only rank of a run of which MPI knows nothing.
  ///
  /// A single rank calls nothing of MPI. So there may be any number of these, on any threads, and
  /// tests can run commands without a process for each.
  package static func alone() -> Communicator {
    var name = [CChar](repeating: 0, count: 256)
    _ = gethostname(&name, name.count - 1)
    let bytes = name.prefix { $0 != 0 }.map(UInt8.init(bitPattern:))
    return Communicator(aloneOn: String(decoding: bytes, as: UTF8.self))
  }

  /// Starts MPI and returns the communicator of all ranks.
  ///
  /// Without `mpirun` the process is alone: rank 0 of 1. After this call a rank must not start
  /// other processes. Call it once, from the main thread.
  ///
  /// - Ranks: collective.
  /// - Throws: ``MPIError`` if the library refuses or cannot be used from a threaded program,
  ///   ``UnconnectedRanks`` if a launcher has started more processes than MPI sees.
  public static func initialise() throws -> Communicator {
    precondition(meca_is_running() == 0, "MPI is already initialised")
    prepareSurroundings()
    // Before MPI starts, which sets variables of its own.
    let surroundings = UnconnectedRanks.variables()
    return try CallLimit.bounded(
      CallLimit.ofStart(),
      "MPI has not brought all ranks together: one of them hangs at its start, or hosts do not reach "
        + "each other (meca-dist doctor); the run ends, the same command starts it again"
    ) { try started(surroundings) }
  }

  private static func started(_ surroundings: [String: String]) throws -> Communicator {
    var granted: Int32 = 0
    try check(meca_initialise(&granted), "MPI_Init_thread")
    try check(meca_errors_return(meca_world()), "MPI_Comm_set_errhandler")
    guard granted != 0 else {
      throw MPIError(
        operation: "MPI_Init_thread", code: 1,
        text: "this MPI library allows no threads beside it (MPI_THREAD_FUNNELED)")
    }
    let communicator = try Communicator(handle: meca_world())
    if let unconnected = UnconnectedRanks(size: communicator.size, surroundings) {
      try? communicator.finalise()
      throw unconnected
    }
    communicator.watch = try RankWatch.started(on: communicator)
    return communicator
  }

  /// Waits, at full load, until every rank has come here.
  ///
  /// - Ranks: collective.
  public func barrier() throws {
    guard size > 1 else { return }
    try place.waiting { try check(meca_barrier(handle), "MPI_Barrier") }
  }

  /// Waits asleep until every rank has come here; for long waits, on rank 0's files for example.
  ///
  /// A blocked MPI call turns its core at 100 %; this one looks at growing intervals, from 50 µs to
  /// `longestSleep`, and leaves the core to whoever works.
  ///
  /// - Ranks: collective.
  /// - Parameter longestSleep: the longest pause between two looks, in milliseconds.
  public func sleepingBarrier(longestSleep: Int = 20) throws {
    precondition(longestSleep > 0, "longestSleep is \(longestSleep) ms")
    guard size > 1 else { return }
    try place.waiting { try meetAsleep(longestSleep: longestSleep) }
  }

  private func meetAsleep(longestSleep: Int) throws {
    var request = MecaRequest()
    try check(meca_begin_barrier(handle, &request), "MPI_Ibarrier")
    var pause = 50_000
    while true {
      var done: Int32 = 0
      try check(meca_test(&request, &done), "MPI_Test")
      if done != 0 { return }
      var time = timespec(tv_sec: pause / 1_000_000_000, tv_nsec: pause % 1_000_000_000)
      nanosleep(&time, nil)
      pause = min(pause * 2, longestSleep * 1_000_000)
    }
  }

  /// Ends every rank at once with the exit status `code`, without waiting for anybody.
  ///
  /// - Ranks: local; kills all.
  public func abort(_ code: Int32) -> Never {
    watch?.leave()
    _ = meca_abort(handle, code)
    _exit(code)  // MPI_Abort does not return; a library in which it does must not go on
  }

  /// Whether somebody watches over the ranks, who will say which of them has ended.
  var isWatched: Bool { watch != nil }

  /// Ends MPI when all ranks have come here.
  ///
  /// Only after success, or when all ranks fail alike. No method may be called afterwards, except
  /// this one, which then does nothing.
  ///
  /// - Ranks: collective.
  public func finalise() throws {
    guard !isFinalised else { return }
    isFinalised = true
    // They meet while they are still watched; then nobody has a reason to take long.
    if watch != nil { try? meetAsleep(longestSleep: 20) }
    watch?.leave()
    try CallLimit.bounded(
      watch.map { $0.limits.giveUp + CallLimit.pauseBefore(rank) },
      "rank \(rank) of \(size) on \(host): MPI_Finalize does not return, since another rank hangs at its "
        + "end; what the run has written is whole"
    ) { try check(meca_finalise(), "MPI_Finalize") }
  }
}

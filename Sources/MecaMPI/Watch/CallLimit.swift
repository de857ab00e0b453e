import Glibc
import MecaCore
import Synchronization

/// Ends this process where MPI's start or its end does not return.
///
/// `RankWatch` has its connections between the two alone: a rank that is stopped on its way in or out
/// would hold all others for ever, and a launcher sees processes that end, not those that stand still.
///
/// - Ranks: local.
final class CallLimit: Sendable {
  private let hasReturned = Atomic<Bool>(false)

  /// Does `call`, and ends this process with `line` if that takes longer than `seconds`; nil is no limit.
  static func bounded<Result>(
    _ seconds: Double?, _ line: String, _ call: () throws -> Result
  ) rethrows -> Result {
    guard let seconds else { return try call() }
    let limit = CallLimit()
    startThread { limit.wait(seconds, line) }
    defer { limit.hasReturned.store(true, ordering: .relaxed) }
    return try call()
  }

  private func wait(_ seconds: Double, _ line: String) {
    // Naps are counted, not the clock: while this process is stopped itself, no time goes by.
    let nap = 0.2
    var waited = 0.0
    while waited < seconds {
      usleep(UInt32(nap * 1e6))
      if hasReturned.load(ordering: .relaxed) { return }
      waited += nap
    }
    complain(line)
    _exit(ExitCode.inputOutput.rawValue)
  }

  /// Seconds that MPI may take to bring all ranks together, five times those after which a rank is
  /// given up; nil where nothing is watched or no launcher has started this process.
  ///
  /// Rank 0 is the first to end, so that one line says it; the launcher then ends the others.
  static func ofStart() -> Double? {
    let names = ["OMPI_COMM_WORLD_RANK", "PMIX_RANK", "SLURM_PROCID"]
    guard let limits = RankWatch.wantedLimits(isSilent: true),
      let rank = names.lazy.compactMap({ getenv($0) }).first.flatMap({ Int(String(cString: $0)) })
    else { return nil }
    return 5 * limits.giveUp + pauseBefore(rank)
  }

  /// Seconds that a rank leaves to those before it to say a line and end the run.
  static func pauseBefore(_ rank: Int) -> Double { rank == 0 ? 0 : rank == 1 ? 5 : 10 }
}

import CMecaShims
import Glibc
import MecaCore

/// The error of one rank, known to all: what every rank throws when a shared section failed.
public struct RemoteFailure: ReportableError, Equatable {
  /// The lowest rank whose work failed.
  public let rank: Int
  /// Number of ranks of the run.
  public let size: Int
  /// The machine of that rank.
  public let host: String
  /// That rank's error in one line.
  public let message: String
  /// Whether every rank failed, as with a wrong option: then it does not matter which one says so.
  public let isEverywhere: Bool
  /// The exit status that all ranks agree on.
  public let exitCode: ExitCode

  /// The message in one line, with the failing rank and its host unless all ranks failed.
  public var description: String {
    isEverywhere || size == 1 ? message : "rank \(rank) of \(size) on \(host): \(message)"
  }
}

extension Communicator {
  /// Runs `work` on every rank and then makes sure that all succeeded or all throw.
  ///
  /// If the work of some ranks throws, every rank throws the same ``RemoteFailure``: that of the
  /// lowest failing rank, with its message and exit status. One rank can then print one line and
  /// all end alike, in order.
  ///
  /// `work` must not contain collective calls between which only some ranks may fail, since the
  /// others would wait inside them; wrap each piece that can fail on its own instead.
  ///
  /// - Ranks: collective; costs one small all-reduce when nothing fails.
  /// - Throws: ``RemoteFailure`` if any rank's work threw, ``MPIError`` if the ranks cannot agree.
  public func collectively<T>(_ work: () throws -> T) throws -> T {
    let outcome: Result<T, any Error>
    do { outcome = .success(try work()) } catch { outcome = .failure(error) }

    // The lowest failing rank, and whether any succeeded (0).
    var agreed: [Int64] = [Int64(size), 0]
    if case .failure = outcome { agreed = [Int64(rank), 1] }
    try allReduceMin(&agreed)
    if case .success(let value) = outcome, agreed[0] == Int64(size) { return value }

    let root = Int(agreed[0])
    var message = ""
    var code = ExitCode.internalError
    var origin = root
    var originHost = host
    var isEverywhere = agreed[1] == 1
    if case .failure(let error) = outcome {
      message = (error as? RemoteFailure)?.message ?? describe(error)
      code = (error as? any ReportableError)?.exitCode ?? .internalError
      if let nested = error as? RemoteFailure {
        (origin, originHost, isEverywhere) = (nested.rank, nested.host, nested.isEverywhere)
      }
    }
    throw RemoteFailure(
      rank: Int(try broadcastValue(Int64(origin), from: root)), size: size,
      host: try broadcastText(originHost, from: root),
      message: try broadcastText(message, from: root),
      isEverywhere: try broadcastValue(Int64(isEverywhere ? 1 : 0), from: root) == 1,
      exitCode: ExitCode(rawValue: try broadcastValue(code.rawValue, from: root))
        ?? .internalError)
  }

  /// `error` in one line that says which rank of how many it is from, and on which host.
  ///
  /// - Ranks: local.
  public func located(_ error: any Error) -> String {
    if size == 1 || error is RemoteFailure { return describe(error) }
    return "rank \(rank) of \(size) on \(host): \(describe(error))"
  }

  /// Ends this process, and with it the run, because of `error`; one line goes to standard error.
  ///
  /// A ``RemoteFailure`` is known to all ranks: rank 0 prints it, all leave MPI in order, rank 0
  /// ends with the error's exit status and the others with 0, so that `mpirun` passes on rank 0's.
  /// Any other error is this rank's own: it prints the line and aborts all ranks.
  ///
  /// - Ranks: collective for a ``RemoteFailure``, otherwise local.
  public func end(with error: any Error) -> Never {
    let code = ((error as? any ReportableError)?.exitCode ?? .internalError).rawValue
    guard error is RemoteFailure else {
      // Where a rank has ended, the watch says which, and ends this one.
      if error is MPIError, isWatched { sleep(3) }
      complain(located(error))
      abort(code)
    }
    if rank == 0 { complain(located(error)) }
    do { try finalise() } catch { _exit(code) }
    exit(rank == 0 ? code : 0)
  }
}

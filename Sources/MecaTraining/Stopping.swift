import CMecaSignals
import Foundation
import MecaCore
import MecaMPI

/// Why a run is to end before it is done.
public enum StopCause: Equatable, Sendable {
  /// A signal of a scheduler, a launcher or a person, by its number.
  case signal(Int32)
  /// The job's time is nearly over.
  case deadline

  /// A number that all ranks can agree on; 0 is none.
  fileprivate var code: Int64 {
    switch self {
    case .signal(let number): Int64(number)
    case .deadline: 1 << 32
    }
  }

  fileprivate init(code: Int64) {
    self = code == StopCause.deadline.code ? .deadline : .signal(Int32(truncatingIfNeeded: code))
  }

  /// For people, for example `stopped by SIGUSR1`.
  public var words: String {
    switch self {
    case .deadline: "the deadline is near"
    case .signal(let number): "stopped by " + (Self.names[number] ?? "signal \(number)")
    }
  }

  private static let names: [Int32: String] = [
    SIGUSR1: "SIGUSR1", SIGUSR2: "SIGUSR2", SIGTERM: "SIGTERM", SIGINT: "SIGINT",
    SIGHUP: "SIGHUP", SIGXCPU: "SIGXCPU",
  ]
}

/// When a job's time is over, and how long before that a run should stop.
public struct Deadline: Sendable, Equatable {
  /// End of the job's time, seconds since 1970.
  public let end: Double
  /// Seconds that are left for saving and ending, besides what the longest save has taken.
  public let margin: Double

  /// Seconds that are left where nobody says otherwise.
  public static let usualMargin = 120.0

  /// A deadline.
  ///
  /// - Parameters:
  ///   - margin: seconds; nil takes the usual ones, but at most a quarter of the time that is left at
  ///     `now`, so that a short job does something too.
  public init(end: Double, margin: Double?, now: Double) {
    self.end = end
    self.margin = margin ?? min(Self.usualMargin, max(0, end - now) / 4)
  }

  /// Whether a run should stop at `now`, if saving may take `saving` seconds.
  public func isNear(at now: Double, saving: Double) -> Bool { now + saving + margin >= end }

  /// The moment that `text` names: a span from `now` on (`90m`, `3h30m`, `1d2h`, `45s`, `4:00:00`,
  /// `1-12:00:00` as Slurm writes days), or a time of day with its date (`2026-11-29T18:00:00`, of
  /// this machine's zone, or with a `Z` or `+01:00` behind it).
  ///
  /// - Returns: seconds since 1970; nil for any other text.
  public static func moment(_ text: String, now: Double) -> Double? {
    if let span = clockSpan(text) ?? unitSpan(text) { return now + span }
    return date(text)
  }

  /// `[D-]H:MM[:SS]`, seconds.
  private static func clockSpan(_ text: String) -> Double? {
    let halves = text.split(separator: "-", omittingEmptySubsequences: false)
    guard halves.count <= 2, let clock = halves.last else { return nil }
    let parts = clock.split(separator: ":", omittingEmptySubsequences: false).map(whole)
    guard parts.count == 2 || parts.count == 3, let hours = parts[0], let minutes = parts[1],
      let seconds = parts.count == 3 ? parts[2] : 0, minutes < 60, seconds < 60
    else { return nil }
    guard let days = halves.count == 2 ? whole(halves[0]) : 0 else { return nil }
    return Double(((days * 24 + hours) * 60 + minutes) * 60 + seconds)
  }

  /// `1d2h30m45s` or a part of it, seconds.
  private static func unitSpan(_ text: String) -> Double? {
    let units: [Character: Int] = ["d": 86400, "h": 3600, "m": 60, "s": 1]
    var rest = Substring(text)
    var seconds = 0
    var last = Int.max
    while !rest.isEmpty {
      let digits = rest.prefix { $0.isASCII && $0.isNumber }
      rest = rest.dropFirst(digits.count)
      guard let count = whole(digits), let unit = rest.popFirst().flatMap({ units[$0] }),
        unit < last
      else { return nil }
      seconds += count * unit
      last = unit
    }
    return last == .max ? nil : Double(seconds)
  }

  /// A number of at most six digits.
  private static func whole(_ text: Substring) -> Int? {
    text.count <= 6 && text.allSatisfy { $0.isASCII && $0.isNumber } ? Int(text) : nil
  }

  private static func date(_ text: String) -> Double? {
    let formatter = DateFormatter()
    formatter.locale = Locale(identifier: "en_US_POSIX")
    formatter.isLenient = false
    for format in ["yyyy-MM-dd'T'HH:mm:ssXXXXX", "yyyy-MM-dd'T'HH:mm:ss", "yyyy-MM-dd'T'HH:mm"] {
      formatter.dateFormat = format
      if let date = formatter.date(from: text) { return date.timeIntervalSince1970 }
    }
    return nil
  }
}

/// What this rank is asked to stop for.
public struct StopRequests: Sendable {
  /// What was asked of this rank first, if saving may take so many seconds; nil if nothing was.
  let cause: @Sendable (_ saving: Double) -> StopCause?

  /// Requests that `cause` tells of.
  package init(_ cause: @escaping @Sendable (_ saving: Double) -> StopCause?) {
    self.cause = cause
  }

  /// Nobody is listened to.
  public static let none = StopRequests { _ in nil }

  /// From now on signals are noted and the deadline is kept.
  ///
  /// - Ranks: local; on every rank, since signals may reach any of them. The clocks of hosts differ:
  ///   give the deadline to rank 0 alone.
  public static func watched(deadline: Deadline?) -> StopRequests {
    meca_note_signals()
    return StopRequests { saving in
      let signal = meca_noted_signal()
      if signal != 0 { return .signal(signal) }
      guard let deadline, deadline.isNear(at: Date().timeIntervalSince1970, saving: saving) else {
        return nil
      }
      return .deadline
    }
  }
}

extension TrainingSession {
  /// What this rank is asked to stop for, with room for another save like the longest so far.
  ///
  /// - Ranks: local.
  var stopCause: StopCause? { stopRequests.cause(2 * (progress?.longestSave ?? 0)) }

  /// Saves and ends the run if any rank is asked to stop.
  ///
  /// - Ranks: collective.
  /// - Parameters:
  ///   - act: what is under way; nil between two acts.
  ///   - place: where in it, for people.
  ///   - state: what a snapshot of it holds; called on rank 0.
  /// - Throws: `RemoteFailure` on all ranks with `StoppedRun`.
  func stopIfAsked(
    _ act: StageProgress.Act? = nil, at place: String? = nil, _ state: () -> Columns = { Columns() }
  ) throws {
    var code = [stopCause?.code ?? 0]
    try communicator.allReduceMax(&code)
    guard code[0] != 0 else { return }
    let isSaved = try progress?.saveNow(act, state) ?? true
    let places = [progress?.key.description, place].compactMap(\.self)
    try communicator.collectively {
      throw StoppedRun(
        cause: StopCause(code: code[0]),
        place: places.isEmpty ? nil : places.joined(separator: ", "), isSaved: isSaved)
    }
  }
}

/// A run has ended before it was done, because it was asked to, and can go on.
public struct StoppedRun: ReportableError {
  /// Who asked.
  public let cause: StopCause
  /// Stage, and where in it; nil outside of stages.
  public let place: String?
  /// Whether all that was computed is saved.
  public let isSaved: Bool

  /// The process's exit status.
  public var exitCode: ExitCode { .requeue }

  /// One line for people.
  public var description: String {
    cause.words + (place.map { " in \($0)" } ?? "")
      + (isSaved
        ? ": everything so far is saved"
        : ": the last steps could not be saved, earlier checkpoints are there")
      + "; the same command goes on from there (with --resume auto, as is usual)"
  }
}

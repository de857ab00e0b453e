/// How a run ends, as the process's exit status (numbers of BSD's `sysexits.h`).
public enum ExitCode: Int32, Sendable {
  /// Everything asked for was done.
  case success = 0
  /// The data are such that the run was asked to fail; its results are there.
  case verdict = 1
  /// Options, configuration file or their combination are wrong.
  case usage = 64
  /// The input data is missing, damaged or of the wrong kind.
  case badData = 65
  /// A defect of this program.
  case internalError = 70
  /// Reading or writing failed: permission, full disk, lost rank.
  case inputOutput = 74
  /// State was saved; submit the same job again.
  case requeue = 75
}

/// An error that a user can act on: one line that says what, where and what to do.
public protocol ReportableError: Error, CustomStringConvertible {
  /// The process's exit status for this error.
  var exitCode: ExitCode { get }
}

/// A combination of options that cannot run; single values are `SettingError`s.
public enum UsageError: ReportableError, Equatable {
  /// Two settings exclude each other.
  case conflict(String)

  /// The process's exit status for this error.
  public var exitCode: ExitCode { .usage }

  /// What is wrong, where, and what to do.
  public var description: String {
    switch self {
    case .conflict(let text): text
    }
  }
}

/// Reading or writing a file failed.
public enum FileError: ReportableError, Equatable {
  /// The file or folder is not there.
  case missing(path: String, hint: String)
  /// The system refused; `reason` is its own word.
  case failed(operation: String, path: String, reason: String)
  /// The content is not what its kind demands.
  case malformed(path: String, reason: String)

  /// The process's exit status for this error.
  public var exitCode: ExitCode {
    switch self {
    case .missing, .malformed: .badData
    case .failed: .inputOutput
    }
  }

  /// What is wrong, where, and what to do.
  public var description: String {
    switch self {
    case .missing(let path, let hint): "\(path): not found; \(hint)"
    case .failed(let operation, let path, let reason): "\(path): cannot \(operation): \(reason)"
    case .malformed(let path, let reason): "\(path): \(reason)"
    }
  }
}

/// An error that is about one setting or option, by its name.
///
/// Whoever knows how the user wrote it (`--name` or `name:` in a file) says so; by itself it speaks
/// of the option.
public protocol SettingProblem: ReportableError {
  /// Name of the setting, without dashes.
  var setting: String { get }
  /// The line for people where the setting stood in a YAML file.
  func description(inFile path: String) -> String
}

/// A setting has a value that it cannot have.
public struct SettingError: SettingProblem, Equatable {
  /// Name of the setting, without dashes.
  public let setting: String
  /// The value, as written.
  public let value: String
  /// What is allowed, in words that go behind "must be".
  public let allowed: String

  /// All values.
  public init(setting: String, value: String, allowed: String) {
    (self.setting, self.value, self.allowed) = (setting, value, allowed)
  }

  /// The process's exit status.
  public var exitCode: ExitCode { .usage }

  /// One line for people, in the words of the command line.
  public var description: String { "--\(setting) \(value): must be \(allowed)" }

  /// The same for a value that stood in a YAML file.
  public func description(inFile path: String) -> String {
    "\(path): \(setting): \(value): must be \(allowed)"
  }
}

/// A setting that must be given is not.
public struct MissingSetting: SettingProblem, Equatable {
  /// Name of the setting, without dashes.
  public let setting: String
  /// Why it is needed, and what to give.
  public let problem: String

  /// All values.
  public init(setting: String, problem: String) {
    (self.setting, self.problem) = (setting, problem)
  }

  /// The process's exit status.
  public var exitCode: ExitCode { .usage }

  /// One line for people, in the words of the command line.
  public var description: String { "--\(setting) is needed: \(problem)" }

  /// The same for who writes settings into a file.
  public func description(inFile path: String) -> String {
    "\(path): \(setting): is needed: \(problem)"
  }
}

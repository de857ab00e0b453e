import MecaCore

/// Why the arguments leave nothing to run: help or version was asked for, or they are wrong.
package struct EndOfParsing: ReportableError {
  /// Success for help and version, otherwise wrong usage.
  package let exitCode: MecaCore.ExitCode
  /// The text that was asked for, or what is wrong.
  package let description: String

  /// What the parser's `error` means for the command line that was being parsed.
  init(_ error: any Error, of expanded: ExpandedArguments) {
    if MecaDist.exitCode(for: error).isSuccess {
      exitCode = .success
      description = MecaDist.fullMessage(for: error)
    } else {
      exitCode = .usage
      description = MecaDist.parsingMessage(for: error, of: expanded)
    }
  }

  /// Says it where it belongs: what was asked for to standard output, misuse to standard error.
  func say() {
    if exitCode == .success { print(description) } else { complain(description) }
  }
}

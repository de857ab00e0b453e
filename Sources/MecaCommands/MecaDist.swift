import ArgumentParser
import Foundation
import MecaCore
import MecaMPI

/// A command that all ranks run together.
protocol RankedCommand: ParsableCommand {
  /// Does the work; an error that all ranks share is thrown on all of them.
  ///
  /// - Ranks: collective.
  func run(on communicator: Communicator) throws
}

/// The command line.
public struct MecaDist: ParsableCommand {
  public static let configuration = CommandConfiguration(
    commandName: "meca-dist",
    abstract: "Trains a clean image classifier on data that nobody vouches for.",
    discussion: """
      Under MPI: mpirun -n 8 meca-dist. Without options it runs the built-in demonstration.
      """,
    version: "0.1.0",
    subcommands: [Train.self, Score.self, Evaluate.self, Bench.self],
    defaultSubcommand: Train.self)

  /// The command line without arguments.
  public init() {}

  static func isCommand(_ word: String?) -> Bool {
    configuration.subcommands.contains { $0._commandName == word }
  }

  static func command(named word: String?) -> any ParsableCommand.Type {
    configuration.subcommands.first { $0._commandName == word } ?? Train.self
  }

  /// Runs the command line on this rank and says how the process should end.
  ///
  /// - Ranks: collective; every rank of the job calls it once.
  /// - Returns: the exit status.
  public static func run(arguments: [String]) -> Int32 {
    let communicator: Communicator
    do {
      communicator = try Communicator.initialise()
    } catch {
      complain("\(error)")
      return MecaCore.ExitCode.inputOutput.rawValue
    }
    do {
      try requireEqualArguments(arguments, communicator: communicator)
      let expanded = try ConfigurationFile.expanded(arguments, communicator: communicator)
      let command = try parseAsRoot(expanded)
      if let ranked = command as? any RankedCommand {
        try ranked.run(on: communicator)
      } else {
        throw CleanExit.helpRequest(self)
      }
      try communicator.finalise()
      return MecaCore.ExitCode.success.rawValue
    } catch let error as any ReportableError {
      // The same error on every rank ends quietly on all of them; one rank's own ends the job.
      communicator.end(with: error)
    } catch {
      return endOfParsing(error, communicator: communicator)
    }
  }

  /// Help and version go to standard output with status 0, misuse to standard error with 64; every
  /// rank came to the same end by itself, so rank 0 alone speaks.
  private static func endOfParsing(_ error: any Error, communicator: Communicator) -> Int32 {
    let code = exitCode(for: error)
    if communicator.rank == 0 {
      if code.isSuccess {
        print(fullMessage(for: error))
      } else {
        complain(oneLine(message(for: error)) + " (see meca-dist --help)")
      }
    }
    try? communicator.finalise()
    return code.isSuccess ? MecaCore.ExitCode.success.rawValue : MecaCore.ExitCode.usage.rawValue
  }

  private static func requireEqualArguments(
    _ arguments: [String], communicator: Communicator
  ) throws {
    let all = try communicator.allGatherText(arguments.joined(separator: " "))
    if let other = all.firstIndex(where: { $0 != all[0] }) {
      try communicator.collectively {
        throw UsageError.conflict(
          "rank \(other) was started with other arguments than rank 0: \(oneLine(all[other]))")
      }
    }
  }
}

/// A line on standard error.
func complain(_ text: String) {
  FileHandle.standardError.write(Data("meca-dist: \(text)\n".utf8))
}

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
  /// Name, help and subcommands.
  public static let configuration = CommandConfiguration(
    commandName: "meca-dist",
    abstract: "Trains a clean image classifier on data that you cannot trust.",
    discussion: """
      Without options it runs the built-in demonstration.

      What most people need:
        --dataset, --data   which images (meca-dist datasets), and where
        --image-size        side of the images of a folder, pixels
        --output            folder for all that comes out, report.html too
        --defense           meca, abl, … (meca-dist defenses)
        --width             size of the network
        --dry-run           what would be done; with --measure how long

      Examples:
        mpirun -n 8 meca-dist
        mpirun -n 8 meca-dist --dataset folder --data photos --image-size 64
        mpirun -n 8 meca-dist --dataset cifar10 --data DIR --attack blend
        meca-dist report meca-run

      train may be left out. All its options: meca-dist train --help
      """,
    version: "0.1.0",
    subcommands: [
      Train.self, Detect.self, Clean.self, Report.self, Predict.self, Export.self, Score.self,
      Evaluate.self, Poison.self,
      Pack.self,
      Bench.self,
      ListDatasets.self, ListAttacks.self, ListDefenses.self, PrintScript.self, Doctor.self,
      PrintOptions.self, PrintManual.self,
    ],
    defaultSubcommand: Train.self)

  /// The command line without arguments.
  public init() {}

  static func isCommand(_ word: String?) -> Bool {
    configuration.subcommands.contains { $0._commandName == word }
  }

  package static func command(named word: String?) -> any ParsableCommand.Type {
    configuration.subcommands.first { $0._commandName == word } ?? Train.self
  }

  /// Runs the command line on this rank and says how the process should end.
  ///
  /// - Ranks: collective; every rank of the job calls it once.
  /// - Returns: the exit status.
  public static func run(arguments: [String]) -> Int32 {
    // A closed pipe or a file at its size limit is then an error that can be reported.
    signal(SIGPIPE, SIG_IGN)
    signal(SIGXFSZ, SIG_IGN)
    let communicator: Communicator
    do {
      communicator = try Communicator.initialise()
    } catch {
      complain("\(error)")
      return ((error as? any ReportableError)?.exitCode ?? .inputOutput).rawValue
    }
    do {
      try requireEqualPrograms(communicator)
      try requireEqualArguments(arguments, communicator: communicator)
      try run(arguments, on: communicator)
      try communicator.collectively { try flushOutput() }
      try communicator.finalise()
      return MecaCore.ExitCode.success.rawValue
    } catch let end as EndOfParsing {
      // Every rank came to it by itself, so rank 0 alone speaks.
      if communicator.rank == 0 { end.say() }
      try? communicator.finalise()
      return end.exitCode.rawValue
    } catch {
      // The same error on every rank ends quietly on all of them; one rank's own ends the job.
      communicator.end(with: error)
    }
  }

  /// Does what the command line asks for, up to the end of the process, which is the caller's.
  ///
  /// - Ranks: collective.
  /// - Throws: ``EndOfParsing`` where there is nothing to run, otherwise the command's errors.
  package static func run(_ arguments: [String], on communicator: Communicator) throws {
    let expanded = try ConfigurationFile.expanded(arguments, communicator: communicator)
    communicator.describe = expanded.description(of:)
    let command: any RankedCommand
    do {
      command = try parsed(expanded.arguments)
    } catch {
      throw EndOfParsing(error, of: expanded)
    }
    try command.run(on: communicator)
  }

  /// The command that `arguments` ask for.
  ///
  /// - Throws: the parser's errors; a request for help is one of them.
  static func parsed(_ arguments: [String]) throws -> any RankedCommand {
    var command = try parseAsRoot(withNegativeNumbersJoined(Poison.withoutAll(arguments)))
    if let ranked = command as? any RankedCommand { return ranked }
    try command.run()  // the parser's own help command, which throws the text that it prints
    throw CleanExit.helpRequest(self)
  }

  /// What the parser says against a command line, and where: what it does not say without the
  /// configuration file is the file's.
  static func parsingMessage(for error: any Error, of expanded: ExpandedArguments) -> String {
    let name = command(named: expanded.own.first)._commandName
    let place =
      if let path = expanded.path, (try? parsed(expanded.own)) != nil { path + ": " } else { "" }
    return place + message(for: error) + " (see meca-dist \(name) --help)"
  }

  /// Makes sure that what was printed has arrived where standard output leads.
  private static func flushOutput() throws {
    guard fflush(nil) != 0 else { return }
    throw FileError.failed(
      operation: "write", path: "standard output", reason: String(cString: strerror(errno)))
  }

  private static func requireEqualPrograms(_ communicator: Communicator) throws {
    if let other = try communicator.firstDifference(in: programDigest()) {
      try communicator.collectively {
        throw UsageError.conflict(
          "rank \(other.rank) runs another build of meca-dist than rank 0; bring the same program to "
            + "all hosts")
      }
    }
  }

  private static func requireEqualArguments(
    _ arguments: [String], communicator: Communicator
  ) throws {
    let all = try communicator.allGatherText(arguments.joined(separator: "\u{1F}"))
      .map { $0.split(separator: "\u{1F}", omittingEmptySubsequences: false) }
    if let other = all.firstIndex(where: { $0 != all[0] }) {
      let common = zip(all[0], all[other]).prefix(while: ==).count
      func rest(_ rank: Int) -> String {
        let text = all[rank].dropFirst(common).joined(separator: " ")
        return text.isEmpty ? "nothing" : "\"\(text.prefix(80))\""
      }
      try communicator.collectively {
        throw UsageError.conflict(
          "rank \(other) was started with other arguments than rank 0: "
            + "\(rest(other)) in place of \(rest(0))")
      }
    }
  }
}

/// `--option -1` as `--option=-1`: the parser would take the number for another option.
package func withNegativeNumbersJoined(_ arguments: [String]) -> [String] {
  var result: [String] = []
  for argument in arguments {
    if argument.hasPrefix("-"), Double(argument) != nil, let option = result.last,
      option.hasPrefix("--"), !option.contains("=")
    {
      result[result.count - 1] = option + "=" + argument
    } else {
      result.append(argument)
    }
  }
  return result
}

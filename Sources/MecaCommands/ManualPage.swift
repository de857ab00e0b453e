import ArgumentParser
import MecaCore
import MecaMPI

/// `meca-dist.1`: the manual page, from the declarations that the parser works by.
///
/// - Source: groff's `man(7)`; text beyond ASCII stands as `\[uXXXX]`, so that it does not depend on
///   how a page's bytes are read.
package enum ManualPage {
  /// The page in the macros of `man`.
  package static var text: String {
    let root = MecaDist.configuration
    var lines = [
      ".TH MECA\\-DIST 1 \"\" \"meca\\-dist \(roff(root.version))\" \"User Commands\"",
      ".SH NAME", "meca\\-dist \\- \(roff(root.abstract))",
      ".SH SYNOPSIS", ".B meca\\-dist", "[\\fICOMMAND\\fR] [\\fIOPTIONS\\fR]", ".br",
      ".B mpirun \\-n", "\\fIRANKS\\fR", ".B meca\\-dist", "[\\fICOMMAND\\fR] [\\fIOPTIONS\\fR]",
      ".SH DESCRIPTION", ".nf",
    ]
    lines += root.discussion.split(separator: "\n", omittingEmptySubsequences: false).map {
      $0.isEmpty ? "" : roff(String($0))
    }
    lines += [
      ".fi", ".PP",
      roff(
        "Every option may also stand in a YAML file, --config FILE, as name: value; options win over "
          + "the file. Whatever --dataset, --attack and --defense choose has settings of its own, which "
          + "are options too: meca-dist datasets, attacks and defenses list them."), ".SH COMMANDS",
    ]
    var shown: [String: String] = [:]
    for command in root.subcommands where command.configuration.shouldDisplay {
      lines += section(of: command, &shown)
    }
    lines.append(".SH EXIT STATUS")
    for (status, words) in statuses { lines += [".TP", ".B \(status.rawValue)", roff(words)] }
    lines += [".SH SEE ALSO", ".BR mpirun (1)"]
    return lines.map { $0 + "\n" }.joined()
  }

  private static let statuses: [(MecaCore.ExitCode, String)] = [
    (.success, "Everything asked for was done."),
    (.verdict, "The verdict is one that --fail-on names; the results are written."),
    (.usage, "Options, configuration file or their combination are wrong."),
    (.badData, "The input data is missing, damaged or of the wrong kind."),
    (.internalError, "A defect of the program."),
    (.inputOutput, "Reading or writing failed, or a rank was lost."),
    (.requeue, "Everything is saved; the same command goes on from there."),
  ]

  /// A command and its options.
  ///
  /// - Parameter shown: the commands under which groups of options were shown already, by content.
  private static func section(
    of command: any ParsableCommand.Type, _ shown: inout [String: String]
  ) -> [String] {
    let table = OptionTable(of: command)
    let name = command._commandName
    var lines = [".SS meca\\-dist \(roff(name))", roff(table.abstract)]
    for paragraph in table.discussion.split(separator: "\n") {
      lines += [".PP", roff(String(paragraph))]
    }
    for title in table.titles {
      let options = table.options.filter { $0.title == title && $0.name != "help" }
      guard !options.isEmpty else { continue }
      let content = options.flatMap(entry)
      if let title {
        let key = content.joined(separator: "\n")
        lines += [".PP", "\\fI\(roff(title))\\fR"]
        if let other = shown[key] {
          lines.append(roff("as for \(other)"))
          continue
        }
        shown[key] = name
      }
      lines += content
    }
    return lines
  }

  private static func entry(_ option: OptionTable.Option) -> [String] {
    let name = "\\fB" + roff("--\(option.name)") + "\\fR"
    let head =
      switch option.kind {
      case .option: "\(name) \\fIVALUE\\fR"
      case .flag: name
      case .invertibleFlag: "\(name), \\fB" + roff("--no-\(option.name)") + "\\fR"
      case .positional: "\\fI" + roff(option.name.uppercased()) + "\\fR"
      }
    var sentence = option.sentence
    if let value = option.defaultValue, !sentence.contains("(default") {
      sentence += " (default: \(value))"
    }
    return [".TP", head, roff(sentence)]
  }

  /// A text in one line that the macros take for a text.
  package static func roff(_ text: String) -> String {
    var result = ""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\\": result += "\\e"
      case "-": result += "\\-"
      case "\n": result += " "
      case "'": result += "\\(aq"
      case "^": result += "\\(ha"
      case "~": result += "\\(ti"
      case "`": result += "\\(ga"
      case _ where scalar.isASCII: result.unicodeScalars.append(scalar)
      default:
        let digits = String(scalar.value, radix: 16, uppercase: true)
        result += "\\[u" + String(repeating: "0", count: max(0, 4 - digits.count)) + digits + "]"
      }
    }
    return result.hasPrefix(".") ? "\\&" + result : result
  }
}

/// Prints the manual page; not shown, as its reader is `launch/install`.
struct PrintManual: RankedCommand {
  static let configuration = CommandConfiguration(
    commandName: "manual", abstract: "Print the manual page meca-dist.1.", shouldDisplay: false)

  func run(on communicator: Communicator) throws {
    if communicator.rank == 0 { print(ManualPage.text, terminator: "") }
  }
}

import ArgumentParser
import MecaAttacks
import MecaCore
import MecaDefenses
import MecaMPI

/// `docs/options.md`: every option of every command, every setting of every defence, attack and
/// format, from the tables that they are declared in.
package enum OptionsDocument {
  /// How the file is made.
  package static let remedy = "meca-dist options > docs/options.md"

  /// The file's content.
  package static var text: String {
    var shown: [String: String] = [:]
    let commands = MecaDist.configuration.subcommands.filter { $0.configuration.shouldDisplay }
    return """
      # Options

      Made by `\(remedy)` from the declarations in the program; a test compares them. Every option \
      of a command may also stand in a YAML file, `--config FILE`, as `name: value`; options win \
      over the file. `--help` prints what a command takes. Options are written with an example of \
      their value.

      \(commands.map { section(of: $0, &shown) }.joined())## Settings of image sets, attacks and defences

      Whatever is chosen by `--dataset`, `--attack` and `--defense` has settings of its own, which are \
      options too: `--name value`, `--name=value`, `--set name=value`, or `name: value` in the file. \
      The last of equal settings wins.

      ## Image sets

      \(ListDatasets.methods.map { section(of: $0) }.joined())## Attacks

      \(ListAttacks.methods.map { section(of: $0) }.joined())## Defences

      `--variant NAME` starts from other values than the defaults.

      \(ListDefenses.methods.map { section(of: $0) }.joined())
      """
  }

  /// A command and its options.
  ///
  /// - Parameter shown: the commands under which groups of options were shown already, by content.
  private static func section(
    of command: any ParsableCommand.Type, _ shown: inout [String: String]
  ) -> String {
    let table = OptionTable(of: command)
    let name = command._commandName
    var text = "## meca-dist \(name)\n\n\(table.abstract)\n\n"
    if !table.discussion.isEmpty { text += table.discussion + "\n\n" }
    for title in table.titles {
      let rows = table.options.filter { $0.title == title && $0.name != "help" }.map(row)
      guard !rows.isEmpty else { continue }
      let content = lines(head: ["option", "default", "meaning"], rows)
      if let title { text += "**\(title)**" }
      if title != nil, let other = shown[content] {
        text += ": as for `\(other)`\n\n"
      } else {
        text += (title == nil ? "" : "\n\n") + content + "\n"
        shown[content] = name
      }
    }
    return text
  }

  private static func row(_ option: OptionTable.Option) -> [String] {
    let example = OptionExamples.written(option) ?? option.name
    let written =
      switch option.kind {
      case .option, .flag, .positional: "`\(example)`"
      case .invertibleFlag: "`\(example)`, `--no-\(option.name)`"
      }
    var (sentence, usual) = withoutDefault(option.sentence)
    if !option.values.allSatisfy({ sentence.contains($0) }) {
      sentence += " One of " + option.values.joined(separator: ", ") + "."
    }
    if let value = option.defaultValue { usual = "`\(value)`" }
    return [written, usual, sentence]
  }

  /// A sentence that says at its end what is taken without the option, and that.
  private static func withoutDefault(_ sentence: String) -> (sentence: String, usual: String) {
    let (opening, end) = (" (default: ", ").")
    guard sentence.hasSuffix(end),
      let place = sentence.ranges(of: opening).last
    else { return (sentence, "") }
    return (
      sentence[..<place.lowerBound] + ".", String(sentence[place.upperBound...].dropLast(end.count))
    )
  }

  /// A method, its variants and its settings.
  private static func section(of defense: DescribedMethod) -> String {
    let facts = defense.facts.map { what, words in
      " " + (what.hasPrefix("-") ? "`\(what)`" : what.prefix(1).uppercased() + what.dropFirst())
        + ": \(words)."
    }
    var text = """
      ### \(defense.title.map { "\(defense.name): \($0)" } ?? defense.name)

      \(defense.sentence)\(facts.joined())


      """
    if !defense.variants.isEmpty {
      text += lines(
        head: ["variant", "settings", "meaning"],
        defense.variants.map {
          ["`\($0.name)`", "`" + $0.options.joined(separator: " ") + "`", $0.sentence]
        })
      text += "\n"
    }
    if defense.settings.isEmpty { return text + "No settings.\n\n" }
    text += lines(
      head: ["setting", "default", "must be", "meaning"],
      defense.settings.map { setting in
        let symbol = setting.symbol.map { "\($0) in the paper. " } ?? ""
        return [
          "`\(setting.name)`", "`\(setting.usual)`", setting.allowed, symbol + setting.sentence,
        ]
      })
    return text + "\n"
  }

  /// A table.
  private static func lines(head: [String], _ rows: [[String]]) -> String {
    ([head, head.map { _ in "---" }] + rows).map { cells in
      "| "
        + cells.map { $0.replacing("|", with: "\\|").replacing("\n", with: " ") }
        .joined(separator: " | ") + " |\n"
    }.joined()
  }
}

/// Prints `docs/options.md`; not shown, as its reader is whoever changes an option.
struct PrintOptions: RankedCommand {
  static let configuration = CommandConfiguration(
    commandName: "options", abstract: "Print docs/options.md.", shouldDisplay: false)

  func run(on communicator: Communicator) throws {
    if communicator.rank == 0 { print(OptionsDocument.text, terminator: "") }
  }
}

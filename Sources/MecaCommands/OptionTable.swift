import ArgumentParser
import Foundation

/// A command's options as the parser itself describes them.
package struct OptionTable {
  /// One option, flag or positional argument.
  package struct Option: Equatable {
    /// How it is written.
    package enum Kind {
      /// `--name VALUE`.
      case option
      /// `--name`.
      case flag
      /// `--name` or `--no-name`.
      case invertibleFlag
      /// A bare value.
      case positional
    }

    /// Long name without dashes; of positional arguments that of the value.
    package let name: String
    /// How it is written.
    package var kind: Kind
    /// Title of the group that it stands in.
    package let title: String?
    /// What is taken without it, if the parser knows.
    package let defaultValue: String?
    /// What it means.
    package let sentence: String
    /// The values it takes, if there are few.
    package let values: [String]

    /// Whether it may stand in a configuration file.
    package var isSetting: Bool {
      kind != .positional && !["config", "help", "version"].contains(name)
    }
  }

  /// What the command is for.
  package let abstract: String
  /// More of that.
  package let discussion: String
  /// All options, in the order of the help.
  package let options: [Option]

  /// The options of a command.
  package init(of command: any ParsableCommand.Type) {
    let text = command._dumpHelp()
    do {
      let tool = try JSONDecoder().decode(Tool.self, from: Data(text.utf8))
      abstract = tool.command.abstract ?? ""
      discussion = tool.command.discussion ?? ""
      options = Self.joined(tool.command.arguments ?? [])
    } catch {
      preconditionFailure("the parser describes \(command) in other terms than it did: \(error)")
    }
  }

  /// The long names of everything that starts with dashes, those of negations too.
  package var names: [String] {
    options.filter { $0.kind != .positional }.flatMap { option in
      option.kind == .invertibleFlag ? [option.name, "no-" + option.name] : [option.name]
    }
  }

  /// The titles of groups in their order; nil for what has none.
  var titles: [String?] {
    options.reduce(into: []) { titles, option in
      if !titles.contains(option.title) { titles.append(option.title) }
    }
  }

  /// The options with `--name` and `--no-name` as one.
  private static func joined(_ arguments: [Argument]) -> [Option] {
    var options: [Option] = []
    for argument in arguments {
      let name = argument.longName
      if argument.kind == "flag", name.hasPrefix("no-"),
        let place = options.firstIndex(where: { "no-" + $0.name == name && $0.kind == .flag })
      {
        options[place].kind = .invertibleFlag
        continue
      }
      let kind: Option.Kind =
        switch argument.kind {
        case "flag": .flag
        case "positional": .positional
        default: .option
        }
      options.append(
        Option(
          name: name, kind: kind, title: argument.sectionTitle,
          defaultValue: argument.defaultValue, sentence: argument.abstract ?? "",
          values: argument.allValues ?? []))
    }
    return options
  }

  /// The outermost part of the parser's own description.
  private struct Tool: Decodable {
    var command: Command
  }

  /// A command in it.
  private struct Command: Decodable {
    var abstract: String?
    var discussion: String?
    var arguments: [Argument]?
  }

  /// An option, flag or positional argument in it.
  private struct Argument: Decodable {
    struct Name: Decodable {
      var kind: String
      var name: String
    }

    var kind: String
    var sectionTitle: String?
    var names: [Name]?
    var valueName: String?
    var defaultValue: String?
    var allValues: [String]?
    var abstract: String?

    var longName: String {
      names?.first { $0.kind == "long" }?.name ?? valueName ?? ""
    }
  }
}

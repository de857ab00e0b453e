import ArgumentParser
import MecaCore
import MecaDefenses
import MecaMPI
import Yams

/// Turns `--config FILE` into arguments: each `key: value` of the file stands for `--key value`.
///
/// They are put in front of the user's own, and the last of two equal options wins, so options win
/// over the file. Rank 0 reads the file for all.
package enum ConfigurationFile {
  /// What may stand behind a key.
  package enum KeyKind {
    /// A value.
    case value
    /// `true`, or `false` for what is so without it.
    case flag
    /// `true` or `false`.
    case invertibleFlag
  }

  /// The arguments with the file's content in place of `--config`.
  ///
  /// - Ranks: collective.
  /// - Throws: `FileError` if the file cannot be read, `UsageError` for unknown keys and values
  ///   that are no scalars.
  static func expanded(
    _ arguments: [String], communicator: Communicator
  ) throws -> ExpandedArguments {
    let paths = paths(in: arguments)
    guard let path = paths.first else { return ExpandedArguments(arguments) }
    try communicator.collectively {
      if paths.count > 1 {
        throw UsageError.conflict(
          "--config \(paths[1]): there is another before it; write one file of both")
      }
    }
    let text = try communicator.collectively {
      communicator.rank == 0 ? try contents(path) : ""
    }
    let shared = try communicator.broadcastText(text, from: 0)
    return try communicator.collectively { try expanded(arguments, yaml: shared, path: path) }
  }

  /// The same with a file whose content is known.
  ///
  /// - Ranks: local.
  package static func expanded(
    _ arguments: [String], yaml: String, path: String
  ) throws -> ExpandedArguments {
    let options = try self.arguments(
      yaml: yaml, path: path, known: keys(of: MecaDist.command(named: arguments.first)))
    return ExpandedArguments(arguments, path: path, options: options)
  }

  /// Every key that the file of a command may have.
  package static func keys(of command: any ParsableCommand.Type) -> [String: KeyKind] {
    var keys: [String: KeyKind] = [:]
    // Of every method: whose a setting is, is said where the chosen ones are known.
    let kinds = (command as? any TakesSettings.Type)?.settingKinds ?? []
    for name in kinds.flatMap(\.settingNames) { keys[name] = .value }
    for option in OptionTable(of: command).options where option.isSetting {
      keys[option.name] =
        switch option.kind {
        case .flag: .flag
        case .invertibleFlag: .invertibleFlag
        case .option, .positional: .value
        }
    }
    return keys
  }

  private static func paths(in all: [String]) -> [String] {
    // What follows -- is not this command's.
    let arguments = Array(all.prefix { $0 != "--" })
    return arguments.indices.compactMap { place in
      if arguments[place] == "--config" {
        return place + 1 < arguments.count ? arguments[place + 1] : nil
      }
      let joined = "--config="
      return arguments[place].hasPrefix(joined)
        ? String(arguments[place].dropFirst(joined.count)) : nil
    }
  }

  /// Bytes of a configuration at most.
  private static let mostBytes = 1 << 20

  private static func contents(_ path: String) throws -> String {
    do {
      return String(decoding: try readFile(at: path, limit: mostBytes), as: UTF8.self)
    } catch let error as FileError {
      if case .missing = error {
        throw UsageError.conflict("--config \(path): not found; it must be a YAML file")
      }
      throw UsageError.conflict("--config \(error)")
    }
  }

  /// The arguments that a YAML mapping stands for.
  ///
  /// Lists become comma-separated values; `true` and `false` become `--key` and `--no-key`.
  package static func arguments(
    yaml: String, path: String, known: [String: KeyKind]
  ) throws -> [String] {
    try refuseAliases(yaml, path: path)
    let node: Node?
    do {
      node = try Yams.compose(yaml: yaml)
    } catch {
      throw UsageError.conflict("\(path): not YAML: \("\(error)".prefix(200))")
    }
    guard let node else { return [] }
    guard let mapping = node.mapping else {
      throw UsageError.conflict("\(path): wants lines of the form `option: value`")
    }
    var result: [String] = []
    for (keyNode, valueNode) in mapping {
      let key = String((keyNode.string ?? "?").prefix(80))
      guard let kind = known[key] else {
        throw UsageError.conflict(
          "\(path): unknown key \(key)" + suggestion(for: key, among: known.keys.sorted()))
      }
      result += try argument(key, valueNode, path: path, kind)
    }
    return result
  }

  /// Refuses anchors and aliases: no option needs them, and a few lines of them can stand for
  /// millions.
  private static func refuseAliases(_ yaml: String, path: String) throws {
    for (number, line) in yaml.split(separator: "\n", omittingEmptySubsequences: false).enumerated()
    {
      var quote: Character?
      var before: Character = " "
      for character in line {
        if let open = quote {
          if character == open { quote = nil }
        } else if character == "\"" || character == "'" {
          quote = character
        } else if character == "#", before.isWhitespace {
          break
        } else if character == "&" || character == "*",
          before.isWhitespace || "[{,-".contains(before)
        {
          throw UsageError.conflict(
            "\(path): line \(number + 1): anchors and aliases (& and *) are not read; write values "
              + "out, or put them in quotes")
        }
        before = character
      }
    }
  }

  /// The argument that one line stands for; none for a flag that is off.
  private static func argument(
    _ key: String, _ value: Node, path: String, _ kind: KeyKind
  ) throws -> [String] {
    if kind != .value {
      switch value.string {
      case "true": return ["--" + key]
      case "false": return kind == .invertibleFlag ? ["--no-" + key] : []
      default: throw UsageError.conflict("\(path): \(key): must be true or false")
      }
    }
    if let scalar = value.scalar {
      if scalar.style == .plain, ["", "~", "null"].contains(scalar.string) {
        throw UsageError.conflict(
          "\(path): \(key): has no value; leave the line out for the default")
      }
      return ["--\(key)=\(scalar.string)"]
    }
    if let sequence = value.sequence, sequence.allSatisfy({ $0.scalar != nil }) {
      return ["--\(key)=" + sequence.compactMap(\.string).joined(separator: ",")]
    }
    throw UsageError.conflict("\(path): \(key): wants a value or a list of values")
  }
}

/// A text as a YAML value that reads back as the same text.
package func yamlScalar(_ text: String) -> String {
  let isPlain = text.utf8.allSatisfy { byte in
    UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte || UInt8(ascii: "A")...UInt8(ascii: "Z") ~= byte
      || UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte || "_./,+-".utf8.contains(byte)
  }
  if isPlain, !["", "null", "-"].contains(text), !text.hasPrefix("---") { return text }
  var result = "\""
  for character in text.unicodeScalars {
    switch character {
    case "\"", "\\": result += "\\\(character)"
    case "\n": result += "\\n"
    case "\t": result += "\\t"
    case "\r": result += "\\r"
    default: result.unicodeScalars.append(character)
    }
  }
  return result + "\""
}

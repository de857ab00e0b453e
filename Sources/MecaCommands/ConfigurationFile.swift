import ArgumentParser
import MecaCore
import MecaMPI
import Yams

/// Turns `--config FILE` into arguments: each `key: value` of the file stands for `--key value`.
///
/// They are put in front of the user's own, and the last of two equal options wins, so options win
/// over the file. Rank 0 reads the file for all.
package enum ConfigurationFile {
  /// The arguments with the file's content in place of `--config`.
  ///
  /// - Ranks: collective.
  /// - Throws: `FileError` if the file cannot be read, `UsageError` for unknown keys and values
  ///   that are no scalars.
  static func expanded(_ arguments: [String], communicator: Communicator) throws -> [String] {
    let paths = paths(in: arguments)
    guard let path = paths.first else { return arguments }
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
    let options = try communicator.collectively {
      try self.arguments(
        yaml: shared, path: path,
        known: optionNames(of: MecaDist.command(named: arguments.first)))
    }
    let subcommand = MecaDist.isCommand(arguments.first) ? 1 : 0
    return arguments.prefix(subcommand) + options + arguments.dropFirst(subcommand)
  }

  private static func paths(in arguments: [String]) -> [String] {
    arguments.indices.compactMap { place in
      if arguments[place] == "--config" {
        return place + 1 < arguments.count ? arguments[place + 1] : nil
      }
      let joined = "--config="
      return arguments[place].hasPrefix(joined)
        ? String(arguments[place].dropFirst(joined.count)) : nil
    }
  }

  private static func contents(_ path: String) throws -> String {
    do {
      return String(decoding: try readFile(at: path), as: UTF8.self)
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
  package static func arguments(yaml: String, path: String, known: [String]) throws -> [String] {
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
      guard known.contains(key), !excluded(key) else {
        let nearest = nearestName(to: key, among: known.filter { !excluded($0) })
        throw UsageError.conflict(
          "\(path): unknown key \(key)" + (nearest.map { "; did you mean \($0)?" } ?? ""))
      }
      result += try argument(
        key, valueNode, path: path, isFlag: known.contains("no-" + key) || flags.contains(key),
        isInvertible: known.contains("no-" + key))
    }
    return result
  }

  private static let flags = ["dry-run", "quiet", "json", "layers", "force"]

  /// Names that stand in a command's help and are no settings.
  private static func excluded(_ key: String) -> Bool {
    ["config", "help", "version"].contains(key) || key.hasPrefix("no-")
  }

  /// The argument that one line stands for; none for a flag that is off.
  private static func argument(
    _ key: String, _ value: Node, path: String, isFlag: Bool, isInvertible: Bool
  ) throws -> [String] {
    if isFlag {
      switch value.string {
      case "true": return ["--" + key]
      case "false": return isInvertible ? ["--no-" + key] : []
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

/// The long names of a command's options, without dashes, read from its own help.
package func optionNames(of command: any ParsableCommand.Type) -> [String] {
  let help = command.helpMessage(includeHidden: true, columns: 10_000)
  var names: [String] = []
  for word in help.split(whereSeparator: { " \n/,()<>[]|".contains($0) })
  where word.hasPrefix("--") {
    let name = String(word.dropFirst(2).prefix { $0.isLetter || $0.isNumber || $0 == "-" })
    if !name.isEmpty, !names.contains(name) { names.append(name) }
  }
  return names
}

/// The name with the smallest edit distance, if it is within a third of the longer one's length.
package func nearestName(to name: String, among names: [String]) -> String? {
  let candidates = names.map { ($0, editDistance(name, $0)) }
  guard let best = candidates.min(by: { $0.1 < $1.1 }) else { return nil }
  return best.1 <= max(2, max(name.count, best.0.count) / 3) ? best.0 : nil
}

/// Insertions, deletions and replacements between two words (Levenshtein).
package func editDistance(_ first: String, _ second: String) -> Int {
  let target = Array(second)
  var row = Array(0...target.count)
  for (line, character) in first.enumerated() {
    var diagonal = row[0]
    row[0] = line + 1
    for column in 0..<target.count {
      let replaced = diagonal + (character == target[column] ? 0 : 1)
      diagonal = row[column + 1]
      row[column + 1] = min(replaced, min(row[column], row[column + 1]) + 1)
    }
  }
  return row[target.count]
}

import ArgumentParser
import MecaCore
import MecaMPI
import Yams

/// Turns `--config FILE` into arguments: each `key: value` of the file stands for `--key value`.
///
/// They are put in front of the user's own, and the last of two equal options wins, so options win
/// over the file. Rank 0 reads the file for all.
enum ConfigurationFile {
  /// The arguments with the file's content in place of `--config`.
  ///
  /// - Ranks: collective.
  /// - Throws: `FileError` if the file cannot be read, `UsageError` for unknown keys and values
  ///   that are no scalars.
  static func expanded(_ arguments: [String], communicator: Communicator) throws -> [String] {
    guard let path = path(in: arguments) else { return arguments }
    let text = try communicator.collectively {
      communicator.rank == 0 ? try contents(path) : ""
    }
    let options = try self.arguments(
      yaml: try communicator.broadcastText(text, from: 0), path: path,
      known: optionNames(of: MecaDist.command(named: arguments.first)))
    let subcommand = MecaDist.isCommand(arguments.first) ? 1 : 0
    return arguments.prefix(subcommand) + options + arguments.dropFirst(subcommand)
  }

  private static func path(in arguments: [String]) -> String? {
    for (place, argument) in arguments.enumerated() {
      if argument == "--config", place + 1 < arguments.count { return arguments[place + 1] }
      if argument.hasPrefix("--config=") { return String(argument.dropFirst("--config=".count)) }
    }
    return nil
  }

  private static func contents(_ path: String) throws -> String {
    guard let bytes = try? readFile(at: path) else {
      throw FileError.missing(path: path, hint: "--config wants a readable YAML file")
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  /// The arguments that a YAML mapping stands for.
  ///
  /// Lists become comma-separated values; `true` and `false` become `--key` and `--no-key`.
  static func arguments(yaml: String, path: String, known: [String]) throws -> [String] {
    let node: Node?
    do {
      node = try Yams.compose(yaml: yaml)
    } catch {
      throw UsageError.conflict("\(path): not YAML: \(oneLine("\(error)"))")
    }
    guard let node else { return [] }
    guard let mapping = node.mapping else {
      throw UsageError.conflict("\(path): wants lines of the form `option: value`")
    }
    var result: [String] = []
    for (keyNode, valueNode) in mapping {
      let key = keyNode.string ?? "?"
      guard known.contains(key), key != "config" else {
        let nearest = nearestName(to: key, among: known)
        throw UsageError.conflict(
          "\(path): unknown key \(key)" + (nearest.map { "; did you mean \($0)?" } ?? ""))
      }
      if let scalar = valueNode.scalar {
        if scalar.tag == .implicit || scalar.style == .plain, known.contains("no-" + key) || isFlag(key)
        {
          switch scalar.string {
          case "true": result.append("--" + key)
          case "false" where known.contains("no-" + key): result.append("--no-" + key)
          case "false": break
          default:
            throw UsageError.conflict("\(path): \(key): must be true or false")
          }
        } else {
          result += ["--" + key, scalar.string]
        }
      } else if let sequence = valueNode.sequence {
        result += ["--" + key, sequence.compactMap(\.string).joined(separator: ",")]
      } else {
        throw UsageError.conflict("\(path): \(key): wants a value or a list")
      }
    }
    return result
  }

  private static func isFlag(_ key: String) -> Bool { ["dry-run", "quiet", "json"].contains(key) }
}

/// The long names of a command's options, without dashes, read from its own help.
func optionNames(of command: any ParsableCommand.Type) -> [String] {
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
func nearestName(to name: String, among names: [String]) -> String? {
  let candidates = names.map { ($0, editDistance(name, $0)) }
  guard let best = candidates.min(by: { $0.1 < $1.1 }) else { return nil }
  return best.1 <= max(2, max(name.count, best.0.count) / 3) ? best.0 : nil
}

/// Insertions, deletions and replacements between two words (Levenshtein).
func editDistance(_ first: String, _ second: String) -> Int {
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

/// A text without line breaks.
func oneLine(_ text: String) -> String {
  text.split(whereSeparator: \.isNewline).joined(separator: " ")
}

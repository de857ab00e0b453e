import MecaCore
import MecaDefenses

/// The words of a command line that the parser does not know, read as settings of a defence.
///
/// `--folds 3`, `--folds=3` and `--set folds=3` are the same; of equal settings the last wins. A
/// setting that is on or off may also stand alone (`--name`, `--no-name`).
package struct DefenseArguments {
  private let words: [String]
  private let defenses: [any Defense.Type]

  /// - Parameters:
  ///   - words: in their order on the command line, a file's before them.
  ///   - defenses: all that there are.
  package init(_ words: [String], among defenses: [any Defense.Type] = Defenses.all) {
    (self.words, self.defenses) = (words, defenses)
  }

  /// The defence called `name` with its settings.
  ///
  /// - Parameter variant: the name of the settings to start from, instead of the defaults.
  /// - Throws: `SettingProblem` for names that nobody has and values that cannot be.
  package func resolved(defense name: String, variant: String? = nil) throws -> ResolvedDefense {
    let names = defenses.map { $0.facts.name }
    guard let chosen = defenses.first(where: { $0.facts.name == name }) else {
      throw SettingError(
        setting: "defense", value: name,
        allowed: "one of " + names.joined(separator: ", ") + suggestion(for: name, among: names))
    }
    return try resolved(chosen, variant)
  }

  private func resolved<Chosen: Defense>(
    _ chosen: Chosen.Type, _ variant: String?
  ) throws -> ResolvedDefense {
    var settings = try chosen.settings(variant: variant)
    // A value that another follows is not looked at: a file's may be wrong where an option wins.
    var values: [String: String] = [:]
    var rest = words[...]
    while let word = rest.popFirst() {
      if word == "--" { continue }
      let (name, value) = try assignment(word, &rest, chosen)
      values[name] = value
    }
    for setting in Chosen.Settings.table {
      if let value = values[setting.name] { try setting.write(&settings, value) }
    }
    try settings.validate()
    return ResolvedDefense(chosen, settings)
  }

  /// The setting that a word names, and the value that it or the next word says.
  private func assignment<Chosen: Defense>(
    _ word: String, _ rest: inout ArraySlice<String>, _ chosen: Chosen.Type
  ) throws -> (name: String, value: String) {
    guard word.hasPrefix("--") else {
      throw word.hasPrefix("-")
        ? unknown(String(word.drop { $0 == "-" }), "\(word):", chosen) : StrayWord(word)
    }
    let (name, value) = halves(word.dropFirst(2))
    if name == "set" { return try assignment(set: try value ?? next(name, &rest), chosen) }
    if let setting = Chosen.Settings.setting(named: name) {
      return setting.isFlag
        ? (name, value ?? truth(&rest) ?? "true") : (name, try value ?? next(name, &rest))
    }
    if value == nil, name.hasPrefix("no-") {
      let positive = String(name.dropFirst("no-".count))
      if Chosen.Settings.setting(named: positive)?.isFlag == true { return (positive, "false") }
    }
    try requireNoOwner(of: name, chosen)
    throw unknown(name, "--\(name):", chosen)
  }

  /// The setting and the value that `--set NAME=VALUE` says.
  private func assignment<Chosen: Defense>(
    set text: String, _ chosen: Chosen.Type
  ) throws -> (name: String, value: String) {
    let (name, value) = halves(text[...])
    guard let value, !name.isEmpty else {
      throw SettingError(setting: "set", value: text, allowed: "NAME=VALUE")
    }
    if Chosen.Settings.setting(named: name) != nil { return (name, value) }
    try requireNoOwner(of: name, chosen)
    let own = chosen.facts.name
    if OptionTable(of: Train.self).names.contains(name) {
      throw UsageError.conflict(
        "--set \(text): \(name) is no setting of \(own), but an option: write --\(name)")
    }
    throw UsageError.conflict(
      "--set \(text): \(own) has no such setting"
        + suggestion(for: name, among: chosen.settingNames))
  }

  /// What stands before and behind the first equals sign.
  private func halves(_ text: Substring) -> (name: String, value: String?) {
    guard let place = text.firstIndex(of: "=") else { return (String(text), nil) }
    return (String(text[..<place]), String(text[text.index(after: place)...]))
  }

  /// The next word, as the value of the option before it.
  private func next(_ name: String, _ rest: inout ArraySlice<String>) throws -> String {
    guard let value = rest.first, !value.hasPrefix("--") else {
      throw UsageError.conflict(
        "--\(name): has no value; write --\(name) \(name == "set" ? "NAME=VALUE" : "VALUE")")
    }
    rest.removeFirst()
    return value
  }

  /// The next word if it says on or off.
  private func truth(_ rest: inout ArraySlice<String>) -> String? {
    guard let value = rest.first, Bool(value) != nil else { return nil }
    rest.removeFirst()
    return value
  }

  /// Says whose setting it is.
  private func requireNoOwner(of name: String, _ chosen: any Defense.Type) throws {
    let owners = defenses.filter { $0.settingNames.contains(name) }.map { $0.facts.name }
    guard !owners.isEmpty else { return }
    let names = owners.joined(separator: ", ")
    throw MisplacedSetting(
      setting: name,
      problem: "is a setting of \(names), and the defence is \(chosen.facts.name): leave it out, "
        + "or choose \(owners.count > 1 ? "one of " : "")\(names) with --defense")
  }

  /// Says which name was probably meant.
  private func unknown(
    _ name: String, _ written: String, _ chosen: any Defense.Type
  ) -> any ReportableError {
    let near =
      nearestName(to: name, among: chosen.settingNames + OptionTable(of: Train.self).names)
      ?? nearestName(to: name, among: defenses.flatMap { $0.settingNames })
    return UsageError.conflict(
      "\(written.prefix(80)) no such option; "
        + (near.map { "did you mean --\($0)?" }
          ?? "see meca-dist train --help and meca-dist defenses \(chosen.facts.name)"))
  }
}

/// A word that is neither an option nor the value of one.
struct StrayWord: ReportableError {
  let word: String

  init(_ word: String) { self.word = word }

  var exitCode: ExitCode { .usage }

  var description: String {
    let commands = MecaDist.configuration.subcommands.map { $0._commandName }
    return "\"\(word.prefix(80))\": neither an option nor the value of one"
      + suggestion(for: word, among: commands)
  }
}

/// A setting that would be ignored.
struct MisplacedSetting: SettingProblem {
  let setting: String
  var value: String?
  /// What is wrong, behind the name.
  let problem: String

  var exitCode: ExitCode { .usage }

  var description: String {
    value.map { "--\(setting) \($0): \(problem)" } ?? "--\(setting): \(problem)"
  }

  func description(inFile path: String) -> String {
    "\(path): \(setting): " + (value.map { "\($0): " } ?? "") + problem
  }
}

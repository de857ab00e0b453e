import ArgumentParser
import MecaAttacks
import MecaCore
import MecaDefenses
import MecaFormats

/// The name of a method (a format, an attack, a defence) and those of its settings.
package struct MethodTable: Sendable {
  package let name: String
  /// Its settings, and which of them are on or off.
  package let settings: [(name: String, isFlag: Bool)]

  package init<Settings: SettingsTable>(_ name: String, _ type: Settings.Type) {
    self.name = name
    settings = Settings.table.map { ($0.name, $0.isFlag) }
  }
}

/// A kind of method, and the one that was chosen.
package struct SettingOwner: Sendable {
  /// What such a method is, for sentences: `defence`.
  package let noun: String
  /// The option that chooses one: `defense`.
  package let option: String
  /// The command that lists them: `defenses`.
  package let listing: String
  /// The chosen one.
  package let chosen: MethodTable
  /// All that there are.
  package let all: [MethodTable]

  private init(
    _ noun: String, _ option: String, _ listing: String, _ chosen: String, _ all: [MethodTable]
  ) {
    (self.noun, self.option, self.listing, self.all) = (noun, option, listing, all)
    guard let own = all.first(where: { $0.name == chosen }) else {
      preconditionFailure("there is no \(noun) \(chosen)")
    }
    self.chosen = own
  }

  /// The defence called `name`.
  package static func defense(
    _ name: String, among defenses: [any Defense.Type] = Defenses.all
  ) -> SettingOwner {
    func table<Method: Defense>(_ method: Method.Type) -> MethodTable {
      MethodTable(method.facts.name, Method.Settings.self)
    }
    return SettingOwner("defence", "defense", "defenses", name, defenses.map { table($0) })
  }

  /// The attack called `name`.
  package static func attack(_ name: String) -> SettingOwner {
    func table<Method: Attack>(_ method: Method.Type) -> MethodTable {
      MethodTable(method.facts.name, Method.Settings.self)
    }
    return SettingOwner("attack", "attack", "attacks", name, Attacks.all.map { table($0) })
  }

  /// The format called `name`.
  package static func dataset(_ name: String) -> SettingOwner {
    func table<Method: DatasetFormat>(_ method: Method.Type) -> MethodTable {
      MethodTable(method.facts.name, Method.Settings.self)
    }
    return SettingOwner("image set", "dataset", "datasets", name, Formats.all.map { table($0) })
  }
}

/// The words of a command line that the parser does not know, read as settings of the chosen methods.
///
/// `--folds 3`, `--folds=3` and `--set folds=3` are the same; of equal settings the last wins. A
/// setting that is on or off may also stand alone (`--name`, `--no-name`).
package struct SettingWords {
  private let words: [String]
  private let command: any ParsableCommand.Type

  /// Words in their order on the command line, a file's before them.
  package init(_ words: [String], of command: any ParsableCommand.Type) {
    (self.words, self.command) = (words, command)
  }

  /// The texts of the settings that were given, for each owner by its option.
  ///
  /// A value that another follows is not looked at: a file's may be wrong where an option wins.
  ///
  /// - Throws: `SettingProblem` for names that nobody has, and for settings of methods that were not
  ///   chosen.
  package func values(of owners: [SettingOwner]) throws -> [String: [String: String]] {
    var values: [String: [String: String]] = [:]
    var rest = words[...]
    while let word = rest.popFirst() {
      if word == "--" { continue }
      let (owner, name, value) = try assignment(word, &rest, owners)
      values[owner.option, default: [:]][name] = value
    }
    return values
  }

  private typealias Assignment = (owner: SettingOwner, name: String, value: String)

  /// The owner and its setting that a word names, and the value that it or the next word says.
  private func assignment(
    _ word: String, _ rest: inout ArraySlice<String>, _ owners: [SettingOwner]
  ) throws -> Assignment {
    guard word.hasPrefix("--") else {
      throw word.hasPrefix("-")
        ? unknown(String(word.drop { $0 == "-" }), "\(word):", owners) : StrayWord(word)
    }
    let (name, value) = halves(word.dropFirst(2))
    if name == "set" { return try assignment(set: try value ?? next(name, &rest), owners) }
    if let (owner, isFlag) = owner(of: name, owners) {
      return isFlag
        ? (owner, name, value ?? truth(&rest) ?? "true")
        : (owner, name, try value ?? next(name, &rest))
    }
    if value == nil, name.hasPrefix("no-") {
      let positive = String(name.dropFirst("no-".count))
      if let (owner, isFlag) = owner(of: positive, owners), isFlag {
        return (owner, positive, "false")
      }
    }
    try requireNoOtherOwner(of: name, owners)
    throw unknown(name, "--\(name):", owners)
  }

  /// What `--set NAME=VALUE` says.
  private func assignment(set text: String, _ owners: [SettingOwner]) throws -> Assignment {
    let (name, value) = halves(text[...])
    guard let value, !name.isEmpty else {
      throw SettingError(setting: "set", value: text, allowed: "NAME=VALUE")
    }
    if let (owner, _) = owner(of: name, owners) { return (owner, name, value) }
    try requireNoOtherOwner(of: name, owners)
    let own = owners.map(\.chosen.name).joined(separator: ", ")
    if OptionTable(of: command).names.contains(name) {
      throw UsageError.conflict(
        "--set \(text): \(name) is no setting of \(own), but an option: write --\(name)")
    }
    throw UsageError.conflict(
      "--set \(text): \(own) has no such setting"
        + suggestion(for: name, among: owners.flatMap { $0.chosen.settings.map(\.name) }))
  }

  private func owner(
    of name: String, _ owners: [SettingOwner]
  ) -> (owner: SettingOwner, isFlag: Bool)? {
    for owner in owners {
      if let setting = owner.chosen.settings.first(where: { $0.name == name }) {
        return (owner, setting.isFlag)
      }
    }
    return nil
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
  private func requireNoOtherOwner(of name: String, _ owners: [SettingOwner]) throws {
    for owner in owners {
      let others = owner.all.filter { $0.settings.contains { $0.name == name } }.map(\.name)
      guard !others.isEmpty else { continue }
      let names = others.joined(separator: ", ")
      throw MisplacedSetting(
        setting: name,
        problem:
          "is a setting of \(names), and the \(owner.noun) is \(owner.chosen.name): leave it "
          + "out, or choose \(others.count > 1 ? "one of " : "")\(names) with --\(owner.option)")
    }
  }

  /// Says which name was probably meant.
  private func unknown(
    _ name: String, _ written: String, _ owners: [SettingOwner]
  ) -> any ReportableError {
    let own = owners.flatMap { $0.chosen.settings.map(\.name) }
    let others = owners.flatMap { $0.all.flatMap { $0.settings.map(\.name) } }
    let near =
      nearestName(to: name, among: own + OptionTable(of: command).names)
      ?? nearestName(to: name, among: others)
    let lists = owners.filter { !$0.chosen.settings.isEmpty }.map {
      "meca-dist \($0.listing) \($0.chosen.name)"
    }
    return UsageError.conflict(
      "\(written.prefix(80)) no such option; "
        + (near.map { "did you mean --\($0)?" }
          ?? "see "
          + (["meca-dist \(command._commandName) --help"] + lists).joined(separator: " and ")))
  }
}

/// A word that is neither an option nor the value of one.
struct StrayWord: ReportableError {
  let word: String

  init(_ word: String) { self.word = word }

  var exitCode: MecaCore.ExitCode { .usage }

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

  var exitCode: MecaCore.ExitCode { .usage }

  var description: String {
    value.map { "--\(setting) \($0): \(problem)" } ?? "--\(setting): \(problem)"
  }

  func description(inFile path: String) -> String {
    "\(path): \(setting): " + (value.map { "\($0): " } ?? "") + problem
  }
}

/// A kind of methods whose settings a command takes.
enum SettingKind {
  case dataset, attack, defense

  /// The names of all settings of all such methods.
  var settingNames: [String] {
    switch self {
    case .dataset: Formats.all.flatMap { $0.settingNames }
    case .attack: Attacks.all.flatMap { $0.settingNames }
    case .defense: Defenses.all.flatMap { $0.settingNames }
    }
  }
}

/// A command that takes settings of methods among its options.
protocol TakesSettings {
  /// Of which methods.
  static var settingKinds: [SettingKind] { get }
}

extension Train: TakesSettings {
  static var settingKinds: [SettingKind] { [.dataset, .attack, .defense] }
}

extension Score: TakesSettings { static var settingKinds: [SettingKind] { [.dataset, .attack] } }

extension Evaluate: TakesSettings {
  static var settingKinds: [SettingKind] { [.dataset, .attack] }
}

extension Poison: TakesSettings { static var settingKinds: [SettingKind] { [.dataset, .attack] } }

extension Pack: TakesSettings { static var settingKinds: [SettingKind] { [.dataset] } }

extension Bench: TakesSettings { static var settingKinds: [SettingKind] { [.dataset] } }

/// The words that a command's parser does not know.
struct UnknownWords: ParsableArguments {
  @Argument(
    parsing: .allUnrecognized,
    help: ArgumentHelp(
      """
      Settings of the image set, and where the command has them of the attack and the defence: \
      --NAME VALUE, --NAME=VALUE or --set NAME=VALUE; meca-dist datasets, attacks and defenses list \
      them.
      """, valueName: "--setting"))
  var words: [String] = []
}

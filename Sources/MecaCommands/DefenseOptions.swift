import ArgumentParser
import MecaCore
import MecaDefenses

/// Which defence a run applies.
///
/// The parser knows no setting of any defence: whatever it does not recognise is read against the
/// tables of the chosen methods (`SettingWords`).
struct DefenseOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      Defence: \(Defenses.names.joined(separator: ", ")). What they are: meca-dist defenses; the \
      settings of one: meca-dist defenses NAME (default: meca, but listed with --exclude or \
      --relabel).
      """))
  var defense: String?

  @Option(help: "Named settings of the defence to start from; meca-dist defenses NAME lists them.")
  var variant: String?

  @Option(
    help: """
      Share of each class that is known to be clean, kept for a defence that needs such samples \
      (default: 0.05).
      """)
  var cleanReserve: Double?

  /// The chosen defence: who gives a list wants it followed.
  ///
  /// - Parameter words: the settings that were given, which may be those of `ListedSamples`.
  /// - Throws: `SettingError` for a name that nobody has.
  private func chosen(with words: [String]) throws -> any Defense.Type {
    if let defense { return try Defenses.chosen(defense) }
    let hasList = words.contains { word in
      ListedSamples.settingNames.contains { word == "--" + $0 || word.hasPrefix("--\($0)=") }
    }
    return hasList ? ListedSamples.self : MeCa.self
  }

  /// Whose settings they are.
  ///
  /// - Throws: `SettingError` for a name that nobody has.
  func owner(with words: [String]) throws -> SettingOwner {
    .defense(try chosen(with: words).facts.name)
  }

  /// The chosen defence with its settings.
  ///
  /// - Throws: `SettingProblem` for names that nobody has and values that cannot be.
  func resolved(_ values: [String: String], with words: [String]) throws -> ResolvedDefense {
    try ResolvedDefense(try chosen(with: words), variant: variant, values)
  }

  /// The share of each class that the trainer knows to be clean; 0 where `defense` needs none.
  ///
  /// - Throws: `SettingProblem` for a share that cannot be, or that would be ignored.
  func reserve(for defense: ResolvedDefense) throws -> Double {
    guard defense.facts.needs.contains(.cleanReserve) else {
      if let cleanReserve {
        throw MisplacedSetting(
          setting: "clean-reserve", value: "\(cleanReserve)",
          problem: "is for defences that need clean samples, and \(defense.facts.name) needs none")
      }
      return 0
    }
    let share = cleanReserve ?? 0.05
    guard share > 0 && share < 1 else {
      throw SettingError(
        setting: "clean-reserve", value: "\(share)", allowed: "more than 0 and below 1")
    }
    return share
  }
}

/// The one of some names that somebody chose.
///
/// - Throws: `SettingError` that lists them.
package func chosenName(_ name: String, among names: [String], setting: String) throws -> String {
  if names.contains(name) { return name }
  throw SettingError(
    setting: setting, value: name,
    allowed: "one of " + names.joined(separator: ", ") + suggestion(for: name, among: names))
}

extension Defenses {
  /// The defence called `name`.
  ///
  /// - Throws: `SettingError` for a name that nobody has.
  package static func chosen(
    _ name: String, among defenses: [any Defense.Type] = Defenses.all
  ) throws -> any Defense.Type {
    let name = try chosenName(name, among: defenses.map { $0.facts.name }, setting: "defense")
    guard let chosen = defenses.first(where: { $0.facts.name == name }) else {
      preconditionFailure("\(name) is among the names")
    }
    return chosen
  }
}

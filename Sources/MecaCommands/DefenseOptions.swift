import ArgumentParser
import MecaCore
import MecaDefenses

/// Which defence a run applies, and its settings.
///
/// The parser knows no setting of any defence: whatever it does not recognise comes here and is read
/// against the chosen defence's own table (`DefenseArguments`).
struct DefenseOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      Defence: \(Defenses.names.joined(separator: ", ")). What they are: meca-dist defenses; the \
      settings of one: meca-dist defenses NAME.
      """))
  var defense: String = "meca"

  @Option(help: "Named settings of the defence to start from; meca-dist defenses NAME lists them.")
  var variant: String?

  @Option(
    help: """
      Share of each class that is known to be clean, kept for a defence that needs such samples \
      (default: 0.05).
      """)
  var cleanReserve: Double?

  @Argument(
    parsing: .allUnrecognized,
    help: ArgumentHelp(
      "Settings of the defence: --NAME VALUE, --NAME=VALUE or --set NAME=VALUE.",
      valueName: "--setting"))
  var words: [String] = []

  /// The chosen defence with its settings.
  ///
  /// - Throws: `SettingProblem` for names that nobody has and values that cannot be.
  func resolved() throws -> ResolvedDefense {
    try DefenseArguments(words).resolved(defense: defense, variant: variant)
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

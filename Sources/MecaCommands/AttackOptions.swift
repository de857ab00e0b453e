import ArgumentParser
import MecaAttacks
import MecaCore
import MecaFormats

/// The attack that this program itself puts into the data, for experiments.
struct AttackOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      """
      Attack put in: \(Attacks.names.joined(separator: ", ")) (default: badnets for shapes, else \
      none). What they are: meca-dist attacks; the settings of one: meca-dist attacks NAME.
      """))
  var attack: String?

  @Option(help: "Poisoned fraction of the training set, 0 to 1 (default: 0.05).")
  var poisonRate: Double?

  @Option(help: "Class that the trigger leads to, by name or number (default: 1).")
  var target: String?

  @Option(help: "Seed of the poisoned samples' choice and of drawn triggers (default: --seed).")
  var attackSeed: UInt64?

  /// Whose settings they are: of the attack that was asked for, the stored one, or the one that is
  /// usual for the data.
  ///
  /// - Throws: `SettingError` for a name that nobody has.
  func owner(dataset: FormatFacts, like stored: AttackConfiguration? = nil) throws -> SettingOwner {
    .attack(try chosen(dataset: dataset, like: stored).facts.name)
  }

  private func chosen(
    dataset: FormatFacts, like stored: AttackConfiguration?
  ) throws -> any Attack.Type {
    let usual = dataset.isDemonstration ? BadNets.facts.name : NoAttack.facts.name
    let name = try chosenName(
      attack ?? stored?.name ?? usual, among: Attacks.names, setting: "attack")
    guard let chosen = Attacks.named(name) else {
      preconditionFailure("\(name) is among the names")
    }
    return chosen
  }

  /// The attack, checked as far as it can be without the data.
  ///
  /// - Ranks: local; reads the trigger's file.
  /// - Parameters:
  ///   - values: the attack's own settings that were given.
  ///   - seed: the run's, which the attack takes where nothing else is said.
  ///   - stored: the attack of a stored model's run, whose settings count where no option differs.
  /// - Throws: `SettingProblem`, `UsageError` that names the option, `FileError` for a file.
  func resolved(
    _ values: [String: String], dataset: FormatFacts, seed: UInt64,
    like stored: AttackConfiguration? = nil
  ) throws -> AttackConfiguration {
    let chosen = try chosen(dataset: dataset, like: stored)
    if attack == nil, chosen == NoAttack.self, let option = generalOptions.first {
      throw UsageError.conflict("\(option): no attack is put in that it could be for; add --attack")
    }
    var configuration = AttackConfiguration(chosen, seed: seed)
    if let stored, stored.name == chosen.facts.name { configuration = stored }
    if let poisonRate { configuration.poisonRate = poisonRate }
    // Written, so that the resolved configuration means the same when it is read again.
    if let target = target ?? (stored == nil ? "1" : nil) {
      configuration.targetClass = .written(target)
    }
    if let attackSeed { configuration.seed = attackSeed }
    try configuration.set(values)
    try configuration.validateAlone()
    return configuration
  }

  /// Target and seed for every attack at once; all else is each attack's default.
  ///
  /// - Throws: `UsageError.conflict` for options that would be ignored.
  func resolvedForAll(seed: UInt64) throws -> AttackConfiguration {
    if let poisonRate {
      let option = "--poison-rate \(poisonRate)"
      throw UsageError.conflict(
        "\(option): a picture of all attacks shows their defaults; name one with --attack")
    }
    var configuration = AttackConfiguration(NoAttack.self, seed: attackSeed ?? seed)
    if let target { configuration.targetClass = .written(target) }
    return configuration
  }

  /// The options of every attack that were given, as they are written.
  private var generalOptions: [String] {
    [
      poisonRate.map { "--poison-rate \($0)" }, target.map { "--target \($0)" },
      attackSeed.map { "--attack-seed \($0)" },
    ].compactMap { $0 }
  }
}

extension AttackConfiguration {
  /// The lines of a YAML file that give the same again.
  var yamlLines: [(String, String?)] {
    [
      ("attack", name), ("poison-rate", "\(poisonRate)"), ("target", targetClass.text),
      ("attack-seed", "\(seed)"),
    ] + values.map { ($0.name, $0.value.text) }
  }
}

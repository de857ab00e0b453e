import ArgumentParser
import MecaAttacks
import MecaCore
import MecaTraining

extension AttackKind: ExpressibleByArgument {}
extension PoisonPool: ExpressibleByArgument {}

/// The attack that this program itself puts into the data, for experiments.
struct AttackOptions: ParsableArguments {
  @Option(
    help: "Attack put in: none, badnets, blend, sig (default: badnets for shapes, else none).")
  var attack: AttackKind?

  @Option(help: "Poisoned fraction of the training set, 0 to 1 (default: 0.05).")
  var poisonRate: Double?

  @Option(help: "Class that the trigger leads to (default: 1).")
  var target: Int?

  @Option(help: "Seed of the poisoned samples' choice and of drawn triggers (default: --seed).")
  var attackSeed: UInt64?

  @Option(
    help: """
      Where poisons are drawn from: all samples, or those of other classes (nonTarget) (default: \
      all).
      """)
  var poisonPool: PoisonPool?

  @Option(help: "Side of the BadNets square, pixels (default: 3 at 32 pixels, in proportion).")
  var triggerSize: Int?

  @Option(help: "Blend: share of the pattern (default: 0.2).")
  var blendAlpha: Double?

  @Option(help: "SIG: amplitude, of 255 (default: 40).")
  var sigAmplitude: Double?

  @Option(help: "SIG: periods across the image (default: 6).")
  var sigFrequency: Int?

  /// The attack, checked as far as it can be without the data.
  ///
  /// - Parameters:
  ///   - seed: the run's, which the attack takes where nothing else is said.
  ///   - stored: the attack of a stored model's run, whose settings count where no option differs.
  /// - Throws: `UsageError` that names the option.
  func resolved(
    dataset: DatasetKind, seed: UInt64, like stored: AttackConfiguration? = nil
  ) throws -> AttackConfiguration {
    let kind = attack ?? stored?.kind ?? (dataset == .shapes ? .badnets : .none)
    var attack = AttackConfiguration(kind: kind, seed: seed)
    if let stored, stored.kind == kind { attack = stored }
    func take<Value>(_ value: Value?, _ setting: WritableKeyPath<AttackConfiguration, Value>) {
      if let value { attack[keyPath: setting] = value }
    }
    take(poisonRate, \.poisonRate)
    take(target, \.target)
    take(attackSeed, \.seed)
    take(poisonPool, \.poisonPool)
    take(blendAlpha, \.blendAlpha)
    take(sigAmplitude, \.sigAmplitude)
    take(sigFrequency, \.sigFrequency)
    attack.triggerSize = triggerSize ?? attack.triggerSize
    if let classCount = dataset.classCount { try attack.validate(classCount: classCount) }
    return attack
  }
}

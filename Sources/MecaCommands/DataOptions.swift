import ArgumentParser
import MecaAttacks
import MecaCore
import MecaTraining

extension DatasetKind: ExpressibleByArgument {}
extension AttackKind: ExpressibleByArgument {}
extension PoisonPool: ExpressibleByArgument {}
extension ResumePolicy: ExpressibleByArgument {}
extension TrainingRecipe.ScheduleKind: ExpressibleByArgument {}

/// Which images, from where, how many.
struct DataOptions: ParsableArguments {
  @Option(
    help: """
      Image set: shapes (built in), cifar10, cifar100 (default: shapes; score and evaluate: the \
      model's).
      """)
  var dataset: DatasetKind?

  @Option(help: "Folder with the set's files (not for shapes).")
  var data: String?

  @Option(help: "Training samples at most (default: all; shapes: 6000).")
  var trainLimit: Int?

  @Option(help: "Test samples at most (default: all; shapes: 2000).")
  var testLimit: Int?

  @Option(help: "Seed of the built-in set's images (default: --seed).")
  var dataSeed: UInt64?

  func validate() throws {
    for (option, value) in [("--train-limit", trainLimit), ("--test-limit", testLimit)] {
      try requireAtLeast(1, value ?? 1, option)
    }
  }

  /// Samples of the built-in set at most; 3 GiB of pixels.
  static let mostShapes = 1_000_000

  /// The data of a run.
  ///
  /// - Parameters:
  ///   - seed: the run's, which the built-in set's images take where nothing else is said.
  ///   - dataset: what to take without `--dataset`.
  ///   - dataSeed: what to take without `--data-seed`.
  /// - Throws: `UsageError` that names the option.
  func resolved(
    seed: UInt64, dataset ownDataset: DatasetKind? = nil, dataSeed ownSeed: UInt64? = nil
  ) throws -> DataConfiguration {
    let dataset = dataset ?? ownDataset ?? .shapes
    if dataset == .shapes {
      for (option, value) in [("--train-limit", trainLimit), ("--test-limit", testLimit)] {
        guard let value, value > Self.mostShapes else { continue }
        throw UsageError.invalidValue(
          option: option, value: "\(value)",
          allowed: "\(Self.mostShapes) at most for shapes, which is made in memory")
      }
      if let data {
        throw UsageError.conflict(
          "--data \(data): shapes is built in and reads no files; say which set this folder holds, "
            + "for example --dataset cifar10")
      }
    }
    return DataConfiguration(
      dataset: dataset, path: data, seed: dataSeed ?? ownSeed ?? seed, trainLimit: trainLimit,
      testLimit: testLimit)
  }
}

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
    try attack.validate(classCount: dataset.classCount)
    return attack
  }
}

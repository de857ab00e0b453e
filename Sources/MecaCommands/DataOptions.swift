import ArgumentParser
import MecaAttacks
import MecaTraining

extension DatasetKind: ExpressibleByArgument {}
extension AttackKind: ExpressibleByArgument {}
extension PoisonPool: ExpressibleByArgument {}
extension ResumePolicy: ExpressibleByArgument {}
extension TrainingRecipe.ScheduleKind: ExpressibleByArgument {}

/// Which images, from where, how many.
struct DataOptions: ParsableArguments {
  @Option(help: "Image set: shapes (built in), cifar10, cifar100.")
  var dataset: DatasetKind = .shapes

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
      guard let value else { continue }
      if value < 1 { throw ValidationError("\(option) \(value): must be 1 or more") }
      if dataset == .shapes, value > Self.mostShapes {
        throw ValidationError(
          "\(option) \(value): must be \(Self.mostShapes) at most for shapes, which is made in memory"
        )
      }
    }
    if let data, dataset == .shapes {
      throw ValidationError(
        "--data \(data): shapes is built in and reads no files; say which set this folder holds, "
          + "for example --dataset cifar10")
    }
  }

  /// Samples of the built-in set at most; 3 GiB of pixels.
  private static let mostShapes = 1_000_000

  func resolved(seed: UInt64) -> DataConfiguration {
    DataConfiguration(
      dataset: dataset, path: data, seed: dataSeed ?? seed, trainLimit: trainLimit,
      testLimit: testLimit)
  }
}

/// The attack that this program itself puts into the data, for experiments.
struct AttackOptions: ParsableArguments {
  @Option(
    help: "Attack put in: none, badnets, blend, sig (default: badnets for shapes, else none).")
  var attack: AttackKind?

  @Option(help: "Poisoned fraction of the training set, 0 to 1.")
  var poisonRate: Double = 0.05

  @Option(help: "Class that the trigger leads to.")
  var target: Int = 1

  @Option(help: "Seed of the poisoned samples' choice and of drawn triggers (default: --seed).")
  var attackSeed: UInt64?

  @Option(help: "Where poisons are drawn from: all samples, or those of other classes (nonTarget).")
  var poisonPool: PoisonPool = .all

  @Option(help: "Side of the BadNets square, pixels (default: 3 at 32 pixels, in proportion).")
  var triggerSize: Int?

  @Option(help: "Blend: share of the pattern.")
  var blendAlpha: Double = 0.2

  @Option(help: "SIG: amplitude, of 255.")
  var sigAmplitude: Double = 40

  @Option(help: "SIG: periods across the image.")
  var sigFrequency: Int = 6

  /// The attack, checked as far as it can be without the data.
  ///
  /// - Throws: `UsageError` that names the option.
  func resolved(dataset: DatasetKind, seed: UInt64) throws -> AttackConfiguration {
    let attack = AttackConfiguration(
      kind: attack ?? (dataset == .shapes ? .badnets : .none), poisonRate: poisonRate,
      target: target, seed: attackSeed ?? seed, poisonPool: poisonPool, triggerSize: triggerSize,
      blendAlpha: blendAlpha, sigAmplitude: sigAmplitude, sigFrequency: sigFrequency)
    try attack.validate(classCount: dataset.classCount)
    return attack
  }
}

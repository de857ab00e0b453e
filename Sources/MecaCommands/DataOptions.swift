import ArgumentParser
import MecaCore
import MecaTraining

extension DatasetKind: ExpressibleByArgument {}
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

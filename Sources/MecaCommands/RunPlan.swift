import ArgumentParser
import Foundation
import MecaAttacks
import MecaCore
import MecaDatasets
import MecaDefenses
import MecaImages
import MecaNN
import MecaReport
import MecaTraining

/// Everything that decides a run's result and its records, resolved: no default is left open.
struct RunPlan: Encodable {
  var data: DataConfiguration
  var attack: AttackConfiguration
  var model: Architecture
  var width: Int
  /// `auto` is resolved by the images' size, which the data alone knows.
  var stem: StemChoice
  var tensorNames: TensorNames
  var compute: ComputeConfiguration
  var defense: ResolvedDefense
  /// Share of each class that is known to be clean; 0 where the defence needs none.
  var cleanReserve: Double
  var recipe: TrainingRecipe
  var undefended: Bool
  var oracle: Bool
  /// Test images that models are asked about after each epoch; decides nothing but what is recorded.
  var epochTest: Int

  /// What models start from; nil for drawn weights.
  var initial: InitialModel.Record?

  /// What every stage of the run depends on.
  struct Basis: Codable {
    var dataset: String
    var dataDigest: String
    var attack: AttackConfiguration
    var model: Architecture
    var width: Int
    var stem: StemChoice
    var compute: ComputeConfiguration
    var engineFingerprint: String
    var programDigest: String
    /// SHA-256 of the file that models start from; nil, and not there, for drawn weights.
    var initialWeights: String?
  }

  /// The settings that every stage depends on; number of threads, overlap and place of the files
  /// change no result.
  ///
  /// - Parameters:
  ///   - dataDigest: the images and labels that were found.
  ///   - attack: the one that was put in, or that the set was stored with.
  ///   - engineFingerprint: library and processor class, which decide the bits.
  func basis(
    dataDigest: String, attack: AttackConfiguration, engineFingerprint: String
  ) -> Basis {
    var compute = compute
    compute.threads = 1
    compute.overlap = .auto
    return Basis(
      dataset: data.name, dataDigest: dataDigest, attack: attack.withoutPlaces, model: model,
      width: width,
      stem: stem, compute: compute, engineFingerprint: engineFingerprint,
      programDigest: programDigest(), initialWeights: initial?.sha256)
  }

  /// What tells the results of this run from those of others.
  ///
  /// - Throws: an error of the encoder, which these values do not give.
  func identity(_ basis: Basis) throws -> String {
    struct Whole: Encodable {
      var basis: Basis
      var defense: ResolvedDefense
      var cleanReserve: Double
      var recipe: TrainingRecipe
      var undefended: Bool
      var oracle: Bool
      var tensorNames: TensorNames
    }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys]
    var digest = SHA256Digest()
    digest.update(
      [UInt8](
        try encoder.encode(
          Whole(
            basis: basis, defense: defense, cleanReserve: cleanReserve, recipe: recipe,
            undefended: undefended, oracle: oracle, tensorNames: tensorNames))))
    return digest.hexadecimal()
  }

  /// What models are asked about after each epoch.
  func test(of data: TrainingData) -> EpochTest? {
    EpochTest(data, count: epochTest, seed: compute.seed)
  }

  /// The network for images of the given set.
  func network(for data: TrainingData) -> NetworkConfiguration {
    let shape = data.training.imageShape
    let (mean, deviation) = data.training.meanAndDeviation
    return NetworkConfiguration(
      architecture: model, width: width,
      stem: stem.resolved(height: shape.height, width: shape.width), classCount: data.classCount,
      imageHeight: shape.height, imageWidth: shape.width, mean: mean,
      standardDeviation: deviation)
  }
}

/// The options that `train` shares with nobody else, and what they resolve to.
struct TrainOptions: ParsableArguments {
  @OptionGroup(title: "Data") var data: DataOptions
  @OptionGroup(title: "Attack put in, for experiments") var attack: AttackOptions
  @OptionGroup(title: "Model") var model: ModelOptions
  @OptionGroup(title: "Model") var initial: InitialModelOptions
  @OptionGroup(title: "Model") var modelFile: ModelFileOptions
  @OptionGroup(title: "Defence") var defense: DefenseOptions
  @OptionGroup(title: "Training") var recipe: RecipeOptions
  @OptionGroup(title: "Augmentation in training the models that are kept")
  var augmentation: AugmentationOptions
  @OptionGroup(title: "Compute") var compute: ComputeOptions
  @OptionGroup(title: "Run") var run: RunOptions
  @OptionGroup var settings: UnknownWords

  /// The plan of the run.
  ///
  /// - Parameter stored: kind of the attack that the opened set was stored with, whose
  ///   transformations are then usual.
  /// - Throws: `SettingProblem`, `UsageError` for values and combinations that make no sense.
  func resolved(stored: AttackFacts? = nil) throws -> RunPlan {
    try run.check()
    let dataset = try data.chosen().facts
    let given = try SettingWords(settings.words, of: Train.self).values(of: [
      try data.owner(), try attack.owner(dataset: dataset), try defense.owner(with: settings.words),
    ])
    let data = try data.resolved(given["dataset"] ?? [:], seed: compute.seed)
    let attack = try attack.resolved(given["attack"] ?? [:], dataset: dataset, seed: compute.seed)
    let defense = try defense.resolved(given["defense"] ?? [:], with: settings.words)
    if defense.type == Undefended.self && !run.undefended {
      throw UsageError.conflict(
        "--defense none trains the undefended model and --no-undefended leaves it out: there is "
          + "nothing to do")
    }
    let width = try model.resolvedWidth(dataset: dataset)
    let layout = compute.resolved()
    let augmentation = try augmentation.resolved(
      dataset: dataset, attack: stored ?? attack.facts)
    return RunPlan(
      data: data, attack: attack, model: model.model, width: width, stem: model.stem,
      tensorNames: try modelFile.resolved(for: model.model), compute: layout,
      defense: defense, cleanReserve: try self.defense.reserve(for: defense),
      recipe: try recipe.resolved(augmentation, batch: layout.batch), undefended: run.undefended,
      oracle: run.oracle ?? (dataset.isDemonstration && !attack.isNone),
      epochTest: run.epochTest)
  }

  /// The resolved configuration as a YAML file that `--config` takes.
  func yaml(of plan: RunPlan) -> String {
    var lines = plan.data.yamlLines + plan.attack.yamlLines
    lines += [
      ("model", plan.model.rawValue), ("width", "\(plan.width)"), ("stem", plan.stem.rawValue),
      ("init", initial.file), ("tensor-names", plan.tensorNames.rawValue),
    ]
    lines += plan.defense.yamlLines
    lines += [
      ("clean-reserve", plan.cleanReserve > 0 ? "\(plan.cleanReserve)" : nil),
      ("epochs", "\(plan.recipe.epochs)"), ("learning-rate", "\(plan.recipe.learningRate)"),
      ("schedule", plan.recipe.schedule.rawValue), ("momentum", "\(plan.recipe.momentum)"),
      ("weight-decay", "\(plan.recipe.weightDecay)"),
    ]
    lines += augmentation.yamlLines(
      of: plan.recipe.augmentation, dataset: plan.data.facts, attack: plan.attack.facts)
    lines += [
      ("batch", "\(plan.compute.batch)"), ("shards", "\(plan.compute.shards)"),
      ("threads", "\(plan.compute.threads)"), ("engine", plan.compute.engine.rawValue),
      ("precision", plan.compute.precision.rawValue),
      ("overlap", plan.compute.overlap.rawValue), ("seed", "\(plan.compute.seed)"),
      ("output", run.output), ("resume", run.resume.rawValue),
      ("checkpoint-every", "\(run.checkpointEvery)"), ("checkpoints", run.checkpoints),
      ("spare-output", run.spareOutput),
      ("deadline", run.deadline), ("deadline-margin", run.deadlineMargin.map { "\($0)" }),
      ("undefended", "\(plan.undefended)"), ("oracle", "\(plan.oracle)"),
      ("epoch-test", "\(plan.epochTest)"),
      ("self-test", "\(run.selfTest)"), ("probabilities", "\(run.probabilities)"),
      ("fail-on", run.failOn.rawValue),
      ("tensorboard", "\(run.tensorboard)"), ("trace", run.trace),
      ("quiet", "\(run.quiet)"), ("verbose", "\(run.verbose)"),
    ]
    return lines.compactMap { key, value in value.map { "\(key): \(yamlScalar($0))" } }
      .joined(separator: "\n")
  }
}

extension MecaDist {
  /// What `train --dry-run` prints, without a job; for tests.
  ///
  /// - Parameters:
  ///   - yaml: content of the file that `--config` would name.
  ///   - path: its name in messages.
  /// - Throws: `UsageError` with the line that the program would end with.
  package static func dryRun(
    _ arguments: [String], yaml: String? = nil, path: String = "own.yaml"
  ) throws -> String {
    var expanded = ExpandedArguments(arguments)
    if let yaml {
      expanded = try ConfigurationFile.expanded(arguments, yaml: yaml, path: path)
    }
    let command: any RankedCommand
    do {
      command = try parsed(expanded.arguments)
    } catch {
      throw UsageError.conflict(parsingMessage(for: error, of: expanded))
    }
    guard let train = command as? Train else { throw UsageError.conflict("not train") }
    do {
      return train.options.yaml(of: try train.options.resolved())
    } catch {
      throw UsageError.conflict(expanded.description(of: error))
    }
  }
}

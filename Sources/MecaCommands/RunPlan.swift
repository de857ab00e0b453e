import ArgumentParser
import Foundation
import MecaAttacks
import MecaCore
import MecaDefenses
import MecaNN
import MecaReport
import MecaTraining

/// Everything that decides a run's result, resolved: no default is left open.
struct RunPlan: Codable {
  var data: DataConfiguration
  var attack: AttackConfiguration
  var model: Architecture
  var width: Int
  /// `auto` is resolved by the images' size, which the data alone knows.
  var stem: StemChoice
  var tensorNames: TensorNames
  var compute: ComputeConfiguration
  var defense: DefenseKind
  var recipe: TrainingRecipe
  var meca: MecaConfiguration
  var undefended: Bool
  var oracle: Bool

  /// What every phase of the run depends on.
  struct Basis: Codable {
    var data: DataConfiguration
    var dataDigest: String
    var attack: AttackConfiguration
    var model: Architecture
    var width: Int
    var stem: StemChoice
    var compute: ComputeConfiguration
    var engineFingerprint: String
    var programDigest: String
  }

  /// The settings that every phase depends on; number of threads, overlap and place of the files
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
    var data = data
    (data.path, data.testPath, data.basePath) = (nil, nil, nil)
    var attack = attack
    attack.trigger?.path = ""
    // What was left out shows in the digest.
    data.onBadImage = nil
    return Basis(
      data: data, dataDigest: dataDigest, attack: attack, model: model, width: width,
      stem: stem, compute: compute, engineFingerprint: engineFingerprint,
      programDigest: programDigest())
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
  @OptionGroup(title: "Model") var modelFile: ModelFileOptions
  @OptionGroup(title: "Defence (MeCa)") var meca: MecaOptions
  @OptionGroup(title: "Training") var recipe: RecipeOptions
  @OptionGroup(title: "Augmentation in training the models that are kept")
  var augmentation: AugmentationOptions
  @OptionGroup(title: "Compute") var compute: ComputeOptions
  @OptionGroup(title: "Run") var run: RunOptions

  /// The plan of the run.
  ///
  /// - Parameter stored: kind of the attack that the opened set was stored with, whose
  ///   transformations are then usual.
  /// - Throws: `UsageError` for values and combinations that make no sense.
  func resolved(stored: AttackKind? = nil) throws -> RunPlan {
    let data = try data.resolved(seed: compute.seed)
    let attack = try attack.resolved(dataset: data.dataset, seed: compute.seed)
    if meca.defense == .none && !run.undefended {
      throw UsageError.conflict(
        "--defense none trains the undefended model and --no-undefended leaves it out: there is "
          + "nothing to do")
    }
    let width = model.resolvedWidth(dataset: data.dataset)
    let augmentation = try augmentation.resolved(
      dataset: data.dataset, attack: stored ?? attack.kind)
    return RunPlan(
      data: data, attack: attack, model: model.model, width: width, stem: model.stem,
      tensorNames: try modelFile.resolved(for: model.model), compute: compute.resolved(),
      defense: meca.defense, recipe: recipe.resolved(augmentation),
      meca: meca.resolved(recipe: recipe, augmentation: augmentation, width: width),
      undefended: run.undefended,
      oracle: run.oracle ?? (data.dataset == .shapes && attack.kind != .none))
  }

  /// The resolved configuration as a YAML file that `--config` takes.
  func yaml(of plan: RunPlan) -> String {
    var lines: [(String, String?)] = [
      ("dataset", plan.data.dataset.rawValue), ("data", plan.data.path),
      ("train-limit", plan.data.trainLimit.map(String.init)),
      ("test-limit", plan.data.testLimit.map(String.init)),
      ("data-seed", plan.data.usesSeed ? "\(plan.data.seed)" : nil),
      ("image-size", plan.data.imageSize.map(String.init)),
      ("image-fit", plan.data.imageFit?.rawValue),
      ("on-bad-image", plan.data.onBadImage?.rawValue),
      ("test-share", plan.data.testShare.map { "\($0)" }),
      ("test-data", plan.data.testPath), ("base-data", plan.data.basePath),
      ("base-dataset", plan.data.baseDataset?.rawValue),
      ("record-target", plan.data.recordTarget.map(String.init)),
    ]
    lines += attackLines(plan.attack)
    lines += [
      ("model", plan.model.rawValue), ("width", "\(plan.width)"), ("stem", plan.stem.rawValue),
      ("tensor-names", plan.tensorNames.rawValue), ("defense", plan.defense.rawValue),
    ]
    lines += mecaLines(plan.meca)
    lines += [
      ("epochs", "\(plan.recipe.epochs)"), ("learning-rate", "\(plan.recipe.learningRate)"),
      ("schedule", plan.recipe.schedule.rawValue), ("momentum", "\(plan.recipe.momentum)"),
      ("weight-decay", "\(plan.recipe.weightDecay)"),
      ("relearn-epochs", "\(plan.meca.relearn.epochs)"),
      ("relearn-rate", "\(plan.meca.relearn.learningRate)"),
    ]
    lines += augmentation.yamlLines(
      of: plan.recipe.augmentation, dataset: plan.data.dataset, attack: plan.attack.kind)
    lines += [
      ("batch", "\(plan.compute.batch)"), ("shards", "\(plan.compute.shards)"),
      ("threads", "\(plan.compute.threads)"), ("engine", plan.compute.engine.rawValue),
      ("precision", plan.compute.precision.rawValue),
      ("overlap", plan.compute.overlap.rawValue), ("seed", "\(plan.compute.seed)"),
      ("output", run.output), ("resume", run.resume.rawValue),
      ("undefended", "\(plan.undefended)"), ("oracle", "\(plan.oracle)"),
      ("quiet", "\(run.quiet)"),
    ]
    return lines.compactMap { key, value in value.map { "\(key): \(yamlScalar($0))" } }
      .joined(separator: "\n")
  }

  private func mecaLines(_ meca: MecaConfiguration) -> [(String, String?)] {
    [
      ("folds", "\(meca.warmUp.folds)"),
      ("detector-width", "\(meca.warmUp.detectorWidth)"),
      ("warmup-epochs", "\(meca.warmUp.recipe.epochs)"),
      ("second-warmup-epochs", "\(meca.warmUp.secondEpochs)"),
      ("warmup-rate", "\(meca.warmUp.recipe.learningRate)"),
      ("warmup-schedule", meca.warmUp.recipe.schedule.rawValue),
      ("patch-size", "\(meca.enhance.perturbation.patchSize)"),
      ("epsilon", "\(meca.enhance.perturbation.epsilon)"),
      ("masks", "\(meca.enhance.perturbation.masks)"),
      ("partition-rates", "\(FractionList(meca.enhance.partitionRates))"),
      ("enhance-epochs", "\(meca.enhance.recipe.epochs)"),
      ("enhance-rate", "\(meca.enhance.recipe.learningRate)"),
      ("unlearn-coefficient", "\(meca.enhance.unlearnCoefficient)"),
      ("loss-cap", "\(meca.enhance.lossCap)"),
      ("gradient-clip", meca.enhance.recipe.gradientClip.map { "\($0)" }),
      ("detector-weight-decay", "\(meca.enhance.recipe.weightDecay)"),
      ("separation-threshold", "\(meca.decision.separationThreshold)"),
      ("separation-ratio", "\(meca.decision.separationRatio)"),
      ("carry-over", "\(meca.decision.carryOver)"),
      ("flag-share", "\(meca.decision.flagShare)"),
      ("confirm-epochs", "\(meca.confirm.epochs)"),
      ("confirm-rate", "\(meca.confirm.learningRate)"),
    ]
  }
}

import ArgumentParser
import MecaData
import MecaDefenses
import MecaTraining

/// Which defence a run applies.
enum DefenseKind: String, ExpressibleByArgument, CaseIterable, Codable {
  /// MeCa.
  case meca
  /// None: train on everything.
  case none
}

/// How the models that a user keeps are trained.
struct RecipeOptions: ParsableArguments {
  @Option(help: "Epochs of the clean, the undefended and the oracle model.")
  var epochs: Int = 16

  @Option(help: "Largest learning rate.")
  var learningRate: Float = 0.07

  @Option(help: "Course of the learning rate: cosine, constant, step.")
  var schedule: TrainingRecipe.ScheduleKind = .cosine

  @Option(help: "Momentum (Nesterov).")
  var momentum: Float = 0.9

  @Option(help: "Weight decay of the models that are kept and compared.")
  var weightDecay: Float = 0.004

  @Option(help: "Epochs of fine-tuning after relabelling.")
  var relearnEpochs: Int = 3

  @Option(help: "Learning rate of the fine-tuning.")
  var relearnRate: Float = 0.03

  func validate() throws {
    try requireAtLeast(1, epochs, "--epochs")
    try requireAtLeast(0, relearnEpochs, "--relearn-epochs")
    try requireAtMost(TrainingPhase.mostEpochs, epochs, "--epochs")
    try requireAtMost(TrainingPhase.mostEpochs, relearnEpochs, "--relearn-epochs")
    try requirePositive(learningRate, "--learning-rate")
    try requirePositive(relearnRate, "--relearn-rate")
    try requireFraction(momentum, "--momentum")
    try requireFraction(weightDecay, "--weight-decay")
  }

  func resolved(_ augmentation: Augmentation) -> TrainingRecipe {
    TrainingRecipe(
      epochs: epochs, learningRate: learningRate, schedule: schedule,
      rampEpochs: Float(epochs) / 4, momentum: momentum, weightDecay: weightDecay,
      augmentation: augmentation)
  }

  func resolvedRelearning(_ augmentation: Augmentation) -> TrainingRecipe {
    TrainingRecipe(
      epochs: relearnEpochs, learningRate: relearnRate, schedule: .cosine, momentum: momentum,
      weightDecay: weightDecay, augmentation: augmentation)
  }
}

/// Hyper-parameters of MeCa.
struct MecaOptions: ParsableArguments {
  @Option(help: "Defence: meca, none.")
  var defense: DefenseKind = .meca

  @Option(help: "Parts of the data for cross-fitted detectors.")
  var folds: Int = 2

  @Option(help: "Channels of the detectors' first stage (default: --width).")
  var detectorWidth: Int?

  @Option(help: "Epochs of the detectors' warm-up.")
  var warmupEpochs: Int = 16

  @Option(
    help: "Epochs of warm-up added for a second attempt if the first flags nobody; 0: no second.")
  var secondWarmupEpochs: Int = 8

  @Option(help: "Largest learning rate of the warm-up.")
  var warmupRate: Float = 0.05

  @Option(help: "Course of the warm-up's learning rate: cosine, constant, step.")
  var warmupSchedule: TrainingRecipe.ScheduleKind = .constant

  @OptionGroup var perturbation: PerturbationOptions

  @Option(help: "Fraction picked as surely clean in each iteration, comma separated.")
  var partitionRates: FractionList = FractionList([0.3, 0.3, 0.3, 0.3, 0.3])

  @Option(help: "Epochs over the learnt part in each iteration.")
  var enhanceEpochs: Int = 1

  @Option(help: "Learning rate of the iterations, falling within each by half a cosine.")
  var enhanceRate: Float = 0.01

  @Option(help: "Unlearning coefficient; a third of it in the first iteration, then two thirds.")
  var unlearnCoefficient: Float = 2

  @Option(help: "Cross entropy above which a sample is unlearnt enough, nats.")
  var lossCap: Float = 5

  @Option(help: "Largest gradient norm of the detectors.")
  var gradientClip: Float = 5

  @Option(help: "Weight decay of the detectors.")
  var detectorWeightDecay: Float = 0.004

  @Option(help: "Separation of a label's losses, in decades, above which it is suspicious.")
  var separationThreshold: Double = 1

  @Option(help: "Times the median label's separation that a suspicious label must show.")
  var separationRatio: Double = 1.25

  @Option(
    help: "Carry-over to held-out samples that a label must reach; two thirds in the first pass.")
  var carryOver: Double = 0.85

  @Option(help: "Share of the spare class, of it and the given label, above which to flag.")
  var flagShare: Double = 0.07

  @Option(help: "Epochs of learning the suspects as a class of their own.")
  var confirmEpochs: Int = 4

  @Option(help: "Learning rate of the confirmation.")
  var confirmRate: Float = 0.05

  func validate() throws {
    try requireAtLeast(1, confirmEpochs, "--confirm-epochs")
    try requirePositive(confirmRate, "--confirm-rate")
    try requireAtLeast(2, folds, "--folds")
    try requireAtMost(16, folds, "--folds")
    try requireAtLeast(1, detectorWidth ?? 1, "--detector-width")
    try requireAtMost(ModelOptions.mostChannels, detectorWidth ?? 1, "--detector-width")
    try requireAtMost(32, partitionRates.values.count, "number of --partition-rates")
    for (epochs, option) in [
      (warmupEpochs, "--warmup-epochs"), (secondWarmupEpochs, "--second-warmup-epochs"),
      (enhanceEpochs, "--enhance-epochs"),
      (confirmEpochs, "--confirm-epochs"),
    ] { try requireAtMost(TrainingPhase.mostEpochs, epochs, option) }
    try requireAtLeast(1, warmupEpochs, "--warmup-epochs")
    try requireAtLeast(0, secondWarmupEpochs, "--second-warmup-epochs")
    try requireAtLeast(1, enhanceEpochs, "--enhance-epochs")
    for (value, option) in [
      (warmupRate, "--warmup-rate"), (enhanceRate, "--enhance-rate"),
      (unlearnCoefficient, "--unlearn-coefficient"), (lossCap, "--loss-cap"),
      (gradientClip, "--gradient-clip"),
      (Float(separationThreshold), "--separation-threshold"),
      (Float(separationRatio), "--separation-ratio"), (Float(flagShare), "--flag-share"),
    ] { try requirePositive(value, option) }
    try requireFraction(Float(carryOver), "--carry-over")
    try requireFraction(Float(flagShare), "--flag-share")
    try requireFraction(detectorWeightDecay, "--detector-weight-decay")
  }

  /// The configuration; `augmentation` is for the models that are kept, detectors learn without.
  func resolved(
    recipe: RecipeOptions, augmentation: Augmentation, width: Int
  ) -> MecaConfiguration {
    MecaConfiguration(
      warmUp: WarmUpConfiguration(
        folds: folds, detectorWidth: detectorWidth ?? width,
        recipe: TrainingRecipe(
          epochs: warmupEpochs, learningRate: warmupRate, schedule: warmupSchedule,
          rampEpochs: 0.25, momentum: recipe.momentum, weightDecay: detectorWeightDecay,
          gradientClip: gradientClip), secondEpochs: secondWarmupEpochs),
      enhance: EnhanceConfiguration(
        perturbation: perturbation.resolved(),
        partitionRates: partitionRates.values,
        recipe: TrainingRecipe(
          epochs: enhanceEpochs, learningRate: enhanceRate, schedule: .cosine,
          momentum: recipe.momentum, weightDecay: detectorWeightDecay, gradientClip: gradientClip),
        unlearnCoefficient: unlearnCoefficient, lossCap: lossCap),
      decision: DecisionConfiguration(
        separationThreshold: separationThreshold, separationRatio: separationRatio,
        carryOver: carryOver, flagShare: flagShare),
      confirm: TrainingRecipe(
        epochs: confirmEpochs, learningRate: confirmRate, schedule: .cosine,
        momentum: recipe.momentum, weightDecay: detectorWeightDecay, gradientClip: gradientClip),
      clean: recipe.resolved(augmentation), relearn: recipe.resolvedRelearning(augmentation))
  }
}

/// The perturbation of the robustness score.
struct PerturbationOptions: ParsableArguments {
  @Option(help: "Side of the perturbed square, pixels.")
  var patchSize: Int = 2

  @Option(help: "Largest perturbation, of 255.")
  var epsilon: Float = 16

  @Option(help: "Squares drawn for each score.")
  var masks: Int = 1

  func validate() throws {
    try requireAtLeast(1, patchSize, "--patch-size")
    try requirePositive(epsilon, "--epsilon")
    try requireAtLeast(1, masks, "--masks")
    try requireAtMost(256, masks, "--masks")
  }

  func resolved() -> PerturbationConfiguration {
    PerturbationConfiguration(patchSize: patchSize, epsilon: epsilon, masks: masks)
  }
}

/// Fractions from 0 to 1, written with commas between them.
struct FractionList: ExpressibleByArgument {
  var values: [Float]

  init(_ values: [Float]) { self.values = values }

  init?(argument: String) {
    let parts = argument.split(separator: ",", omittingEmptySubsequences: false)
    let numbers = parts.map { Float(String($0).trimmingPrefix(while: { $0 == " " })) }
    guard numbers.allSatisfy({ $0 != nil && $0! >= 0 && $0! < 1 }) else { return nil }
    values = numbers.map { $0! }
  }

  var defaultValueDescription: String { description }
}

extension FractionList: CustomStringConvertible {
  var description: String { values.map { "\($0)" }.joined(separator: ",") }
}

func requireAtLeast(_ least: Int, _ value: Int, _ option: String) throws {
  if value < least { throw ValidationError("\(option) \(value): must be \(least) or more") }
}

func requireAtMost(_ most: Int, _ value: Int, _ option: String) throws {
  if value > most { throw ValidationError("\(option) \(value): must be \(most) at most") }
}

func requirePositive(_ value: Float, _ option: String) throws {
  if !(value > 0 && value.isFinite) {
    throw ValidationError("\(option) \(value): must be more than 0")
  }
}

func requireFraction(_ value: Float, _ option: String) throws {
  if !(value >= 0 && value < 1) {
    throw ValidationError("\(option) \(value): must be at least 0 and below 1")
  }
}

import MecaCore
import MecaNN
import MecaTraining

/// Settings of MeCa; `docs/method.md` says where each default comes from.
public struct MeCaSettings: SettingsTable {
  /// What the top fraction is taken of.
  public enum PartitionScope: String, Codable, Sendable, CaseIterable {
    /// The samples of each label.
    case label
    /// All samples.
    case all
  }

  /// Who is surely clean.
  public enum CleanOrder: String, Codable, Sendable, CaseIterable {
    /// Misclassified samples first, then those of large KL; from the second iteration on the loss
    /// counts as much.
    case misclassified
    /// Those of large KL.
    case divergence
  }

  /// How the verdict is reached.
  public enum VerdictRule: String, Codable, Sendable, CaseIterable {
    /// Suspects who are recognised by what the others of their label have in common.
    case carryOver = "carry-over"
    /// Whoever the enhanced detectors do not misclassify.
    case misclassified
  }

  /// Who proposes suspects.
  public enum Proposer: String, Codable, Sendable, CaseIterable {
    /// Pixels that recur at one place in one label; see `RecurringPatch`.
    case patch
    /// Pixels that recur at one place in all labels; see `RecurringPatch`.
    case stamp
    /// Patterns of colour; see `SharedTemplate`.
    case colour
    /// Patterns of sharpness; see `SharedTemplate`.
    case sharpness
    /// What detectors keep when they unlearn what is surely clean: MeCa's own.
    case unlearning
  }

  /// How much is done.
  public enum Effort: String, Codable, Sendable, CaseIterable {
    /// Pixels alone propose; nothing is trained for the detection where they say nothing.
    case quick
    /// Unlearning too, where pixels have found nothing.
    case normal
    /// And a second attempt with a longer warm-up where nobody is flagged.
    case thorough
  }

  /// How much is done.
  public var effort = Effort.normal
  /// Who proposes suspects, in this order; unlearning only where the others have found nothing.
  public var proposers = Proposer.allCases
  /// Parts of the data for cross-fitting; 1: one detector, asked about what it has learnt.
  public var folds = 2
  /// Channels of the detectors' first stage; nil: those of the network.
  public var detectorWidth: Int?
  /// Steps of the warm-up, for each detector.
  public var warmupSteps = 1000
  /// The same where pixels have named suspects clearly: they need not be found by unlearning.
  public var shortWarmupSteps = 600
  /// Epochs of the warm-up; nil: those that the steps make.
  public var warmupEpochs: Int?
  /// Epochs that a second attempt adds where the first flagged nobody; 0: no second attempt.
  public var secondWarmupEpochs = 0
  /// Largest learning rate of the warm-up.
  public var warmupRate: Float = 0.05
  /// Course of the warm-up's learning rate.
  public var warmupSchedule = TrainingRecipe.ScheduleKind.constant
  /// Side of the perturbed square, pixels.
  public var patchSize = 2
  /// Largest change of a pixel, of 255.
  public var epsilon: Float = 16
  /// Squares drawn a sample.
  public var masks = 1
  /// What the top fraction is taken of.
  public var partition = PartitionScope.label
  /// Who is surely clean.
  public var cleanOrder = CleanOrder.misclassified
  /// Fraction picked in each iteration.
  public var partitionRates: [Float] = [0.3, 0.3, 0.3, 0.3, 0.3]
  /// Whether a label in two modes gives more from the third iteration on.
  public var adaptRates = true
  /// Steps of each iteration, for each detector.
  public var enhanceSteps = 100
  /// Epochs over the learnt part in each iteration; nil: those that the steps make.
  public var enhanceEpochs: Int?
  /// Learning rate of the iterations.
  public var enhanceRate: Float = 0.01
  /// Unlearning coefficient.
  public var unlearnCoefficient: Float = 2
  /// Iterations until the coefficient is reached.
  public var unlearnRamp = 3
  /// Cross entropy above which a sample is unlearnt enough, nats.
  public var lossCap: Float = 5
  /// Largest gradient norm of the detectors.
  public var gradientClip: Float = 5
  /// Weight decay of the detectors.
  public var detectorWeightDecay: Float = 0.004
  /// How the verdict is reached.
  public var verdict = VerdictRule.carryOver
  /// Separation above which a label is suspicious, decades of the loss.
  public var separationThreshold: Float = 1
  /// Times the median label's separation that a suspicious label must show.
  public var separationRatio: Float = 1.25
  /// Carry-over that the verdict asks of a label.
  public var carryOver: Float = 0.85
  /// Chance below which suspects do not look like their label, see `Looks`; 1: it is not asked.
  public var contentChance: Float = 0.001
  /// Share of the spare class above which a sample is flagged.
  public var flagShare: Float = 0.07
  /// Steps of learning the suspects as classes of their own, for each detector.
  public var confirmSteps = 200
  /// Epochs of that; nil: those that the steps make.
  public var confirmEpochs: Int?
  /// Learning rate of the confirmation.
  public var confirmRate: Float = 0.05
  /// Epochs of fine-tuning after relabelling.
  public var relearnEpochs = 3
  /// Learning rate of the fine-tuning.
  public var relearnRate: Float = 0.03

  /// The defaults.
  public init() {}

  /// Every setting.
  public static var table: [Setting<MeCaSettings>] {
    [
      .choice(
        "effort", \.effort,
        "How much is done: quick (pixels alone propose suspects), normal, thorough (a second "
          + "attempt where nobody is flagged)."),
      .choices(
        "proposers", \.proposers,
        "Who proposes suspects: recurring patches, patterns of colour, patterns of sharpness, and, "
          + "where none of these has found any, unlearning."),
      .integer("folds", \.folds, 1...16, "Parts of the data for cross-fitted detectors; 1: one."),
      .integer(
        "detector-width", \.detectorWidth, 1...512, otherwise: "--width",
        "Channels of the detectors' first stage."),
      .integer(
        "warmup-steps", \.warmupSteps, 1...1_000_000,
        "Steps of each detector's warm-up; 6 to 64 epochs."),
      .integer(
        "short-warmup-steps", \.shortWarmupSteps, 1...1_000_000,
        "The same where pixels have named suspects clearly; 6 to 64 epochs."),
      .integer(
        "warmup-epochs", \.warmupEpochs, 1...4096, otherwise: "--warmup-steps",
        "Epochs of the detectors' warm-up."),
      .integer(
        "second-warmup-epochs", \.secondWarmupEpochs, 0...4096,
        "Epochs of warm-up added for a second attempt if the first flags nobody; 0: no second."),
      .number("warmup-rate", \.warmupRate, .positive, "Largest learning rate of the warm-up."),
      .choice("warmup-schedule", \.warmupSchedule, "Course of the warm-up's learning rate."),
      .integer(
        "patch-size", \.patchSize, 1...4096, symbol: "r", "Side of the perturbed square, pixels."),
      .number("epsilon", \.epsilon, .positive, symbol: "ε", "Largest perturbation, of 255."),
      .integer("masks", \.masks, 1...256, symbol: "m", "Squares drawn for each score."),
      .choice("partition", \.partition, "What the fraction picked as surely clean is taken of."),
      .choice(
        "clean-order", \.cleanOrder,
        "Who is surely clean: misclassified samples first, or by the divergence alone."),
      .numbers(
        "partition-rates", \.partitionRates, .fraction, count: 1...32, symbol: "p",
        "Fraction picked as surely clean in each iteration, comma separated."),
      .flag(
        "adapt-rates", \.adaptRates,
        "Whether a label in two modes gives three quarters of the upper one from the third "
          + "iteration on."),
      .integer(
        "enhance-steps", \.enhanceSteps, 1...1_000_000,
        "Steps of each iteration, for each detector; 1 to 8 epochs."),
      .integer(
        "enhance-epochs", \.enhanceEpochs, 1...4096, otherwise: "--enhance-steps",
        "Epochs over the learnt part in each iteration."),
      .number(
        "enhance-rate", \.enhanceRate, .positive,
        "Learning rate of the iterations, falling within each by half a cosine."),
      .number(
        "unlearn-coefficient", \.unlearnCoefficient, .positive, symbol: "λ",
        "Unlearning coefficient of the last iterations."),
      .integer(
        "unlearn-ramp", \.unlearnRamp, 1...32,
        "Iterations over which the unlearning coefficient grows to its value."),
      .number(
        "loss-cap", \.lossCap, .positive,
        "Cross entropy above which a sample is unlearnt enough, nats."),
      .number(
        "gradient-clip", \.gradientClip, .positive, "Largest gradient norm of the detectors."),
      .number(
        "detector-weight-decay", \.detectorWeightDecay, .fraction, "Weight decay of the detectors."),
      .choice(
        "verdict", \.verdict,
        "How the verdict is reached: suspects who carry over to held-out samples, or everybody "
          + "whom the enhanced detectors do not misclassify."),
      .number(
        "separation-threshold", \.separationThreshold, .positive,
        "Separation of a label's losses, in decades, above which it is suspicious."),
      .number(
        "separation-ratio", \.separationRatio, .positive,
        "Times the median label's separation that a suspicious label must show."),
      .number(
        "carry-over", \.carryOver, .fraction,
        "Carry-over to held-out samples that a label must reach; two thirds in the first pass."),
      .number(
        "content-chance", \.contentChance, .share,
        "Share of cases, at most, in which samples of the label would look so much like other labels, "
          + "below which suspects do not look like it; 1: looks do not matter."),
      .number(
        "flag-share", \.flagShare, .share,
        "Share of the spare class, of it and the given label, above which to flag."),
      .integer(
        "confirm-steps", \.confirmSteps, 1...1_000_000,
        "Steps of learning the suspects as a class of their own; 2 to 16 epochs."),
      .integer(
        "confirm-epochs", \.confirmEpochs, 1...4096, otherwise: "--confirm-steps",
        "Epochs of learning the suspects as a class of their own."),
      .number("confirm-rate", \.confirmRate, .positive, "Learning rate of the confirmation."),
      .integer(
        "relearn-epochs", \.relearnEpochs, 0...4096, "Epochs of fine-tuning after relabelling."),
      .number("relearn-rate", \.relearnRate, .positive, "Learning rate of the fine-tuning."),
    ]
  }

  /// The method as the paper has it.
  public static var variants: [SettingsVariant<MeCaSettings>] {
    var paper = MeCaSettings()
    paper.proposers = [.unlearning]
    paper.folds = 1
    paper.secondWarmupEpochs = 0
    paper.partition = .all
    paper.cleanOrder = .divergence
    paper.partitionRates = [0.1, 0.2, 0.3, 0.4, 0.5]
    paper.adaptRates = false
    paper.unlearnCoefficient = 0.05
    paper.unlearnRamp = 1
    paper.verdict = .misclassified
    return [
      SettingsVariant(
        name: "paper",
        sentence:
          "As arXiv:2405.12719 has it: one detector, the top fraction of all samples by KL, "
          + "λ = 0.05, and what is not misclassified in the end is poisoned.",
        settings: paper)
    ]
  }
}

extension MeCaSettings {
  /// The network of the detectors that defend `network`: a width of their own, and where the verdict
  /// asks for a confirmation a second class for every label.
  func detectorNetwork(_ network: NetworkConfiguration) -> NetworkConfiguration {
    var detector = network
    detector.width = detectorWidth ?? network.width
    if verdict == .carryOver { detector.classCount *= 2 }
    return detector
  }

  /// What the warm-up depends on.
  struct WarmUp: Encodable {
    var folds: Int
    var network: NetworkConfiguration
    var recipe: TrainingRecipe
  }

  /// What the enhancement depends on besides the warm-up.
  struct Enhance: Encodable {
    var perturbation: PerturbationConfiguration
    var partition: PartitionScope
    var cleanOrder: CleanOrder
    var partitionRates: [Float]
    var adaptRates: Bool
    var recipe: TrainingRecipe
    var unlearnCoefficient: Float
    var unlearnRamp: Int
    var lossCap: Float
    var verdict: VerdictRule
  }

  /// What the confirmation depends on besides the enhancement.
  struct Confirm: Encodable {
    var separationThreshold: Float
    var separationRatio: Float
    var carryOver: Float
    var contentChance: Float
    var flagShare: Float
    var recipe: TrainingRecipe
  }

  /// The perturbation of the robustness score.
  var perturbation: PerturbationConfiguration {
    PerturbationConfiguration(patchSize: patchSize, epsilon: epsilon, masks: masks)
  }

  /// The warm-up's training.
  func warmUpRecipe(epochs: Int, momentum: Float) -> TrainingRecipe {
    TrainingRecipe(
      epochs: epochs, learningRate: warmupRate, schedule: warmupSchedule, rampEpochs: 0.25,
      momentum: momentum, weightDecay: detectorWeightDecay, gradientClip: gradientClip)
  }

  /// Epochs that make so many steps, within bounds: steps are what learning takes, and a bound keeps
  /// small sets from being learnt by heart and large ones from being seen in part.
  ///
  /// Example: 1,250 steps of 64 over 5,000 samples are 16 epochs.
  package static func epochs(
    steps: Int, of batch: Int, over samples: Int, _ bounds: ClosedRange<Int>
  ) -> Int {
    let epochs = (steps * batch + samples - 1) / max(1, samples)
    return min(max(epochs, bounds.lowerBound), bounds.upperBound)
  }

  /// Epochs of the detectors' trainings.
  struct Lengths {
    var warmUp: Int
    /// Where pixels have named suspects clearly.
    var shortWarmUp: Int
    var enhancement: Int
    var confirmation: Int
  }

  /// How many epochs the steps make, where epochs are not set.
  ///
  /// - Parameters:
  ///   - samples: of the whole set.
  ///   - batch: samples of a step.
  func lengths(samples: Int, batch: Int) -> Lengths {
    let learnt = folds > 1 ? samples * (folds - 1) / folds : samples
    // Half of a step's shards are for what is learnt, of which there is 1 − p.
    let picked = partitionRates.reduce(0, +) / Float(partitionRates.count)
    let rest = Int(Float(learnt) * (1 - picked))
    func warmUp(_ steps: Int) -> Int {
      warmupEpochs ?? Self.epochs(steps: steps, of: batch, over: learnt, 6...64)
    }
    return Lengths(
      warmUp: warmUp(warmupSteps), shortWarmUp: warmUp(shortWarmupSteps),
      enhancement: enhanceEpochs
        ?? Self.epochs(steps: enhanceSteps, of: batch / 2, over: rest, 1...8),
      confirmation: confirmEpochs
        ?? Self.epochs(steps: confirmSteps, of: batch, over: learnt, 2...16))
  }

  /// The settings that the effort stands for.
  var withEffort: MeCaSettings {
    var settings = self
    switch effort {
    case .quick: settings.proposers.removeAll { $0 == .unlearning }
    case .normal: break
    case .thorough: settings.secondWarmupEpochs = max(8, secondWarmupEpochs)
    }
    return settings
  }

  /// Settings of the enhancement.
  func enhance(epochs: Int, momentum: Float) -> Enhance {
    Enhance(
      perturbation: perturbation, partition: partition, cleanOrder: cleanOrder,
      partitionRates: partitionRates, adaptRates: adaptRates,
      recipe: TrainingRecipe(
        epochs: epochs, learningRate: enhanceRate, schedule: .cosine,
        momentum: momentum,
        weightDecay: detectorWeightDecay, gradientClip: gradientClip),
      unlearnCoefficient: unlearnCoefficient, unlearnRamp: unlearnRamp, lossCap: lossCap,
      verdict: verdict)
  }

  /// Settings of the confirmation.
  func confirm(epochs: Int, momentum: Float) -> Confirm {
    Confirm(
      separationThreshold: separationThreshold, separationRatio: separationRatio,
      carryOver: carryOver, contentChance: contentChance, flagShare: flagShare,
      recipe: TrainingRecipe(
        epochs: epochs, learningRate: confirmRate, schedule: .cosine,
        momentum: momentum,
        weightDecay: detectorWeightDecay, gradientClip: gradientClip))
  }

  /// The fine-tuning after relabelling, otherwise as the clean model is trained.
  func relearnRecipe(_ clean: TrainingRecipe) -> TrainingRecipe {
    TrainingRecipe(
      epochs: relearnEpochs, learningRate: relearnRate, schedule: .cosine,
      momentum: clean.momentum, weightDecay: clean.weightDecay, augmentation: clean.augmentation)
  }

  /// The unlearning coefficient of an iteration, from 0: λ · min(1, (round + 1) / ramp).
  package func unlearnCoefficient(round: Int) -> Float {
    unlearnCoefficient * min(1, Float(round + 1) / Float(unlearnRamp))
  }

  /// The carry-over that a pass of the confirmation asks for: two thirds before the verdict.
  ///
  /// The first pass starts from suspects of whom some are wrong; those of the second are purer, and
  /// a trigger carries over better then.
  package func carryOver(isVerdict: Bool) -> Float { isVerdict ? carryOver : carryOver * 2 / 3 }
}

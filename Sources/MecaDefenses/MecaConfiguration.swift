import MecaNN
import MecaTraining

/// Settings of the detectors' warm-up.
public struct WarmUpConfiguration: Codable, Hashable, Sendable {
  /// Parts of the data set for cross-fitting.
  public var folds: Int
  /// Channels of the detectors' first stage.
  public var detectorWidth: Int
  /// Training before the first partition.
  public var recipe: TrainingRecipe
  /// Epochs that a second attempt adds where the first flagged nobody; 0: no second attempt.
  public var secondEpochs: Int

  /// All values.
  public init(folds: Int, detectorWidth: Int, recipe: TrainingRecipe, secondEpochs: Int) {
    self.folds = folds
    self.detectorWidth = detectorWidth
    self.recipe = recipe
    self.secondEpochs = secondEpochs
  }
}

/// Settings of Algorithm 2.
public struct EnhanceConfiguration: Codable, Hashable, Sendable {
  /// Perturbation of the robustness score ("r" and "ε").
  public var perturbation: PerturbationConfiguration
  /// Fraction picked as surely clean in each iteration ("p").
  public var partitionRates: [Float]
  /// Training of one iteration, its epochs counted over the part that is learnt.
  public var recipe: TrainingRecipe
  /// Unlearning coefficient ("λ") of the last iterations; see `unlearnCoefficient(round:)`.
  public var unlearnCoefficient: Float
  /// Cross entropy above which a sample is unlearnt enough, nats.
  public var lossCap: Float

  /// All values.
  public init(
    perturbation: PerturbationConfiguration, partitionRates: [Float], recipe: TrainingRecipe,
    unlearnCoefficient: Float, lossCap: Float
  ) {
    self.perturbation = perturbation
    self.partitionRates = partitionRates
    self.recipe = recipe
    self.unlearnCoefficient = unlearnCoefficient
    self.lossCap = lossCap
  }

  /// The unlearning coefficient of an iteration, from 0: λ · min(1, (round + 1) / 3).
  package func unlearnCoefficient(round: Int) -> Float {
    unlearnCoefficient * min(1, Float(round + 1) / 3)
  }
}

/// Settings of the verdict.
public struct DecisionConfiguration: Codable, Hashable, Sendable {
  /// Separation above which a label is suspicious, decades of the loss.
  public var separationThreshold: Double
  /// How many times the median label's separation a suspicious label must show.
  public var separationRatio: Double
  /// Carry-over to held-out samples below which the verdict drops a suspicious label, 0 to 1.
  public var carryOver: Double
  /// Share of the spare class, among spare class and given label, above which a sample is flagged.
  public var flagShare: Double

  /// All values.
  public init(
    separationThreshold: Double, separationRatio: Double, carryOver: Double, flagShare: Double
  ) {
    self.separationThreshold = separationThreshold
    self.separationRatio = separationRatio
    self.carryOver = carryOver
    self.flagShare = flagShare
  }

  /// The carry-over that a pass of the confirmation asks for: two thirds before the verdict.
  ///
  /// The first pass starts from suspects of whom some are wrong; those of the second are purer, and
  /// a trigger carries over better then.
  package func carryOver(isVerdict: Bool) -> Double { isVerdict ? carryOver : carryOver * 2 / 3 }
}

/// Hyper-parameters of MeCa; `docs/method.md` says where each default comes from.
public struct MecaConfiguration: Codable, Hashable, Sendable {
  /// Until the backdoor is learnt.
  public var warmUp: WarmUpConfiguration
  /// Until the backdoor alone is left.
  public var enhance: EnhanceConfiguration
  /// Who is suspected.
  public var decision: DecisionConfiguration
  /// Learning the suspects as a class of their own.
  public var confirm: TrainingRecipe
  /// Training of the clean model.
  public var clean: TrainingRecipe
  /// Fine-tuning on everything after relabelling.
  public var relearn: TrainingRecipe

  /// All values.
  public init(
    warmUp: WarmUpConfiguration, enhance: EnhanceConfiguration, decision: DecisionConfiguration,
    confirm: TrainingRecipe, clean: TrainingRecipe, relearn: TrainingRecipe
  ) {
    self.warmUp = warmUp
    self.enhance = enhance
    self.decision = decision
    self.confirm = confirm
    self.clean = clean
    self.relearn = relearn
  }

  /// The settings that an attempt's warm-up depends on: the first does not know of the second.
  func warmUpSettings(_ attempt: DetectionAttempt) -> WarmUpConfiguration {
    var settings = warmUp
    if attempt == .first { settings.secondEpochs = 0 }
    return settings
  }

  /// The first phase of the method and the settings that it depends on.
  public var firstPhase: (name: String, settings: WarmUpConfiguration) {
    (DetectionAttempt.first.phase(Meca.warmUpPhase), warmUpSettings(.first))
  }

  /// The network of the detectors that defend `network`: a second class for every label, kept for
  /// the confirmation, and a width of their own.
  public func detectorNetwork(_ network: NetworkConfiguration) -> NetworkConfiguration {
    var detector = network
    detector.width = warmUp.detectorWidth
    detector.classCount *= 2
    return detector
  }
}

import MecaTraining

/// Hyper-parameters of MeCa; `docs/method.md` says where each default comes from.
public struct MecaConfiguration: Codable, Hashable, Sendable {
  /// Parts of the data set for cross-fitting.
  public var folds: Int
  /// Training of the detectors before the first partition.
  public var warmup: TrainingRecipe
  /// Perturbation of the robustness score ("r" and "ε").
  public var perturbation: PerturbationConfiguration
  /// Fraction picked as surely clean in each iteration ("p").
  public var partitionRates: [Float]
  /// Training of one iteration, its epochs counted over the part that is learnt.
  public var enhance: TrainingRecipe
  /// Unlearning coefficient ("λ").
  public var unlearnCoefficient: Float
  /// Cross entropy above which a sample is unlearnt enough, nats.
  public var lossCap: Float
  /// Separation above which a label is suspicious, decades of the loss.
  public var separationThreshold: Double
  /// How many times the median label's separation a suspicious label must show.
  public var separationRatio: Double
  /// Training of the clean model.
  public var clean: TrainingRecipe
  /// Fine-tuning on everything after relabelling.
  public var relearn: TrainingRecipe

  /// All values.
  public init(
    folds: Int, warmup: TrainingRecipe, perturbation: PerturbationConfiguration,
    partitionRates: [Float], enhance: TrainingRecipe, unlearnCoefficient: Float, lossCap: Float,
    separationThreshold: Double, separationRatio: Double, clean: TrainingRecipe,
    relearn: TrainingRecipe
  ) {
    self.folds = folds
    self.warmup = warmup
    self.perturbation = perturbation
    self.partitionRates = partitionRates
    self.enhance = enhance
    self.unlearnCoefficient = unlearnCoefficient
    self.lossCap = lossCap
    self.separationThreshold = separationThreshold
    self.separationRatio = separationRatio
    self.clean = clean
    self.relearn = relearn
  }
}

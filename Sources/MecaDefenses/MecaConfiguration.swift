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
  /// Learning rate of the unlearning iterations.
  public var enhanceRate: Float
  /// Learning rate of the last unlearning iteration.
  public var lastEnhanceRate: Float
  /// Epochs over the learnt part in each iteration.
  public var enhanceEpochs: Int
  /// Unlearning coefficient ("λ").
  public var unlearnCoefficient: Float
  /// Cross entropy above which a sample is unlearnt enough, nats.
  public var lossCap: Float
  /// Largest gradient norm while unlearning.
  public var gradientClip: Float
  /// Share of the variance of a label's evidence that two modes must explain ("η", Otsu).
  public var separationThreshold: Double
  /// Training of the clean model.
  public var clean: TrainingRecipe
  /// Fine-tuning on everything after relabelling.
  public var relearn: TrainingRecipe

  /// All values.
  public init(
    folds: Int, warmup: TrainingRecipe, perturbation: PerturbationConfiguration,
    partitionRates: [Float], enhanceRate: Float, lastEnhanceRate: Float, enhanceEpochs: Int,
    unlearnCoefficient: Float, lossCap: Float, gradientClip: Float, separationThreshold: Double,
    clean: TrainingRecipe, relearn: TrainingRecipe
  ) {
    self.folds = folds
    self.warmup = warmup
    self.perturbation = perturbation
    self.partitionRates = partitionRates
    self.enhanceRate = enhanceRate
    self.lastEnhanceRate = lastEnhanceRate
    self.enhanceEpochs = enhanceEpochs
    self.unlearnCoefficient = unlearnCoefficient
    self.lossCap = lossCap
    self.gradientClip = gradientClip
    self.separationThreshold = separationThreshold
    self.clean = clean
    self.relearn = relearn
  }
}

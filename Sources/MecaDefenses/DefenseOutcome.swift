import MecaNN

/// What a defence leaves behind.
public struct DefenseOutcome {
  /// A model and its name in tables and `result.json`.
  public struct NamedModel {
    /// Name, for example `relearned`.
    public var name: String
    /// The model.
    public var model: Model

    /// All values.
    public init(_ name: String, _ model: Model) { (self.name, self.model) = (name, model) }
  }

  /// Every model worth a row in the table, in the order in which they came about; the last is the
  /// run's result.
  public var models: [NamedModel]
  /// Name of the model whose figures stand under `defended`; nil for a defence that is none.
  public var defended: String?
  /// Who is taken for poisoned; nil for defences that judge no samples.
  public var verdict: Verdict?

  /// All values; the last model is the defended one unless another is named.
  public init(models: [NamedModel], verdict: Verdict? = nil) {
    precondition(!models.isEmpty, "a defence leaves a model behind")
    self.models = models
    self.verdict = verdict
    defended = models.last?.name
  }

  /// The run's result.
  public var result: Model { models[models.count - 1].model }
}

/// A defence's judgement of every training sample; every list has one entry a sample.
public struct Verdict: Sendable {
  /// A number for each sample and its name, for `suspects.csv` and `scores.npy`.
  public struct Column: Sendable {
    /// Name of the column, for example `log10_loss`.
    public var name: String
    /// One value a sample.
    public var values: [Float]

    /// All values.
    public init(_ name: String, _ values: [Float]) { (self.name, self.values) = (name, values) }
  }

  /// Whether each sample is taken for poisoned.
  public var flagged: [Bool]
  /// How suspicious each sample is; larger is more, in units of the defence's own.
  public var score: [Float]
  /// How certain it is that each flagged sample is poisoned, for the order of lists; larger is more.
  public var certainty: [Float]
  /// Labels in which poisoned samples were found, ascending.
  public var suspiciousLabels: [Int]
  /// The labels that the result was trained with, where the defence gave new ones.
  public var relabelled: [Int32]?
  /// What the verdict rests on.
  public var columns: [Column]
  /// Samples that something speaks against without confirmation.
  ///
  /// They are listed and kept. Empty: none.
  public var unconfirmed: [Bool] = []
  /// The answer in words, where the defence gives one.
  public var answer: DetectionAnswer?

  /// All values; labels of flagged samples are suspicious unless said otherwise.
  ///
  /// - Parameters:
  ///   - labels: given label of every sample.
  ///   - certainty: what the list of suspects is ordered by; the score if nil.
  public init(
    flagged: [Bool], score: [Float], certainty: [Float]? = nil, labels: [Int32],
    relabelled: [Int32]? = nil, columns: [Column] = []
  ) {
    precondition(
      flagged.count == labels.count && score.count == labels.count
        && certainty.map { $0.count == labels.count } ?? true
        && columns.allSatisfy { $0.values.count == labels.count },
      "a verdict on \(flagged.count) of \(labels.count) samples")
    self.flagged = flagged
    self.score = score
    self.certainty = certainty ?? score
    self.relabelled = relabelled
    self.columns = columns
    suspiciousLabels = Set(labels.indices.filter { flagged[$0] }.map { Int(labels[$0]) }).sorted()
  }
}

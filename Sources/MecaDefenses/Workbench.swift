import MecaCore
import MecaNN
import MecaTraining

/// What a defence may see and do.
///
/// `SessionWorkbench` does it over all ranks; `ScriptedWorkbench` in the tests prescribes losses, so
/// that an algorithm runs in milliseconds.
///
/// - Ranks: every method is collective, called by all ranks in the same order, unless it says local.
public protocol Workbench: AnyObject {
  /// The training samples with the labels that the trainer was given. Local.
  var samples: GivenData { get }
  /// Indices of training samples that are known to be clean, ascending; empty unless the defence's
  /// facts ask for them. Local.
  var reserve: [Int32] { get }
  /// The network of the models that are kept. Local.
  var network: NetworkConfiguration { get }
  /// How the models that are kept are trained. Local.
  var recipe: TrainingRecipe { get }
  /// Samples of a step. Local.
  var batch: Int { get }

  /// The seed of everything random that is drawn at `key`. Local.
  func seed(of key: StageKey) -> UInt64

  /// A model with fresh weights, a function of the run's seed and `key` alone. Local.
  ///
  /// Of `network` and under the key `compared` it has the weights of a file instead, where the run was
  /// given one.
  ///
  /// - Throws: `EngineError` where the engine refuses a shape.
  func newModel(_ network: NetworkConfiguration, key: StageKey) throws -> Model

  /// The model trained on all samples as if they were clean, `network` by `recipe`; trained once a
  /// run, and by whoever asks first. Not within a stage: it is one.
  func undefended() throws -> Finished<ModelState>

  /// Runs a part of the defence, or takes its result from the checkpoint of an earlier run. Stages
  /// follow each other; none is within another.
  ///
  /// Whatever is trained and asked within goes on where a killed run was, at most a checkpoint
  /// interval earlier. So `work` must do the same calls in the same order whenever it is given the
  /// same answers.
  ///
  /// - Parameters:
  ///   - name: the stage's name within the defence.
  ///   - settings: what its result depends on besides data, network and `inputs`.
  ///   - inputs: the finished stages whose results `work` uses.
  ///   - work: given the stage's key; draw everything random from it or from keys within it.
  func stage<State: StageState>(
    _ name: String, _ settings: some Encodable, after inputs: [StageDigest],
    _ work: (StageKey) throws -> State
  ) throws -> Finished<State>

  /// Trains a model. All ranks hold the same weights before and after.
  ///
  /// - Returns: loss and accuracy of the first group in the last epoch, measured while learning.
  @discardableResult
  func train(
    _ model: Model, _ lesson: Lesson, _ recipe: TrainingRecipe, key: StageKey
  ) throws -> EpochSummary

  /// Loss to `labels`, prediction and confidence of the training samples `indices`, in evaluation
  /// mode without augmentation.
  ///
  /// - Parameter labels: one for every sample of the set.
  /// - Returns: one record for each place of `indices`; `divergence` is 0.
  func judge(_ model: Model, _ indices: [Int32], labels: [Int32]) throws -> [SampleRecord]

  /// The same with the robustness score of MeCa's Algorithm 1 as `divergence`.
  ///
  /// - Parameter key: what the random squares are drawn from.
  func robustness(
    _ model: Model, _ indices: [Int32], labels: [Int32], _ perturbation: PerturbationConfiguration,
    key: StageKey
  ) throws -> [SampleRecord]

  /// What a model with a spare class for every label says of the training samples `indices`.
  ///
  /// - Parameter labels: the label whose spare class is asked about, one for every sample of the set.
  func spareClasses(
    _ model: Model, _ indices: [Int32], labels: [Int32]
  ) throws -> [SpareAnswer]

  /// The samples' pixels, cell by cell; see `PixelCells`.
  ///
  /// - Throws: `RemoteFailure` with `FileError` if an image cannot be read any more.
  func pixelCells(side: Int, margin: Int) throws -> PixelCells

  /// Whether somebody wants the class probabilities of all samples; see `offerProbabilities`. Local.
  var wantsProbabilities: Bool { get }

  /// Asks a model about samples that it has not learnt, for whoever wants class probabilities. Outside
  /// of stages; nothing comes back.
  func offerProbabilities(_ model: Model, _ indices: [Int32]) throws

  /// What rank 0 decides from facts that all ranks have, on every rank.
  func decided<Element: BitwiseCopyable & Sendable>(
    _ decide: () -> [Element]
  ) throws -> [Element]

  /// Says how far things are: a line in the log and one in the metrics. Local.
  ///
  /// Where the truth is known, somebody who knows it adds the shares of the poisoned and of the
  /// clean samples; nothing comes back.
  ///
  /// - Parameters:
  ///   - moment: when, for example `warm-up`.
  ///   - marked: what is counted, for example "fitted", and for every sample whether it is.
  ///   - logLosses: log10 of every sample's loss, where means of that tell something.
  ///   - values: further values for the metrics.
  func observe(
    _ moment: String, _ what: String, marked: [Bool], logLosses: [Float]?,
    values: [String: MetricValue])

  /// Writes a verdict down as soon as it is there, for whoever waits for it. That of the outcome, which
  /// may know more, takes its place in the end.
  func judged(_ verdict: Verdict) throws

  /// Says which way the run seems to take, for the time that it tells people; no result knows of it.
  /// Local.
  func expect(_ course: ForecastWorkbench.Course)

  /// Says to people who wait how far a stage has come that passes no images through a network. Local.
  func sayProgress(_ place: String)

  /// A line in the log. Local.
  func say(_ text: String)
  /// A line in the metrics. Local.
  func record(_ event: String, _ values: [String: MetricValue])
}

extension Workbench {
  /// Nobody is told.
  public func expect(_ course: ForecastWorkbench.Course) {}

  /// Nobody is told.
  public func sayProgress(_ place: String) {}

  /// Says how far things are, and nothing of losses.
  public func observe(
    _ moment: String, _ what: String, marked: [Bool], values: [String: MetricValue]
  ) {
    observe(moment, what, marked: marked, logLosses: nil, values: values)
  }

  /// Nobody does.
  public var wantsProbabilities: Bool { false }

  /// Nobody is asked.
  public func offerProbabilities(_ model: Model, _ indices: [Int32]) throws {}

  /// A model in a state that an earlier stage has left.
  public func model(_ state: ModelState, of network: NetworkConfiguration) throws -> Model {
    let model = try newModel(network, key: .compared)
    try model.restore(state)
    return model
  }

  /// Trains a new model on some samples with their given labels: plain supervised learning.
  ///
  /// First weights and sample orders are those of every such model of a run, so that what differs
  /// between two of them is their data and not the luck of their start.
  public func trainedFromScratch(on indices: [Int32], labels: [Int32]? = nil) throws -> Model {
    let model = try newModel(network, key: .compared)
    try train(
      model, .learning(indices, labels: labels ?? samples.labels), recipe, key: .compared)
    return model
  }
}

extension StageKey {
  /// Of all models that are trained from scratch and compared with each other.
  public static let compared = StageKey("compared")
}

import MecaCore
import MecaNN
import MecaTraining

/// The workbench of a real run: a session over all ranks, and the given samples.
///
/// It holds no truth. Whoever knows it may look on through `observer` and `epochTest`, which give
/// nothing back but words for the log.
public final class SessionWorkbench: Workbench {
  /// Told which samples are marked at a moment, and of their losses where they tell something; answers
  /// with further words and values for the log, for example the shares among the poisoned and the clean.
  public typealias Observer = (_ marked: [Bool], _ logLosses: [Float]?) -> (
    words: String, values: [String: MetricValue]
  )

  /// The training samples.
  public let samples: GivenData
  /// Samples that are known to be clean.
  public let reserve: [Int32]
  /// The network of the models that are kept.
  public let network: NetworkConfiguration
  /// How they are trained.
  public let recipe: TrainingRecipe
  /// Samples of a step.
  public var batch: Int { session.compute.batch }
  private let session: TrainingSession
  private let initial: InitialWeights?
  private let store: StageStore?
  private let scope: StageKey
  private let observer: Observer
  private let epochTest: EpochTest?
  private let judge: (Verdict) throws -> Void
  private let shared: SharedStages
  private let probabilities: ClassProbabilities?
  /// Whether class probabilities of held-out samples are wanted.
  public var wantsProbabilities: Bool { probabilities != nil }

  /// Results that all defences of a run share.
  private final class SharedStages {
    var undefended: Finished<ModelState>?
    let early = EarlyStages()
  }

  /// A bench for the defence called `scope`.
  ///
  /// - Parameters:
  ///   - initial: what models of `network` that are compared with each other start from; nil for drawn
  ///     weights.
  ///   - probabilities: takes the class probabilities of samples that models have not learnt; nil where
  ///     nobody wants them.
  ///   - epochTest: what models of `network` are asked about after each epoch.
  public convenience init(
    session: TrainingSession, samples: GivenData, network: NetworkConfiguration,
    recipe: TrainingRecipe, store: StageStore?, scope: String, initial: InitialWeights? = nil,
    probabilities: ClassProbabilities? = nil, reserve: [Int32] = [],
    observer: @escaping Observer = { _, _ in ("", [:]) }, epochTest: EpochTest? = nil,
    judge: @escaping (Verdict) throws -> Void = { _ in }
  ) {
    self.init(
      session, samples, network, recipe, initial, probabilities, store, StageKey(scope), reserve,
      observer, epochTest, judge, SharedStages())
  }

  private init(
    _ session: TrainingSession, _ samples: GivenData, _ network: NetworkConfiguration,
    _ recipe: TrainingRecipe, _ initial: InitialWeights?, _ probabilities: ClassProbabilities?,
    _ store: StageStore?, _ scope: StageKey, _ reserve: [Int32], _ observer: @escaping Observer,
    _ epochTest: EpochTest?,
    _ judge: @escaping (Verdict) throws -> Void, _ shared: SharedStages
  ) {
    (self.initial, self.probabilities) = (initial, probabilities)
    (self.session, self.samples, self.network, self.recipe) = (session, samples, network, recipe)
    (self.store, self.scope, self.reserve, self.observer) = (store, scope, reserve, observer)
    self.epochTest = epochTest
    self.judge = judge
    self.shared = shared
  }

  /// A bench of the same run for other samples, which shares no stage with it.
  package func looking(at samples: GivenData) -> SessionWorkbench {
    SessionWorkbench(
      session, samples, network, recipe, initial, nil, nil, scope, [], { _, _ in ("", [:]) }, nil,
      { _ in },
      SharedStages())
  }

  /// A bench of the same run for another defence; the undefended model is shared.
  public func scoped(to name: String) -> SessionWorkbench {
    SessionWorkbench(
      session, samples, network, recipe, initial, nil, store, StageKey(name), reserve, observer,
      epochTest, judge, shared)
  }

  /// The seed of everything random that is drawn at `key`.
  public func seed(of key: StageKey) -> UInt64 { key.seed(of: session.compute.seed) }

  /// `network` with the scale of images that the models have that are kept and compared.
  private var compared: NetworkConfiguration { initial?.scaling(network) ?? network }

  /// A model with fresh weights, or with those that all models start from that are compared.
  public func newModel(_ network: NetworkConfiguration, key: StageKey) throws -> Model {
    guard let initial, key == .compared, network == self.network else {
      return try Model(network, engine: session.engine, seed: seed(of: key))
    }
    let model = try Model(compared, engine: session.engine, seed: seed(of: key))
    try model.start(from: initial)
    return model
  }

  /// The model trained on everything as if it were clean.
  public func undefended() throws -> Finished<ModelState> {
    if let finished = shared.undefended { return finished }
    let finished = try session.stage(
      StageKey("undefended"), recipe, after: [], store: store
    ) { _ in
      try trainedFromScratch(on: samples.allIndices).state
    }
    shared.undefended = finished
    return finished
  }

  /// Lets the defence of this bench look at the samples before any model is trained.
  public func look(_ defense: any Defense) throws {
    try shared.early.look { try defense.lookFirst(self) }
  }

  /// Runs a part of the defence, or takes its result from its checkpoint.
  public func stage<State: StageState>(
    _ name: String, _ settings: some Encodable, after inputs: [StageDigest],
    _ work: (StageKey) throws -> State
  ) throws -> Finished<State> {
    let key = scope.appending(name)
    return try shared.early.finished(try StageDigest(key, settings: settings, after: inputs)) {
      try session.stage(key, settings, after: inputs, store: store, work)
    }
  }

  /// Trains a model; the course of one of `network`, as they are kept and compared, is followed by
  /// `epochTest`.
  @discardableResult
  public func train(
    _ model: Model, _ lesson: Lesson, _ recipe: TrainingRecipe, key: StageKey
  ) throws -> EpochSummary {
    try session.train(
      model, on: samples, lesson, recipe, key: key,
      test: model.configuration == compared ? epochTest : nil)
  }

  /// Loss, prediction and confidence of training samples.
  public func judge(
    _ model: Model, _ indices: [Int32], labels: [Int32]
  ) throws -> [SampleRecord] {
    try session.judge(model, on: samples, indices, labels: labels)
  }

  /// The same with the robustness score.
  public func robustness(
    _ model: Model, _ indices: [Int32], labels: [Int32], _ perturbation: PerturbationConfiguration,
    key: StageKey
  ) throws -> [SampleRecord] {
    try session.robustness(model, on: samples, indices, labels: labels, perturbation, key: key)
  }

  /// What a model with spare classes says of training samples.
  public func spareClasses(
    _ model: Model, _ indices: [Int32], labels: [Int32]
  ) throws -> [SpareAnswer] {
    try session.spareClasses(model, on: samples, indices, labels: labels)
  }

  /// The samples' pixels, cell by cell.
  public func pixelCells(side: Int, margin: Int) throws -> PixelCells {
    try session.pixelCells(of: samples, side: side, margin: margin)
  }

  /// Keeps the class probabilities of samples that a model has not learnt, where they are wanted.
  public func offerProbabilities(_ model: Model, _ indices: [Int32]) throws {
    guard let probabilities else { return }
    try session.probabilities(model, on: samples, indices, into: probabilities)
  }

  /// What rank 0 decides, on every rank.
  public func decided<Element: BitwiseCopyable & Sendable>(
    _ decide: () -> [Element]
  ) throws -> [Element] {
    try session.decided(decide)
  }

  /// Says how far things are.
  public func observe(
    _ moment: String, _ what: String, marked: [Bool], logLosses: [Float]?,
    values: [String: MetricValue]
  ) {
    let share = Double(marked.count { $0 }) / Double(max(1, marked.count))
    let (words, more) = observer(marked, logLosses)
    var own: [String: MetricValue] = [
      "moment": .text("\(scope)/\(moment)"), "what": .text(what), "share": .number(share),
    ]
    own["log10_loss"] = logLosses.map { losses in
      .number(losses.reduce(0) { $0 + Double($1) } / Double(max(1, losses.count)))
    }
    let lists = values.sorted { $0.key < $1.key }.compactMap { name, value in
      if case .numbers(let numbers) = value {
        return "; \(name) " + numbers.map { fixed($0, 2) }.joined(separator: " ")
      }
      return nil
    }
    session.journal.say(
      "\(scope)/\(moment): \(what) \(fixed(share * 100, 1)) %\(words)" + lists.joined())
    session.journal.record(
      "observation", own.merging(values.merging(more) { own, _ in own }) { own, _ in own })
  }

  /// Writes a verdict down.
  public func judged(_ verdict: Verdict) throws { try judge(verdict) }

  /// The time left is that of this course, until the run goes another way.
  public func expect(_ course: ForecastWorkbench.Course) {
    session.report?.expect(course.rawValue)
  }

  /// In the line that says how far the run is.
  public func sayProgress(_ place: String) { session.report?.sayProgress(place) }

  /// A line in the log.
  public func say(_ text: String) { session.journal.say("\(scope): \(text)") }

  /// A line in the metrics.
  public func record(_ event: String, _ values: [String: MetricValue]) {
    session.journal.record(event, values)
  }
}

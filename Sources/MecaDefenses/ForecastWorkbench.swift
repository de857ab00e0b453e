import MecaCore
import MecaNN
import MecaTensor
import MecaTraining

/// A workbench that computes nothing and counts what would be computed.
///
/// Models learn nothing, and everybody is said to fit their label, a tenth of the largest one much
/// better than the others.
///
/// - Ranks: local.
public final class ForecastWorkbench: Workbench {
  /// What the defence is told of the set.
  public enum Course: Int, Sendable, CaseIterable {
    /// A tenth of the largest label is suspected because of its losses, and nothing is found.
    case suspected
    /// Pixels give a trigger away on that tenth, and detectors agree.
    case found
  }

  /// The training samples.
  public let samples: GivenData
  /// Samples that are known to be clean.
  public let reserve: [Int32]
  /// The network of the models that are kept.
  public let network: NetworkConfiguration
  /// How they are trained.
  public let recipe: TrainingRecipe
  /// Samples of a step.
  public var batch: Int { compute.batch }
  /// What has been counted so far.
  public private(set) var forecast = Forecast()
  private let compute: ComputeConfiguration
  private let engine: any Engine
  private var scope: StageKey
  private var stage = "what is in no stage"
  private var undefendedModel: Finished<ModelState>?
  private let early = EarlyStages()
  private let largestLabel: Int32
  private let course: Course
  private let endsAtVerdict: Bool
  private let testedImages: Int
  /// Whether class probabilities are wanted.
  public let wantsProbabilities: Bool
  /// The thinnest models, which take no time to make, and what each stands for.
  private var networks: [(model: Model, network: NetworkConfiguration)] = []
  /// Trainings so far, and how many there may be: some defence may go on until a loss falls.
  private var calls = 0
  private static let mostCalls = 10_000
  private struct EndlessForecast: Error {}

  /// The verdict is there, and no more is wanted.
  public struct VerdictReached: Error {}

  /// A bench for the defence called `scope`.
  ///
  /// - Parameters:
  ///   - endsAtVerdict: whether `judged` throws ``VerdictReached``.
  ///   - testedImages: images that models of `network` are asked about after each epoch.
  public init(
    samples: GivenData, network: NetworkConfiguration, recipe: TrainingRecipe,
    compute: ComputeConfiguration, engine: any Engine, scope: String, reserve: [Int32] = [],
    course: Course, endsAtVerdict: Bool = false, testedImages: Int = 0,
    wantsProbabilities: Bool = false
  ) {
    self.course = course
    self.wantsProbabilities = wantsProbabilities
    self.endsAtVerdict = endsAtVerdict
    self.testedImages = testedImages
    (self.samples, self.network, self.recipe) = (samples, network, recipe)
    (self.compute, self.engine, self.reserve) = (compute, engine, reserve)
    self.scope = StageKey(scope)
    let sizes = samples.labels.reduce(into: [Int32: Int]()) { $0[$1, default: 0] += 1 }
    largestLabel = sizes.max { ($0.value, -$0.key) < ($1.value, -$1.key) }?.key ?? 0
  }

  /// Counts the evaluation of a model on so many images.
  public func evaluate(_ model: Model, images: Int) {
    forecast.add(.judging, images, network(of: model), in: Forecast.evaluation)
  }

  /// Runs another defence of the same run on this bench.
  public func run(_ defense: any Defense) throws -> DefenseOutcome {
    let before = scope
    defer { scope = before }
    scope = StageKey(type(of: defense).facts.name)
    return try defense.run(self)
  }

  /// Lets a defence look before its turn, as a run does.
  public func look(_ defense: any Defense) throws {
    let before = scope
    defer { scope = before }
    scope = StageKey(type(of: defense).facts.name)
    try early.look { try defense.lookFirst(self) }
  }

  /// The seed of everything random that is drawn at `key`.
  public func seed(of key: StageKey) -> UInt64 { key.seed(of: compute.seed) }

  /// A model with fresh weights.
  public func newModel(_ network: NetworkConfiguration, key: StageKey) throws -> Model {
    let model = try Model(network.thinnest, engine: engine, seed: seed(of: key))
    networks.append((model, network))
    return model
  }

  /// The network that a model stands for.
  private func network(of model: Model) -> NetworkConfiguration {
    networks.last { $0.model === model }?.network ?? model.configuration
  }

  /// The model of a plain training, which is counted once.
  public func undefended() throws -> Finished<ModelState> {
    if let undefendedModel { return undefendedModel }
    let key = StageKey("undefended")
    let finished = try counted(key, recipe, after: []) { _ in
      try trainedFromScratch(on: samples.allIndices).state
    }
    undefendedModel = finished
    return finished
  }

  /// Runs a part of the defence, unless what it leaves is known.
  public func stage<State: StageState>(
    _ name: String, _ settings: some Encodable, after inputs: [StageDigest],
    _ work: (StageKey) throws -> State
  ) throws -> Finished<State> {
    let key = scope.appending(name)
    return try early.finished(try StageDigest(key, settings: settings, after: inputs)) {
      try counted(key, settings, after: inputs, work)
    }
  }

  private func counted<State: StageState>(
    _ key: StageKey, _ settings: some Encodable, after inputs: [StageDigest],
    _ work: (StageKey) throws -> State
  ) throws -> Finished<State> {
    let before = stage
    defer { stage = before }
    stage = key.description
    forecast.begin(stage)
    let foreseen = (State.self as? any ForeseenState.Type)?.foreseen(suspects) as? State
    return Finished(
      state: try foreseen ?? work(key),
      digest: try StageDigest(key, settings: settings, after: inputs))
  }

  /// Counts a training.
  @discardableResult
  public func train(
    _ model: Model, _ lesson: Lesson, _ recipe: TrainingRecipe, key: StageKey
  ) throws -> EpochSummary {
    guard !lesson.groups.contains(where: \.indices.isEmpty) else {
      throw NothingToLearn(stage: stage)
    }
    let steps = EpochOrder.stepCount(
      groups: lesson.groups, shards: compute.shards, microbatch: compute.microbatch)
    calls += 1
    guard calls <= Self.mostCalls else { throw EndlessForecast() }
    let network = network(of: model)
    forecast.add(.training, recipe.epochs * steps * compute.batch, network, in: stage)
    if network == self.network {
      forecast.add(.judging, recipe.epochs * testedImages, network, in: stage)
    }
    return EpochSummary(loss: 0.1, accuracy: 1)
  }

  /// Counts the questions, and says that all fit their given labels.
  public func judge(
    _ model: Model, _ indices: [Int32], labels: [Int32]
  ) throws -> [SampleRecord] {
    forecast.add(.judging, indices.count, network(of: model), in: stage)
    return answers(indices, labels)
  }

  /// The same of robustness.
  public func robustness(
    _ model: Model, _ indices: [Int32], labels: [Int32], _ perturbation: PerturbationConfiguration,
    key: StageKey
  ) throws -> [SampleRecord] {
    forecast.add(.scoring, indices.count, network(of: model), in: stage)
    return answers(indices, labels)
  }

  /// Whether a sample is of the tenth that stands out.
  private func standsOut(_ index: Int32) -> Bool {
    samples.labels[Int(index)] == largestLabel && bells[Int(index)].chance < 0.1
  }

  /// A number of each sample from a hump around 0, and one from 0 to 1.
  private lazy var bells: [(height: Float, chance: Float)] = samples.allIndices.map { index in
    var random = KeyedRandom(seed: compute.seed, purpose: .forecast, Int(index))
    let sum = (0..<6).reduce(Float(0)) { sum, _ in sum + random.uniform(in: -1...1) }
    return (sum / 8, random.uniform(in: 0...1))
  }

  /// Whom pixels speak against, and of which label.
  private var suspects: (label: Int, indices: [Int32])? {
    guard course == .found else { return nil }
    let indices = samples.allIndices.filter(standsOut)
    return indices.isEmpty ? nil : (Int(largestLabel), indices)
  }

  /// A hump of losses, for one label with another far below, and divergences that tell nothing.
  private func answers(_ indices: [Int32], _ labels: [Int32]) -> [SampleRecord] {
    indices.map { index in
      let given = samples.labels[Int(index)]
      let height = 1 + bells[Int(index)].height
      let own: Float = standsOut(index) ? 0.001 : 0.3
      return SampleRecord(
        loss: labels[Int(index)] == given ? own * height : 5, divergence: height,
        prediction: given, confidence: 0.9)
    }
  }

  /// Counts the questions, and says who is known by the spare class: nobody, or those who stand out.
  public func spareClasses(
    _ model: Model, _ indices: [Int32], labels: [Int32]
  ) throws -> [SpareAnswer] {
    forecast.add(.judging, indices.count, network(of: model), in: stage)
    let classes = Int32(samples.classCount)
    return indices.map { index in
      let given = samples.labels[Int(index)]
      let isKnown = course == .found && standsOut(index) && labels[Int(index)] == given
      return SpareAnswer(
        excess: isKnown ? 9 : -9, content: isKnown ? (given + 1) % classes : given)
    }
  }

  /// Counts the questions.
  public func offerProbabilities(_ model: Model, _ indices: [Int32]) throws {
    forecast.add(.judging, indices.count, network(of: model), in: Forecast.evaluation)
  }

  /// The samples' pixels; stages that are foreseen do not ask.
  public func pixelCells(side: Int, margin: Int) throws -> PixelCells {
    try samples.pixelCells(side: side, margin: margin)
  }

  /// What `decide` says.
  public func decided<Element: BitwiseCopyable & Sendable>(
    _ decide: () -> [Element]
  ) throws -> [Element] { decide() }

  /// Nothing.
  public func observe(
    _ moment: String, _ what: String, marked: [Bool], logLosses: [Float]?,
    values: [String: MetricValue]
  ) {}

  /// Ends the forecast, where no more is wanted.
  public func judged(_ verdict: Verdict) throws {
    if endsAtVerdict { throw VerdictReached() }
  }

  /// Nothing.
  public func say(_ text: String) {}

  /// Nothing.
  public func record(_ event: String, _ values: [String: MetricValue]) {}
}

/// What a stage leaves behind that a forecast knows without its work.
protocol ForeseenState: StageState {
  /// That, where the stage speaks against `suspects` of one label, or against nobody.
  static func foreseen(_ suspects: (label: Int, indices: [Int32])?) -> Self
}

extension Findings: ForeseenState {
  package static func foreseen(_ suspects: (label: Int, indices: [Int32])?) -> Findings {
    guard let suspects else { return Findings() }
    return Findings([
      Finding(
        label: suspects.label, kind: .patch, strength: 99, isStrong: true, rows: 0..<1,
        columns: 0..<1, suspects: suspects.indices)
    ])
  }
}

extension NetworkConfiguration {
  /// The same with as few channels as it can have.
  fileprivate var thinnest: NetworkConfiguration {
    var network = self
    network.width = 1
    return network
  }
}

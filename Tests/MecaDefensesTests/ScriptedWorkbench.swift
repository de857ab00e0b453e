import MecaCore
import MecaDefenses
import MecaImages
import MecaNN
import MecaTensor
import MecaTraining

/// A workbench whose models learn nothing and whose answers are prescribed.
///
/// Everything that a defence asks for is written down. A whole defence takes milliseconds.
///
/// Models are real but tiny. Which trainings a model has behind it travels with its weights (a
/// number in the first of them says where in `lineages` to look), through states and stages too, so
/// that a script can answer by what was trained and a test can see from where each training went on.
/// Every stage's state goes through its columns, as on the way through a checkpoint.
final class ScriptedWorkbench: Workbench {
  /// A call of `train`.
  struct Training {
    var lesson: Lesson
    var recipe: TrainingRecipe
    var key: StageKey
    /// Keys of the trainings that the model had behind it, first its own ("new KEY").
    var before: [String]
    var groups: [TrainingGroup] { lesson.groups }
  }

  /// A call of `judge` or `robustness`.
  struct Question {
    /// How many were asked before this one.
    var number: Int
    /// What the asked model has behind it; see `Training.before`.
    var lineage: [String]
    var indices: [Int32]
    var labels: [Int32]
    /// Whether robustness was asked, with this key.
    var robustnessKey: StageKey?
    /// Trainings of the model.
    var trainingCount: Int { lineage.count - 1 }
  }

  /// A call of `observe`.
  struct Observation {
    var moment: String
    var what: String
    var marked: [Bool]
    var values: [String: MetricValue]
  }

  /// A training was asked for with a group of nobody, which the real workbench refuses.
  struct EmptyGroup: Error {
    var key: StageKey
  }

  typealias Script = (Question) -> [SampleRecord]
  /// Answers what is asked of spare classes.
  typealias SpareScript = (Question) -> [SpareAnswer]

  let samples: GivenData
  var reserve: [Int32] = []
  let batch = 64
  /// Says of everybody that no spare class is theirs, unless a test changes it.
  var spareScript: SpareScript = { question in
    question.indices.map { _ in SpareAnswer(excess: -9, content: 0) }
  }
  var network: NetworkConfiguration
  var recipe: TrainingRecipe
  /// What `undefended` gives; a test may change its weights.
  let undefendedModel: Model
  private let script: Script
  private let engine: any Engine
  private var lineages: [[String]] = []

  private(set) var trainings: [Training] = []
  private(set) var questions: [Question] = []
  private(set) var observations: [Observation] = []
  private(set) var stages: [String] = []
  private(set) var digests: [String: StageDigest] = [:]
  private(set) var lines: [String] = []
  /// Verdicts that were announced.
  private(set) var verdicts: [Verdict] = []
  private(set) var records: [(event: String, values: [String: MetricValue])] = []
  private(set) var decisions = 0

  /// A workbench with images of 8x8 pixels, all black unless there are others.
  ///
  /// - Parameters:
  ///   - labels: the given ones.
  ///   - images: pixels of all samples, `side` x `side` each.
  ///   - classes: number of classes; by default as many as the labels need.
  ///   - script: answers a question, one record for each of its indices.
  init(
    labels: [Int32], classes: Int? = nil, width: Int = 1, images: [UInt8]? = nil, side: Int = 8,
    script: @escaping Script
  ) throws {
    let classes = classes ?? Int(labels.max() ?? 0) + 1
    let shape = ImageShape(channels: 3, height: side, width: side)
    let set = MemorySet(
      name: "scripted", classNames: (0..<classes).map { "class \($0)" }, imageShape: shape,
      labels: labels.map { Int($0) },
      images: images ?? [UInt8](repeating: 0, count: labels.count * shape.byteCount))
    samples = GivenData(set, labels: labels)
    network = NetworkConfiguration(
      architecture: .resnet18, width: width, classCount: classes, imageHeight: side,
      imageWidth: side,
      mean: [0.5, 0.5, 0.5], standardDeviation: [0.25, 0.25, 0.25])
    recipe = TrainingRecipe(
      epochs: 8, learningRate: 0.07, schedule: .cosine, rampEpochs: 1,
      augmentation: .none)
    engine = try makeEngine(.openblas)
    undefendedModel = try Model(network, engine: engine, seed: 1)
    self.script = script
    remember(["undefended"], in: undefendedModel)
  }

  /// The digest of a stage that has run.
  func digest(of stage: String) -> StageDigest? { digests[stage] }

  // MARK: - Workbench

  func seed(of key: StageKey) -> UInt64 { key.seed(of: 7) }

  func newModel(_ network: NetworkConfiguration, key: StageKey) throws -> Model {
    let model = try Model(network, engine: engine, seed: seed(of: key))
    remember(["new \(key)"], in: model)
    return model
  }

  func undefended() throws -> Finished<ModelState> {
    Finished(
      state: undefendedModel.state,
      digest: try StageDigest(StageKey("undefended"), settings: recipe, after: []))
  }

  func stage<State: StageState>(
    _ name: String, _ settings: some Encodable, after inputs: [StageDigest],
    _ work: (StageKey) throws -> State
  ) throws -> Finished<State> {
    let key = StageKey("scripted").appending(name)
    stages.append(name)
    let state = try State(columns: try work(key).columns)
    let digest = try StageDigest(key, settings: settings, after: inputs)
    digests[name] = digest
    return Finished(state: state, digest: digest)
  }

  @discardableResult
  func train(
    _ model: Model, _ lesson: Lesson, _ recipe: TrainingRecipe, key: StageKey
  ) throws -> EpochSummary {
    let before = lineage(of: model)
    for group in lesson.groups where group.indices.isEmpty {
      throw EmptyGroup(key: key)
    }
    trainings.append(Training(lesson: lesson, recipe: recipe, key: key, before: before))
    remember(before + [key.description], in: model)
    return EpochSummary(loss: 1, accuracy: 0.5)
  }

  func judge(_ model: Model, _ indices: [Int32], labels: [Int32]) throws -> [SampleRecord] {
    answer(
      Question(
        number: questions.count, lineage: lineage(of: model), indices: indices, labels: labels))
  }

  func robustness(
    _ model: Model, _ indices: [Int32], labels: [Int32], _ perturbation: PerturbationConfiguration,
    key: StageKey
  ) throws -> [SampleRecord] {
    answer(
      Question(
        number: questions.count, lineage: lineage(of: model), indices: indices, labels: labels,
        robustnessKey: key))
  }

  func spareClasses(
    _ model: Model, _ indices: [Int32], labels: [Int32]
  ) throws -> [SpareAnswer] {
    let question = Question(
      number: questions.count, lineage: lineage(of: model), indices: indices, labels: labels)
    questions.append(question)
    return spareScript(question)
  }

  func pixelCells(side: Int, margin: Int) throws -> PixelCells {
    try samples.pixelCells(side: side, margin: margin)
  }

  func decided<Element: BitwiseCopyable & Sendable>(
    _ decide: () -> [Element]
  ) throws -> [Element] {
    decisions += 1
    return decide()
  }

  func observe(
    _ moment: String, _ what: String, marked: [Bool], logLosses: [Float]?,
    values: [String: MetricValue]
  ) {
    precondition(marked.count == samples.count, "\(marked.count) marks of \(samples.count)")
    observations.append(
      Observation(moment: moment, what: what, marked: marked, values: values))
  }

  func judged(_ verdict: Verdict) { verdicts.append(verdict) }

  func say(_ text: String) { lines.append(text) }

  func record(_ event: String, _ values: [String: MetricValue]) {
    records.append((event, values))
  }

  // MARK: - Lineage

  /// What a model has behind it: `new KEY` or `undefended`, then the keys of its trainings.
  func lineage(of model: Model) -> [String] { lineages[Int(model.parameters.pointer[0])] }

  private func remember(_ lineage: [String], in model: Model) {
    model.parameters.pointer[0] = Float(lineages.count)
    lineages.append(lineage)
    model.weightsDidChange()
  }

  private func answer(_ question: Question) -> [SampleRecord] {
    questions.append(question)
    let records = script(question)
    precondition(
      records.count == question.indices.count,
      "the script answered \(records.count) of \(question.indices.count)")
    return records
  }
}

extension ScriptedWorkbench {
  /// A script that gives every sample the loss in a list and its given label as prediction.
  static func losses(_ list: @escaping (Question) -> [Float]) -> Script {
    { question in
      let losses = list(question)
      return question.indices.map {
        SampleRecord(loss: losses[Int($0)], prediction: question.labels[Int($0)], confidence: 1)
      }
    }
  }
}

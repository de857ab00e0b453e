import MecaAttacks
import MecaImages
import MecaNN

/// How many of a class's, or a whole set's, samples were classified as wanted.
public struct HitCount: Codable, Sendable, Equatable {
  /// Samples classified as wanted.
  public var hits: Int
  /// Samples looked at.
  public var count: Int

  /// All values.
  public init(hits: Int, count: Int) {
    self.hits = hits
    self.count = count
  }

  /// hits / count; nil without samples.
  public var rate: Double? { count == 0 ? nil : Double(hits) / Double(count) }
}

extension TrainingSession {
  /// Loss and prediction of `indices` of a set under `model`, in evaluation mode: the one
  /// evaluation loop of the project.
  ///
  /// - Ranks: collective.
  /// - Parameter labels: labels the losses refer to; the set's own if nil.
  public func evaluate(
    _ model: Model, on set: any ImageSet, indices: [Int32]? = nil, labels: [Int32]? = nil
  ) throws -> [SampleRecord] {
    try evaluation(model, on: set, labels: labels).run(
      indices ?? (0..<Int32(set.count)).map { $0 })
  }

  /// Plans what `evaluate` runs.
  ///
  /// - Ranks: local; the pass itself is collective.
  /// - Throws: `EngineError` where the engine refuses a shape.
  public func evaluation(
    _ model: Model, on set: any ImageSet, labels: [Int32]? = nil
  ) throws -> SamplePass<SampleRecord> {
    try evaluation(
      on: set, labels: labels,
      lanes: (0..<compute.threads).map { _ in try InferenceVisitor.lane(of: model) })
  }

  /// The same in lanes of a model, one a thread; passes that share them run one after the other.
  func evaluation(
    on set: any ImageSet, labels: [Int32]? = nil, lanes: [Lane]
  ) throws -> SamplePass<SampleRecord> {
    precondition(lanes.count == compute.threads, "\(lanes.count) lanes, \(compute.threads) threads")
    var free = lanes[...]
    return try SamplePass(self, "judge", .judging, lanes[0].model, over: set) { pixels in
      InferenceVisitor(pixels, lane: free.removeFirst(), set: set, labels: labels)
    }
  }

  /// The rate of correct predictions over a set, all classes.
  ///
  /// - Ranks: collective.
  public func accuracy(
    _ model: Model, on set: any ImageSet
  ) throws -> (all: HitCount, perClass: [HitCount]) {
    let counts = try confusion(model, on: set)
    return (counts.all, counts.perClass)
  }

  /// How many samples of each class of a set a model takes for each class.
  ///
  /// - Ranks: collective.
  public func confusion(_ model: Model, on set: any ImageSet) throws -> ConfusionMatrix {
    var counts = ConfusionMatrix(classCount: set.classNames.count)
    for (index, record) in try evaluate(model, on: set).enumerated() {
      counts.add(label: set.label(at: index), prediction: Int(record.prediction))
    }
    return counts
  }

  /// How many triggered test samples are classified as the attack's target (ASR).
  ///
  /// - Ranks: collective.
  public func attackSuccess(
    _ model: Model, on triggered: any TriggeredSet
  ) throws -> AttackSuccess {
    let records = try evaluate(model, on: triggered)
    func count(_ places: [Int]) -> HitCount {
      HitCount(
        hits: places.count { Int(records[$0].prediction) == triggered.target },
        count: places.count)
    }
    let all = Array(records.indices)
    let victims = all.filter { triggered.isVictim(at: $0) }
    return AttackSuccess(
      victims: count(victims),
      allOthers: triggered.isForSomeClasses ? count(all) : nil)
  }
}

/// How often an attack reaches its target on test samples of other classes.
public struct AttackSuccess: Sendable, Equatable {
  /// Over the samples that the attack claims to work on: of all other classes for most attacks, of
  /// the source class for TaCT.
  public var victims: HitCount
  /// Over all classes but the target; nil where that is the same.
  public var allOthers: HitCount?
}

extension TrainingSession {
  /// Pixels in [0, 1] and logits of a set's first samples, one evaluation batch at most.
  ///
  /// - Ranks: local.
  public func firstLogits(
    _ model: Model, on set: any ImageSet
  ) throws -> (images: [Float], logits: [Float]) {
    let pixels = PixelLoader(set: set, threads: compute.threads)
    let visitor = InferenceVisitor(
      pixels, lane: try InferenceVisitor.lane(of: model), set: set, labels: nil)
    let count = min(Self.evaluationBatch, set.count)
    visitor.visit((0..<Self.evaluationBatch).map { Int32(min($0, count - 1)) }, thread: 0)
    if let fault = pixels.fault { throw fault }
    return (
      Array(visitor.lane.images.array.prefix(count * set.imageShape.byteCount)),
      Array(visitor.lane.logits.array.prefix(count * model.configuration.classCount))
    )
  }
}

/// A forward pass in evaluation mode.
final class InferenceVisitor: BatchVisitor {
  let lane: Lane
  private let set: any ImageSet
  private let labels: [Int32]?
  private let pixels: PixelLoader
  private var batchLabels: [Int32] = []

  /// A lane for the passes of a model.
  static func lane(of model: Model) throws -> Lane {
    try Lane(
      model: model, microbatch: TrainingSession.evaluationBatch, training: false,
      inputGradient: false)
  }

  init(_ pixels: PixelLoader, lane: Lane, set: any ImageSet, labels: [Int32]?) {
    self.lane = lane
    self.set = set
    self.labels = labels
    self.pixels = pixels
  }

  func visit(_ indices: [Int32], thread: Int) {
    for (slot, index) in indices.enumerated() {
      pixels.load(Int(index), thread: thread, to: lane.images.pointer, slot: slot)
    }
    batchLabels = indices.map { labels?[Int($0)] ?? Int32(set.label(at: Int($0))) }
    lane.infer()
  }

  func record(_ slot: Int) -> SampleRecord {
    SampleRecord(
      logits: lane.logits(of: slot), label: batchLabels[slot], prediction: lane.predictions[slot])
  }
}

extension SampleRecord {
  /// What a row of logits says of a sample; without a divergence.
  init(logits: UnsafeBufferPointer<Float>, label: Int32, prediction: Int32) {
    self.init(
      loss: crossEntropy(logits: logits, label: Int(label)), prediction: prediction,
      confidence: probability(logits: logits, of: Int(prediction)))
  }
}

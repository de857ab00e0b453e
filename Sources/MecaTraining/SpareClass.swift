import MecaCore
import MecaImages
import MecaNN

/// What a network with spare classes says of one sample: outputs 0 to C − 1 are the set's classes, C
/// to 2C − 1 a spare one for each of them.
public struct SpareAnswer: SampleAnswer, Equatable {
  /// log p of the spare class of the label that was asked about, less that of the best real class.
  public var excess: Float
  /// The best real class: what the image shows, whatever trigger the spare class has taken up.
  public var content: Int32

  /// All values.
  public init(excess: Float, content: Int32) {
    (self.excess, self.content) = (excess, content)
  }

  /// From a sample's logits.
  init(logits: UnsafeBufferPointer<Float>, label: Int) {
    let classCount = logits.count / 2
    var best = 0
    for place in 1..<classCount where logits[place] > logits[best] { best = place }
    self.init(excess: logits[label + classCount] - logits[best], content: Int32(best))
  }

  /// Whether the network's outputs were numbers.
  public var isFinite: Bool { excess.isFinite }

  /// A list as a snapshot holds it.
  public static func columns(of list: [SpareAnswer]) -> Columns {
    var columns = Columns()
    columns["excesses"] = .floats(list.map(\.excess))
    columns["contents"] = .integers(list.map(\.content))
    return columns
  }

  /// The list that a snapshot holds.
  public static func list(in columns: Columns) throws -> [SpareAnswer] {
    let excesses = try columns.floats("excesses")
    let contents = try columns.integers("contents")
    guard excesses.count == contents.count else { throw MissingColumn(name: "contents") }
    return zip(excesses, contents).map { SpareAnswer(excess: $0, content: $1) }
  }
}

extension TrainingSession {
  /// What a network with spare classes says of some given samples.
  ///
  /// - Ranks: collective.
  /// - Parameter labels: the label whose spare class is asked about, one for every sample of the set.
  public func spareClasses(
    _ model: Model, on data: GivenData, _ indices: [Int32], labels: [Int32]
  ) throws -> [SpareAnswer] {
    try SamplePass(self, "spare", .judging, model, over: data.images) { pixels in
      try SpareVisitor(pixels, model: model, labels: labels)
    }.run(indices)
  }
}

/// A forward pass in evaluation mode.
private final class SpareVisitor: BatchVisitor {
  private let lane: Lane
  private let labels: [Int32]
  private let pixels: PixelLoader
  private var batchLabels: [Int32] = []

  init(_ pixels: PixelLoader, model: Model, labels: [Int32]) throws {
    precondition(model.configuration.classCount % 2 == 0, "a network without spare classes")
    lane = try Lane(
      model: model, microbatch: TrainingSession.evaluationBatch, training: false,
      inputGradient: false)
    self.labels = labels
    self.pixels = pixels
  }

  func visit(_ indices: [Int32], thread: Int) {
    for (slot, index) in indices.enumerated() {
      pixels.load(Int(index), thread: thread, to: lane.images.pointer, slot: slot)
    }
    batchLabels = indices.map { labels[Int($0)] }
    lane.infer()
  }

  func record(_ slot: Int) -> SpareAnswer {
    SpareAnswer(logits: lane.logits(of: slot), label: Int(batchLabels[slot]))
  }
}

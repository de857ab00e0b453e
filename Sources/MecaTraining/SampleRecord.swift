import MecaCore
import MecaImages
import MecaMPI
import MecaNN

/// What a pass gives for each sample: a few numbers.
public protocol SampleAnswer: BitwiseCopyable, Sendable {
  /// Whether the network's outputs were numbers.
  var isFinite: Bool { get }
  /// A list as a snapshot holds it.
  static func columns(of list: [Self]) -> Columns
  /// The list that a snapshot holds.
  ///
  /// - Throws: `MissingColumn`.
  static func list(in columns: Columns) throws -> [Self]
}

/// What the model says of one sample with its given label.
public struct SampleRecord: SampleAnswer, Equatable {
  /// Cross entropy to the given label, nats.
  public var loss: Float
  /// KL(p(x) ‖ p(x*)) under the perturbation, nats; 0 where it was not asked for.
  public var divergence: Float
  /// Class with the largest logit.
  public var prediction: Int32
  /// Softmax probability of that class.
  public var confidence: Float
  /// Whether the network's outputs were numbers.
  public var isFinite: Bool { loss.isFinite && divergence.isFinite }

  /// All values.
  public init(loss: Float, divergence: Float = 0, prediction: Int32, confidence: Float = 0) {
    self.loss = loss
    self.divergence = divergence
    self.prediction = prediction
    self.confidence = confidence
  }
}

extension SampleRecord {
  /// A list as a snapshot holds it.
  public static func columns(of list: [SampleRecord]) -> Columns {
    var columns = Columns()
    columns["losses"] = .floats(list.map(\.loss))
    columns["divergences"] = .floats(list.map(\.divergence))
    columns["predictions"] = .integers(list.map(\.prediction))
    columns["confidences"] = .floats(list.map(\.confidence))
    return columns
  }

  /// The list that a snapshot holds.
  public static func list(in columns: Columns) throws -> [SampleRecord] {
    let losses = try columns.floats("losses")
    let divergences = try columns.floats("divergences")
    let predictions = try columns.integers("predictions")
    let confidences = try columns.floats("confidences")
    guard Set([losses.count, divergences.count, predictions.count, confidences.count]).count == 1
    else { throw MissingColumn(name: "losses") }
    return losses.indices.map {
      SampleRecord(
        loss: losses[$0], divergence: divergences[$0], prediction: predictions[$0],
        confidence: confidences[$0])
    }
  }
}

/// A planned pass over samples in evaluation mode, with its lanes; may run any number of times.
///
/// - Ranks: every rank has one, and runs it together with the others.
public struct SamplePass<Answer: SampleAnswer> {
  fileprivate let session: TrainingSession
  fileprivate let pixels: PixelLoader
  fileprivate let lanes: [any BatchVisitor<Answer>]
  fileprivate let name: String
  private let work: Forecast.Work
  private let network: NetworkConfiguration

  /// - Parameter work: what is done with an image of `set`, for whoever wants to know how far it is.
  init(
    _ session: TrainingSession, _ name: String, _ work: Forecast.Work, _ model: Model,
    over set: any ImageSet, makeLane: (PixelLoader) throws -> any BatchVisitor<Answer>
  ) throws {
    self.session = session
    self.name = name
    self.work = work
    network = model.configuration
    let pixels = PixelLoader(set: set, threads: session.compute.threads)
    self.pixels = pixels
    lanes = try (0..<session.compute.threads).map { _ in try makeLane(pixels) }
  }

  /// Batches that each thread visits between two looks at whether a snapshot is due.
  private static var batchesOfALeg: Int { 16 }
  /// Places of a leg.
  private var leg: Int {
    Self.batchesOfALeg * TrainingSession.evaluationBatch * session.communicator.size
      * session.compute.threads
  }

  /// One record for each place of `indices`, equal on all ranks.
  ///
  /// Within a stage it leaves snapshots behind, and goes on from one.
  ///
  /// - Ranks: collective.
  /// - Throws: `RemoteFailure` with `NonFiniteOutput` if a record is no number, with `FileError` if
  ///   an image could not be read any more, with `StoppedRun`.
  public func run(_ indices: [Int32]) throws -> [Answer] {
    session.report?.beginPass()
    return try session.act("\(name) \(indices.count)") {
      Answer.columns(of: $0)
    } decode: {
      session.report?.skip(work, indices.count, network)
      return try Answer.list(in: $0)
    } compute: { act in
      try session.traced("\(name), \(indices.count) samples", .pass) { try run(indices, act) }
    }
  }

  private func run(_ indices: [Int32], _ act: StageProgress.Act?) throws -> [Answer] {
    var records = try act?.within.map { try Answer.list(in: $0) } ?? []
    session.report?.skip(work, records.count, network)
    while records.count < indices.count {
      let places = records.count..<min(records.count + leg, indices.count)
      let part = Array(indices[places])
      let answers = try session.visit(part, lanes: lanes, pixels)
      try session.requireFinite(answers, of: part, pixels, name)
      records += answers
      session.report?.add(work, places.count, network, done: records.count, of: indices.count)
      try session.requireReadable(pixels.fault)
      try session.stopIfAsked(act) { Answer.columns(of: records) }
      if let act {
        try session.progress?.snapshotIfDue(act) { Answer.columns(of: records) }
      }
    }
    return records
  }

  /// The same within another act.
  ///
  /// Nothing is recorded of it, and it is not gone on from. Numbers that are none are given back as
  /// such.
  ///
  /// - Ranks: collective.
  /// - Parameter betweenLegs: called on every rank between two legs, and at the end.
  /// - Throws: `RemoteFailure` with `FileError` if an image could not be read any more; what
  ///   `betweenLegs` throws.
  func answers(_ indices: [Int32], betweenLegs: () throws -> Void) throws -> [Answer] {
    var records: [Answer] = []
    while records.count < indices.count {
      let places = records.count..<min(records.count + leg, indices.count)
      records += try session.visit(Array(indices[places]), lanes: lanes, pixels)
      session.report?.addTested(places.count, network)
      try session.requireReadable(pixels.fault)
      try betweenLegs()
    }
    return records
  }
}

extension TrainingSession {
  /// Ends the run if an image could not be read on some rank: zeros took its place.
  ///
  /// - Ranks: collective.
  /// - Throws: `RemoteFailure` on all ranks with the `FileError` of the first rank that met one.
  func requireReadable(_ fault: FileError?) throws {
    try communicator.collectively { if let fault { throw fault } }
  }
}

extension TrainingSession {
  /// Visits the samples `indices` of a set in fixed batches, each batch on one rank, and brings
  /// the records together on every rank.
  ///
  /// Batch b holds places [32·b, 32·(b+1)) of `indices` whatever the number of ranks; every place
  /// is visited exactly once. The last batch is filled up with copies of its first sample, whose
  /// results are dropped.
  ///
  /// - Ranks: collective.
  /// - Returns: one record for each place of `indices`, equal on all ranks.
  fileprivate func visit<Answer: SampleAnswer>(
    _ indices: [Int32], lanes: [any BatchVisitor<Answer>], _ pixels: PixelLoader
  ) throws -> [Answer] {
    try gathered(indices, each: 1) { thread, batch in
      lanes[thread].visit(batch, thread: thread)
    } put: { thread, slot, record in
      record.pointee = lanes[thread].record(slot)
    }
  }

  /// What visits of fixed batches give for each sample, `width` elements each, together on every rank.
  ///
  /// - Ranks: collective.
  /// - Parameters:
  ///   - visit: computes a batch of samples on a thread.
  ///   - put: writes the elements of a slot of the thread's batch.
  func gathered<Element: BitwiseCopyable & Sendable>(
    _ indices: [Int32], each width: Int, visit: (_ thread: Int, _ batch: [Int32]) -> Void,
    put: (_ thread: Int, _ slot: Int, UnsafeMutablePointer<Element>) -> Void
  ) throws -> [Element] {
    let split = BatchSplit(
      samples: indices.count, batch: Self.evaluationBatch, ranks: communicator.size)
    let own = split.places(ofRank: communicator.rank)
    let elements = AlignedStorage<Element>(count: own.count * width)
    onEachThread { thread in
      for batch in split.batches(
        ofRank: communicator.rank, thread: thread, threads: compute.threads)
      {
        let places = split.places(ofBatch: batch)
        visit(
          thread,
          (0..<split.batch).map { indices[places.lowerBound + ($0 < places.count ? $0 : 0)] })
        for slot in 0..<places.count {
          let place = places.lowerBound + slot - own.lowerBound
          put(thread, slot, elements.pointer + place * width)
        }
      }
    }
    return try communicator.allGather(
      local: elements.array,
      counts: (0..<communicator.size).map { split.places(ofRank: $0).count * width })
  }

  /// Ends the run where an answer is no number.
  ///
  /// - Ranks: collective; all have the same answers.
  /// - Throws: `RemoteFailure` with `NonFiniteOutput`.
  fileprivate func requireFinite<Answer: SampleAnswer>(
    _ answers: [Answer], of indices: [Int32], _ pixels: PixelLoader, _ name: String
  ) throws {
    guard let place = answers.firstIndex(where: { !$0.isFinite }) else { return }
    try communicator.collectively {
      throw NonFiniteOutput(
        sample: Int(indices[place]), path: pixels.path(at: Int(indices[place])),
        pass: progress.map { "\($0.key), \(name)" } ?? name)
    }
  }
}

/// A network gave something that is no number, though its weights are numbers.
public struct NonFiniteOutput: ReportableError {
  /// Index of the first such sample.
  public let sample: Int
  /// Where it comes from.
  public let path: String
  /// The stage and what was asked of the network.
  public let pass: String

  /// The process's exit status.
  public var exitCode: ExitCode { .badData }

  /// One line for people.
  public var description: String {
    "\(pass): the model's output for sample \(sample) (\(path)) is not a number: its weights have grown too large; "
      + "lower the learning rates, or check the model file"
  }
}

/// How the places of a list are cut into fixed batches and the batches are dealt to ranks and
/// threads; every place belongs to exactly one batch, every batch to one thread of one rank.
///
/// Example: 70 samples in batches of 32 on 2 ranks: batches 0–31, 32–63, 64–69; rank 0 has the
/// first two, rank 1 the last.
package struct BatchSplit {
  /// Number of places.
  package let samples: Int
  /// Places of a batch; the last may have fewer.
  package let batch: Int
  /// Number of ranks.
  package let ranks: Int

  /// A split of `samples` places.
  package init(samples: Int, batch: Int, ranks: Int) {
    precondition(samples >= 0 && batch > 0 && ranks > 0, "\(samples), \(batch), \(ranks)")
    self.samples = samples
    self.batch = batch
    self.ranks = ranks
  }

  private func batches(ofRank rank: Int) -> Range<Int> {
    evenSplit(0..<(samples + batch - 1) / batch, parts: ranks, part: rank)
  }

  /// The batches that one thread of a rank computes.
  package func batches(ofRank rank: Int, thread: Int, threads: Int) -> Range<Int> {
    evenSplit(batches(ofRank: rank), parts: threads, part: thread)
  }

  /// The places of one batch.
  package func places(ofBatch number: Int) -> Range<Int> {
    number * batch..<min((number + 1) * batch, samples)
  }

  /// The places of all batches of a rank.
  package func places(ofRank rank: Int) -> Range<Int> {
    let own = batches(ofRank: rank)
    return min(own.lowerBound * batch, samples)..<min(own.upperBound * batch, samples)
  }
}

/// Computes the records of one batch on one thread's lane.
protocol BatchVisitor<Answer>: AnyObject {
  /// What it computes of each sample.
  associatedtype Answer: SampleAnswer
  /// Computes a full batch of samples.
  func visit(_ indices: [Int32], thread: Int)
  /// The record of sample `slot` of the batch visited last.
  func record(_ slot: Int) -> Answer
}

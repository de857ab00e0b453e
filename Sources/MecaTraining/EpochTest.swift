import MecaAttacks
import MecaCore
import MecaDatasets
import MecaImages
import MecaNN

/// Test images that the models of a run are asked about after each epoch, so that their course is seen.
///
/// A fixed part of the test set, and of the triggered test images where there are some: the same for
/// all models of a run. Nothing comes of the answers but lines in the log and in the metrics.
public struct EpochTest: Sendable {
  private let clean: any ImageSet
  private let cleanIndices: [Int32]
  private let triggered: (any TriggeredSet)?
  private let victims: [Int32]

  /// Draws the images, of every class as many as of the others, as far as they go.
  ///
  /// - Ranks: local, and the same on every rank.
  /// - Parameters:
  ///   - count: clean test images, and of the triggered ones that the attack claims to move just as
  ///     many at most.
  ///   - seed: the run's seed.
  /// - Returns: nil where nothing is to be asked about.
  public init?(_ data: TrainingData, count: Int, seed: UInt64) {
    self.init(clean: data.test, triggered: data.triggered, count: count, seed: seed)
  }

  /// The same of sets.
  package init?(
    clean: any ImageSet, triggered: (any TriggeredSet)?, count: Int, seed: UInt64
  ) {
    func chosen(_ set: any ImageSet, _ key: StageKey, _ isWanted: (Int) -> Bool) -> [Int32] {
      let places = (0..<set.count).filter(isWanted)
      return evenSelection(
        places.map { set.label(at: $0) }, count: count, seed: key.seed(of: seed)
      ).map { Int32(places[$0]) }
    }
    let key = StageKey("epoch test")
    cleanIndices = chosen(clean, key.appending("clean")) { _ in true }
    victims =
      triggered.map { set in
        chosen(set, key.appending("triggered")) { set.isVictim(at: $0) }
      } ?? []
    guard !cleanIndices.isEmpty || !victims.isEmpty else { return nil }
    self.clean = clean
    self.triggered = victims.isEmpty ? nil : triggered
  }

  /// Images of one test.
  public var imageCount: Int { cleanIndices.count + victims.count }

  /// What a model made of the images.
  struct Answers {
    /// Clean images that were recognised.
    var accuracy: HitCount
    /// Mean cross entropy of the clean images, nats.
    var loss: Double
    /// Triggered images that were taken for the target; nil without any.
    var attackSuccess: HitCount?
    /// How long it took.
    var seconds: Double

    /// For an epoch's line in the metrics.
    var metrics: [String: MetricValue] {
      var metrics: [String: MetricValue] = ["test_seconds": .number(seconds)]
      if let rate = accuracy.rate {
        metrics["test_acc"] = .number(rate)
        metrics["test_acc_samples"] = .integer(accuracy.count)
        metrics["test_loss"] = .number(loss)
      }
      if let attackSuccess, let rate = attackSuccess.rate {
        metrics["test_asr"] = .number(rate)
        metrics["test_asr_samples"] = .integer(attackSuccess.count)
      }
      return metrics
    }

    /// For an epoch's line in the log.
    var words: String {
      [("test ACC", accuracy.rate), ("ASR", attackSuccess?.rate)].compactMap { name, rate in
        rate.map { "\(name) \(fixed($0 * 100, 1)) %" }
      }.joined(separator: ", ")
    }
  }

  /// A test whose lanes are planned; may be run after any epoch of one model.
  struct Planned {
    private let test: EpochTest
    private let session: TrainingSession
    private let clean: SamplePass<SampleRecord>
    private let triggered: SamplePass<SampleRecord>?

    /// - Ranks: local.
    /// - Throws: `EngineError` where the engine refuses a shape.
    init(_ test: EpochTest, of model: Model, _ session: TrainingSession) throws {
      self.test = test
      self.session = session
      let lanes = try (0..<session.compute.threads).map { _ in
        try InferenceVisitor.lane(of: model)
      }
      clean = try session.evaluation(on: test.clean, lanes: lanes)
      triggered = try test.triggered.map { try session.evaluation(on: $0, lanes: lanes) }
    }

    /// Asks the model; losses that are no numbers make a mean that is none, and end nothing.
    ///
    /// - Ranks: collective; every rank returns the same.
    /// - Parameter betweenLegs: called on every rank now and then, to end early by throwing.
    /// - Throws: `RemoteFailure` with `FileError` if an image could not be read any more; what
    ///   `betweenLegs` throws.
    func run(betweenLegs: () throws -> Void) throws -> Answers {
      let begin = session.journal.seconds
      let answers = try clean.answers(test.cleanIndices, betweenLegs: betweenLegs)
      let isRight = zip(test.cleanIndices, answers).map { index, answer in
        answer.isFinite && Int(answer.prediction) == test.clean.label(at: Int(index))
      }
      var success: HitCount?
      if let triggered, let target = test.triggered?.target {
        let answers = try triggered.answers(test.victims, betweenLegs: betweenLegs)
        success = HitCount(
          hits: answers.count { $0.isFinite && Int($0.prediction) == target },
          count: answers.count)
      }
      return Answers(
        accuracy: HitCount(hits: isRight.count { $0 }, count: isRight.count),
        loss: answers.reduce(0) { $0 + Double($1.loss) } / Double(max(1, answers.count)),
        attackSuccess: success, seconds: session.journal.seconds - begin)
    }
  }
}

/// `count` places of a list of labels, of each label as many as of the others, as far as they go.
///
/// Each label's places are shuffled; one of each label is taken in turn, the lowest label first.
///
/// - Ranks: local, and the same on every rank.
/// - Returns: places, ascending; all where there are no more than `count`.
package func evenSelection(_ labels: [Int], count: Int, seed: UInt64) -> [Int] {
  let turns = Dictionary(grouping: labels.indices) { labels[$0] }.flatMap { label, places in
    var random = KeyedRandom(seed: seed, purpose: .testSelection, label)
    return random.permutation(count: places.count).enumerated().map {
      (turn: $0.offset, label: label, place: places[$0.element])
    }
  }
  return turns.sorted { ($0.turn, $0.label) < ($1.turn, $1.label) }.prefix(max(0, count))
    .map(\.place).sorted()
}

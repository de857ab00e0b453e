import Foundation
import MecaAttacks
import MecaCore
import MecaFormats
import MecaImages
import MecaMPI
import MecaNN
import MecaTestSupport
import MecaTraining
import Synchronization
import Testing

/// What models are asked about after each epoch.
@MainActor @Suite(.serialized) struct EpochTestTests {
  @Test func everyClassHasItsShare() {
    // Of 0 seven, of 1 two, of 2 five.
    let labels = [0, 1, 2, 0, 2, 0, 2, 0, 1, 2, 0, 0, 2, 0]
    func sizes(_ count: Int) -> [Int] {
      let chosen = evenSelection(labels, count: count, seed: 4)
      #expect(chosen == Set(chosen).sorted(), "each once, ascending")
      return (0..<3).map { label in chosen.count { labels[$0] == label } }
    }
    #expect(sizes(0) == [0, 0, 0])
    #expect(sizes(3) == [1, 1, 1])
    #expect(sizes(7) == [3, 2, 2], "who is left over is of the lowest label")
    #expect(sizes(10) == [4, 2, 4], "a small class gives what it has")
    #expect(sizes(99) == [7, 2, 5])
    #expect(evenSelection(labels, count: 6, seed: 4) == evenSelection(labels, count: 6, seed: 4))
    #expect(evenSelection(labels, count: 6, seed: 4) != evenSelection(labels, count: 6, seed: 5))
  }

  private static let training = ShapesSet(seed: 3, split: .train, count: 48)
  private static let clean = ShapesSet(seed: 3, split: .test, count: 70)

  /// The test set's images of other classes, as if each had a trigger.
  private static let triggered: StoredTriggeredSet = {
    let places = (0..<clean.count).filter { clean.label(at: $0) != 2 }
    let shape = clean.imageShape
    return StoredTriggeredSet(
      base: MemorySet(
        name: "triggered", classNames: clean.classNames, imageShape: shape,
        labels: places.map { clean.label(at: $0) },
        images: places.flatMap { try! clean.image(at: $0) }),
      target: 2, testIndices: places.map { Int32($0) }, attack: nil)
  }()

  /// A training of three epochs in a stage, followed by `test`; its weights and lines of the metrics.
  private func train(
    on set: any ImageSet = Self.training, _ test: EpochTest?, in folder: TestFolder,
    stopRequests: StopRequests = .none
  ) throws -> (state: ModelState, model: Model, session: TrainingSession) {
    let session = try TrainingSession(
      communicator: try loneRank.get(),
      compute: ComputeConfiguration(
        batch: 8, shards: 2, threads: 1, engine: .openblas, seed: 5),
      journal: try journal(SpokenLines(), metricsPath: folder.path + "/metrics.jsonl"),
      stopRequests: stopRequests)
    let labels = (0..<set.count).map { Int32(set.label(at: $0)) }
    let store = try StageStore(
      folder: folder.path, runSettings: ["run"], resume: .auto, interval: .zero)
    let model = try Model(thinNetwork(set), engine: session.engine, seed: 9)
    let state = try session.stage(StageKey("test"), ["settings"], after: [], store: store) { key in
      try session.train(
        model, on: set, .learning((0..<48).map { Int32($0) }, labels: labels),
        TrainingRecipe(epochs: 3, learningRate: 0.05, schedule: .cosine), key: key, test: test)
      return model.state
    }.state
    return (state, model, session)
  }

  /// What the metrics say of each epoch, the last word on it.
  private func epochs(_ folder: TestFolder) throws -> [Int: [String: Double]] {
    let lines = try Data(contentsOf: URL(fileURLWithPath: folder.path + "/metrics.jsonl"))
    return try lines.split(separator: 10).reduce(into: [:]) { epochs, line in
      let object = try #require(
        try JSONSerialization.jsonObject(with: Data(line)) as? [String: Any])
      let time = try #require(object["time"] as? String)
      #expect(time.hasSuffix("Z") && time.contains("T"), "\(time)")
      guard object["event"] as? String == "epoch" else { return }
      epochs[try #require(object["epoch"] as? Int)] = object.compactMapValues { $0 as? Double }
    }
  }

  private func wholeTest() throws -> EpochTest {
    try #require(EpochTest(clean: Self.clean, triggered: Self.triggered, count: 1000, seed: 1))
  }

  @Test func testsChangeNoBitAndSayWhatAnEvaluationSays() throws {
    let (without, with) = (try TestFolder(), try TestFolder())
    let plain = try train(nil, in: without)
    let tested = try train(wholeTest(), in: with)
    #expect(plain.state == tested.state)
    let (bare, lines) = (try epochs(without), try epochs(with))
    #expect(bare.count == 3 && lines.count == 3)
    #expect(bare.values.allSatisfy { $0["test_acc"] == nil && $0["test_asr"] == nil })
    for epoch in 1...3 {
      let line = try #require(lines[epoch])
      #expect(line["step"] == Double(6 * epoch) && line["epochs"] == 3)
      #expect(line["test_acc_samples"] == 70)
      #expect(line["test_asr_samples"] == Double(Self.triggered.count))
      #expect(line["loss"] == bare[epoch]?["loss"])
    }
    // cos of 17 of 18 steps; see LearningRateSchedule.
    let last = try #require(lines[3]?["learning_rate"])
    #expect(abs(last - 0.025 * (1 + cos(Double.pi * 17 / 18))) < 1e-8, "\(last)")
    let (model, session) = (tested.model, tested.session)
    let accuracy = try session.accuracy(model, on: Self.clean).all
    #expect(lines[3]?["test_acc"] == accuracy.rate)
    let losses = try session.evaluate(model, on: Self.clean).map { Double($0.loss) }
    #expect(lines[3]?["test_loss"] == losses.reduce(0, +) / 70)
    let success = try session.attackSuccess(model, on: Self.triggered).victims
    #expect(lines[3]?["test_asr"] == success.rate)
    #expect(Set(lines.values.map { $0["test_loss"] }).count == 3, "of the weights of each epoch")
  }

  @Test func aPartIsThatPart() throws {
    let folder = try TestFolder()
    let test = try #require(
      EpochTest(clean: Self.clean, triggered: Self.triggered, count: 40, seed: 1))
    #expect(test.imageCount == 80)
    _ = try train(test, in: folder)
    #expect(try epochs(folder)[3]?["test_acc_samples"] == 40)
    #expect(EpochTest(clean: Self.clean, triggered: Self.triggered, count: 0, seed: 1) == nil)
  }

  /// Stopped at each question in turn, also in the middle of a test: what is said of every epoch is
  /// what an undisturbed training says.
  @Test func aTestGoesOnWhereARunWasStopped() throws {
    let whole = try TestFolder()
    let undisturbed = try train(wholeTest(), in: whole)
    let expected = try epochs(whole).mapValues {
      [$0["test_acc"], $0["test_loss"], $0["test_asr"]]
    }
    let folder = try TestFolder()
    var places: [String] = []
    while places.count < 60 {
      let questions = Atomic<Int>(0)
      let requests = StopRequests { _ in
        questions.add(1, ordering: .relaxed).newValue >= 6 ? .signal(SIGUSR1) : nil
      }
      do {
        let again = try train(wholeTest(), in: folder, stopRequests: requests)
        #expect(again.state == undisturbed.state)
        break
      } catch let stop as RemoteFailure {
        #expect(stop.exitCode == .requeue)
        places.append(stop.message)
      }
    }
    #expect(places.contains { $0.contains(", test: everything so far is saved") }, "\(places)")
    let lines = try epochs(folder).mapValues { [$0["test_acc"], $0["test_loss"], $0["test_asr"]] }
    #expect(lines == expected)
  }
}

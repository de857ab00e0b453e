import Foundation
import MecaCore
import MecaFormats
import MecaImages
import MecaMPI
import MecaNN
import MecaTestSupport
import MecaTraining
import Synchronization
import Testing

/// What a run that ends in the middle of a stage leaves behind, and how the next one goes on.
///
/// The end comes from images that cannot be read any more after so many reads, which stops training
/// and passes between any two steps. Snapshots are taken after every step.
@MainActor @Suite(.serialized) struct SnapshotTests {
  /// A set that fails after `limit` reads.
  final class FailingSet: DerivedSet, Sendable {
    let base: any ImageSet
    private let limit: Int
    private let reads = Atomic<Int>(0)

    init(_ base: any ImageSet, limit: Int = .max) { (self.base, self.limit) = (base, limit) }

    func copyImage(at index: Int, into image: inout MutableSpan<UInt8>) throws(FileError) {
      guard reads.add(1, ordering: .relaxed).newValue <= limit else {
        throw .missing(path: "image", hint: "gone")
      }
      try base.copyImage(at: index, into: &image)
    }
  }

  /// What the stage below leaves behind.
  struct State: StageState, Equatable {
    var model: ModelState
    var losses: [Float]
    var decided: [Int32]

    init(model: ModelState, losses: [Float], decided: [Int32]) {
      (self.model, self.losses, self.decided) = (model, losses, decided)
    }

    init(columns: Columns) throws {
      model = try ModelState(columns: columns)
      losses = try columns.floats("losses")
      decided = try columns.integers("decided")
    }

    var columns: Columns {
      var columns = model.columns
      columns["losses"] = .floats(losses)
      columns["decided"] = .integers(decided)
      return columns
    }
  }

  static let set = ShapesSet(seed: 3, split: .train, count: 600)
  let key = StageKey("test")

  /// A stage of two trainings, two passes and a decision, each of which the next depends on.
  func run(
    _ set: FailingSet, in folder: TestFolder, every: Duration = .zero,
    _ spoken: SpokenLines = SpokenLines(), stopRequests: StopRequests = .none
  ) throws -> State {
    let session = try session(spoken, stopRequests: stopRequests)
    let labels = (0..<set.count).map { Int32(set.label(at: $0)) }
    let all = (0..<Int32(set.count)).map { $0 }
    let store = try StageStore(
      folder: folder.path, runSettings: ["run"], resume: .auto, interval: every)
    return try session.stage(key, ["settings"], after: [], store: store) { key in
      let model = try Model(thinNetwork(set), engine: session.engine, seed: 9)
      func train(_ indices: [Int32], _ name: String) throws {
        try session.train(
          model, on: set, .learning(indices, labels: labels),
          TrainingRecipe(epochs: 2, learningRate: 0.02, schedule: .cosine), key: key.appending(name)
        )
      }
      try train(Array(all.prefix(40)), "first")
      let before = try session.evaluate(model, on: set, indices: all, labels: labels)
      let worst = try session.decided {
        all.sorted { (-before[Int($0)].loss, $0) < (-before[Int($1)].loss, $1) }.prefix(24).map(
          \.self)
      }
      try train(worst, "second")
      let after = try session.score(
        model, on: set, indices: all, labels: labels, perturbation: PerturbationConfiguration(),
        key: key)
      return State(
        model: model.state, losses: before.map(\.loss) + after.map(\.divergence), decided: worst)
    }.state
  }

  static let undisturbed = Result {
    try SnapshotTests().run(FailingSet(set), in: TestFolder())
  }

  /// Reads: 80 in the first training, 608 in the first pass, 48 in the second, 608 in the last.
  @Test(arguments: [3, 8, 41, 79, 85, 300, 650, 700, 735, 760, 1300])
  func aStageGoesOnWhereItWas(limit: Int) throws {
    let folder = try TestFolder()
    let spoken = SpokenLines()
    #expect(throws: (any Error).self) {
      try run(FailingSet(Self.set, limit: limit), in: folder)
    }
    let again = FailingSet(Self.set)
    #expect(try run(again, in: folder, spoken) == Self.undisturbed.get())
    let hasSnapshots = limit >= 8
    #expect(spoken.lines.contains { $0.contains("goes on from the checkpoints") } == hasSnapshots)
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).count == 1)
  }

  /// Stopped at its ninth question, again and again: each time it goes on from that very moment, and
  /// no snapshot was due before.
  @Test func aStageThatIsStoppedOftenLosesNothing() throws {
    let folder = try TestFolder()
    var places: [String] = []
    while places.count < 100 {
      let questions = Atomic<Int>(0)
      do {
        let requests = StopRequests { _ in
          questions.add(1, ordering: .relaxed).newValue >= 9 ? .signal(SIGUSR1) : nil
        }
        let state = try run(
          FailingSet(Self.set), in: folder, every: .seconds(600), stopRequests: requests)
        #expect(try state == Self.undisturbed.get())
        break
      } catch let stop as RemoteFailure {
        #expect(stop.exitCode == .requeue)
        #expect(stop.message.hasPrefix("stopped by SIGUSR1 in test"), "\(stop.message)")
        #expect(stop.message.contains("everything so far is saved"), "\(stop.message)")
        places.append(stop.message)
      }
    }
    // 10 and 6 steps of training, 2 and 2 legs of passes, and the moments between.
    #expect((4..<12).contains(places.count), "\(places)")
    #expect(
      places.count { $0.contains("epoch ") } >= 2 && Set(places).count >= 3, "\(places)")
  }

  /// A disk that takes nothing does not keep a run from ending, and it is said.
  @Test func aStopThatCannotSaveSaysSo() throws {
    let folder = try TestFolder()
    try Data().write(to: URL(fileURLWithPath: folder.path + "/test.running"))
    let questions = Atomic<Int>(0)
    let requests = StopRequests { _ in
      questions.add(1, ordering: .relaxed).newValue >= 5 ? .deadline : nil
    }
    let error = #expect(throws: RemoteFailure.self) {
      try run(FailingSet(Self.set), in: folder, every: .seconds(600), stopRequests: requests)
    }
    #expect(error?.exitCode == .requeue)
    #expect(error?.message.contains("the last steps could not be saved") == true)
    #expect(error?.message.hasPrefix("the deadline is near in test, epoch 1, step ") == true)
  }

  /// Only what came after the last snapshot is computed again.
  @Test func nothingIsComputedTwice() throws {
    let folder = try TestFolder()
    #expect(throws: (any Error).self) { try run(FailingSet(Self.set, limit: 720), in: folder) }
    let spoken = SpokenLines()
    // 4 of 6 steps of 8 in the second training are done: 2 steps and the last pass are left.
    let rest = FailingSet(Self.set, limit: 16 + 608)
    #expect(try run(rest, in: folder, spoken) == Self.undisturbed.get())
    #expect(spoken.lines.contains { $0.contains("test/second: goes on in epoch 2, step 1") })
    #expect(!spoken.lines.contains { $0.contains("first: epoch") })
  }

  /// Where the newest generation is torn, the one before it is taken; without both the training
  /// begins anew.
  @Test(arguments: [1, 2])
  func aTornGenerationFallsBack(torn: Int) throws {
    let folder = try TestFolder()
    #expect(throws: (any Error).self) { try run(FailingSet(Self.set, limit: 45), in: folder) }
    let place = folder.path + "/test.running/"
    let generations = ["within-0", "within-1"].map { place + $0 + ".safetensors" }
    let times = try generations.map {
      try FileManager.default.attributesOfItem(atPath: $0)[.modificationDate] as? Date
    }
    #expect(times.allSatisfy { $0 != nil })
    let newest = (times[0] ?? .distantPast) > (times[1] ?? .distantPast) ? 0 : 1
    for generation in [newest, 1 - newest].prefix(torn) {
      let bytes = try readFile(at: generations[generation])
      try writeWhole(Data(bytes.dropLast(7)), to: generations[generation])
    }
    let spoken = SpokenLines()
    #expect(try run(FailingSet(Self.set), in: folder, spoken) == Self.undisturbed.get())
    #expect(spoken.lines.filter { $0.contains("what it held is computed again") }.count == torn)
    // 5 steps of 8 were done.
    #expect(spoken.lines.contains { $0.contains("goes on in epoch 1, step 4") } == (torn == 1))
  }

  /// Acts recorded under other settings are not taken; long intervals write nothing in between.
  @Test func snapshotsOfOtherSettingsAreNotTakenAndQuickStagesWriteNone() throws {
    let folder = try TestFolder()
    #expect(throws: (any Error).self) { try run(FailingSet(Self.set, limit: 700), in: folder) }
    let place = folder.path + "/test.running"
    let names = try FileManager.default.contentsOfDirectory(atPath: place)
    #expect(names.contains { $0.hasPrefix("done-") } && names.contains { $0.hasPrefix("within-") })
    let store = try StageStore(
      folder: folder.path, runSettings: ["run"], resume: .auto, interval: .zero)
    var isComputed = false
    _ = try session().stage(key, ["other settings"], after: [], store: store) { _ in
      isComputed = true
      return IndexList([1])
    }
    #expect(isComputed)
    let quick = try TestFolder()
    #expect(throws: (any Error).self) {
      try run(FailingSet(Self.set, limit: 1300), in: quick, every: .seconds(600))
    }
    #expect(try FileManager.default.contentsOfDirectory(atPath: quick.path).isEmpty)
  }

  /// A disk that takes nothing costs a warning, not the run.
  @Test func whatCannotBeSavedIsSaidOnce() throws {
    let folder = try TestFolder()
    try writeWhole(Data(), to: folder.path + "/test.running")
    let spoken = SpokenLines()
    #expect(try run(FailingSet(Self.set), in: folder, spoken) == Self.undisturbed.get())
    #expect(spoken.lines.filter { $0.hasPrefix("warning") && $0.contains("lose more") }.count == 1)
  }
}

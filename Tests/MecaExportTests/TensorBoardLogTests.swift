import Foundation
import Logging
import MecaReport
import MecaTestSupport
import MecaTraining
import Testing

/// What the metrics of a run become for TensorBoard.
@Suite struct TensorBoardLogTests {
  private let folder: TestFolder
  private let run: RunFolder
  private let spoken = SpokenLines()

  init() throws {
    folder = try TestFolder()
    run = RunFolder(path: folder.path)
  }

  private func journal() throws -> Journal {
    let spoken = spoken
    return try Journal(
      metricsPath: run.metrics, isWriter: true, logger: Logger(label: "test") { _ in spoken })
  }

  private func note(_ journal: Journal, stage: String = "a/b", epoch: Int, loss: Double) {
    journal.record(
      "epoch",
      [
        "stage": .text(stage), "epoch": .integer(epoch), "epochs": .integer(9),
        "loss": .number(loss), "test_acc": .number(0.5), "reduce_bytes": .integer(7),
        "learning_rate": .number(.nan), "list": .numbers([1]),
      ])
  }

  private func losses(_ curve: String = "a/b") throws -> [[Double]] {
    let points = try readCurves(run.events)[curve]?["train/loss"] ?? []
    return points.map { [Double($0.step), Double($0.value)] }
  }

  @Test func eachNumberHasItsPlace() throws {
    let journal = try journal()
    let log = TensorBoardLog(run, journal: journal)
    journal.follower = { log.note($0) }
    note(journal, epoch: 1, loss: 2)
    journal.record("model", ["model": .text("Clean: model"), "acc": .number(0.75)])
    journal.record("stage", ["stage": .text("a"), "stage_seconds": .number(1)])
    journal.warn("nothing to draw")
    let curves = try readCurves(run.events)
    #expect(curves.keys.sorted() == ["a/b", "models/Clean_ model"])
    #expect(curves["a/b"]?.keys.sorted() == ["exchange/reduce_bytes", "test/acc", "train/loss"])
    #expect(curves["models/Clean_ model"]?["test/acc"]?.map(\.value) == [0.75])
  }

  /// Resumed twice, the second time with events; and what is told again is there once.
  @Test func aResumedRunHasEveryCurveOnce() throws {
    do {
      let journal = try journal()
      for epoch in 1...3 { note(journal, epoch: epoch, loss: Double(epoch)) }
    }
    for start in 1...2 {
      let journal = try journal()
      let log = TensorBoardLog(run, journal: journal)
      journal.follower = { log.note($0) }
      if start == 1 { #expect(try losses() == [[1, 1], [2, 2], [3, 3]]) }
      for epoch in 3...4 { note(journal, epoch: epoch, loss: Double(10 * start + epoch)) }
      let last = Double(10 * start)
      #expect(try losses() == [[1, 1], [2, 2], [3, last + 3], [4, last + 4]])
    }
    let files = try FileManager.default.contentsOfDirectory(atPath: run.events + "/a/b")
    #expect(files.count == 1 && spoken.lines.isEmpty)
    // A point has the time at which it was recorded, in a file that is written later too.
    let events = try readEvents(folder.bytes("events/a/b/" + files[0]))
    #expect(events.dropFirst(2).allSatisfy { $0.wallTime < events[0].wallTime + 60 })
    #expect(events[2].wallTime < events[0].wallTime)
  }

  @Test func whereNothingCanBeWrittenIsSaidOnce() throws {
    try writeAnew([], to: run.events)
    let journal = try journal()
    let log = TensorBoardLog(run, journal: journal)
    journal.follower = { log.note($0) }
    for epoch in 1...3 { note(journal, epoch: epoch, loss: 1) }
    #expect(spoken.lines.count == 1, "\(spoken.lines)")
    #expect(spoken.lines.first?.contains("events for TensorBoard are missing") == true)
  }

  @Test func foldersOfOthersStay() throws {
    try FileManager.default.createDirectory(
      atPath: run.events + "/mine", withIntermediateDirectories: true)
    let mine = run.events + "/mine/events.out.tfevents.1.host"
    let ours = run.events + "/mine/events.out.tfevents.1.meca-dist"
    for path in [mine, ours] { try writeAnew([], to: path) }
    _ = TensorBoardLog(run, journal: try journal())
    #expect(FileManager.default.fileExists(atPath: mine))
    #expect(!FileManager.default.fileExists(atPath: ours))
  }

  @Test(arguments: [
    ("meca/confirm findings/detector 1", "meca/confirm findings/detector 1"),
    ("../../x", "_/_/x"), ("a\u{1B}[2J:b", "a__2J_b"), ("/a//b/", "a/b"), ("日本 1", "日本 1"),
  ])
  func namesLeadNowhereElse(name: String, path: String) {
    #expect(folderName(name) == path)
  }
}

import Foundation
import MecaCore
import MecaNN
import MecaTraining
import Testing

/// What survives a killed run, and what is refused afterwards.
@MainActor @Suite(.serialized) struct CheckpointTests {
  struct Settings: Encodable { var epochs: Int }

  let state = PhaseState(tensors: [
    .list("losses", [1, -0.5, 3e-30]), NamedTensor(name: "w", shape: [2, 1], values: [4, 5]),
  ])

  func store(
    _ folder: TestFolder, run: Int = 1, resume: ResumePolicy = .auto
  ) throws -> CheckpointStore {
    let runFolder = RunFolder(path: folder.path)
    _ = try runFolder.prepare()
    return try CheckpointStore(
      folder: runFolder, runSettings: Settings(epochs: run), resume: resume)
  }

  @Test func aSavedStateComesBackWhole() throws {
    let folder = try TestFolder()
    let store = try store(folder)
    #expect(!store.holds("a", settings: Settings(epochs: 2)))
    #expect(try store.load("a", settings: Settings(epochs: 2)) == nil)
    try store.save(state, phase: "a", settings: Settings(epochs: 2))
    #expect(store.holds("a", settings: Settings(epochs: 2)))
    #expect(!store.holds("a", settings: Settings(epochs: 3)))
    #expect(try store.load("a", settings: Settings(epochs: 2))?.tensors == state.tensors)
    #expect(try store.load("b", settings: Settings(epochs: 2)) == nil)
    #expect(throws: FileError.self) { try store.load("a", settings: Settings(epochs: 3)) }
    let other = try self.store(folder, run: 2)
    #expect(!other.holds("a", settings: Settings(epochs: 2)))
    #expect(throws: FileError.self) { try other.load("a", settings: Settings(epochs: 2)) }
    let fresh = try self.store(folder, resume: .never)
    #expect(try fresh.load("a", settings: Settings(epochs: 2)) == nil)
  }

  @Test func everyDamageIsSeen() throws {
    let folder = try TestFolder()
    let store = try store(folder)
    try store.save(state, phase: "a", settings: Settings(epochs: 2))
    let whole = try readFile(at: store.path("a"))
    var damaged = [whole.dropLast(1), whole.prefix(20), whole.prefix(0)].map { Array($0) }
    for place in [0, 9, whole.count - 1] {
      var bytes = whole
      bytes[place] ^= 1
      damaged.append(bytes)
    }
    for bytes in damaged {
      try writeWhole(Data(bytes), to: store.path("a"))
      #expect(throws: FileError.self) { try store.load("a", settings: Settings(epochs: 2)) }
    }
    try writeWhole(Data(whole), to: store.path("a"))
    #expect(try store.load("a", settings: Settings(epochs: 2)) != nil)
  }

  @Test func aDamagedPhaseIsSaidAndComputedAgain() throws {
    let folder = try TestFolder()
    let store = try store(folder)
    let spoken = SpokenLines()
    let session = try session(spoken)
    var computed = 0
    func phase() throws -> PhaseState {
      try session.phase("a", settings: Settings(epochs: 2), checkpoints: store) {
        computed += 1
        return state
      }
    }
    #expect(try phase().tensors == state.tensors)
    #expect(try phase().tensors == state.tensors)
    #expect(computed == 1)
    #expect(spoken.lines.contains { $0.contains("a: taken from its checkpoint") })
    try writeWhole(Data(try readFile(at: store.path("a")).dropLast(2)), to: store.path("a"))
    #expect(try phase().tensors == state.tensors)
    #expect(computed == 2)
    #expect(spoken.lines.contains { $0.contains("warning") && $0.contains("computed again") })
    #expect(try store.load("a", settings: Settings(epochs: 2)) != nil)
  }

  @Test func theFolderIsPreparedAndCleared() throws {
    let folder = try TestFolder()
    let run = RunFolder(path: folder.path + "/new/inner")
    _ = try run.prepare()
    let kept = [run.metrics, run.run, run.checkpoints + "/a.safetensors", run.path + "/own.tmp"]
    let leftover = [run.path + "/result.json.77.tmp", run.checkpoints + "/a.safetensors.9.tmp"]
    let results = [run.result, run.suspects, run.scores, run.model]
    for path in kept + leftover + results { try writeWhole(Data("x".utf8), to: path) }
    _ = try run.prepare()
    try run.removeResults()
    let exists = FileManager.default.fileExists(atPath:)
    #expect(kept.allSatisfy(exists))
    #expect(!leftover.contains(where: exists))
    #expect(!results.contains(where: exists))
    try run.removeCheckpoints()
    #expect(!exists(run.checkpoints + "/a.safetensors") && exists(run.metrics))
    let file = folder.path + "/file"
    try writeWhole(Data(), to: file)
    let error = #expect(throws: FileError.self) { try RunFolder(path: file + "/run").prepare() }
    #expect(error?.exitCode == .inputOutput)
    #expect(error?.description.contains("Not a directory") == true, "\(String(describing: error))")
  }

  @Test func oneRunAtATimeWritesIntoAFolder() throws {
    let folder = try TestFolder()
    let run = RunFolder(path: folder.path)
    do {
      let lock = try run.prepare()
      withExtendedLifetime(lock) {
        let error = #expect(throws: UsageError.self) { try run.prepare() }
        #expect(error?.description.contains("another run is writing there") == true)
      }
    }
    #expect(throws: Never.self) { try run.prepare() }
  }

  @Test func theMetricsFileHasWholeLinesOnly() throws {
    let folder = try TestFolder()
    let path = folder.path + "/metrics.jsonl"
    try writeWhole(Data("{\"a\":1}\n{\"b\":".utf8), to: path)
    do {
      let journal = try journal(SpokenLines(), metricsPath: path)
      journal.record("epoch", ["loss": .number(.nan), "list": .numbers([1, .infinity])])
      journal.warn("one \"quoted\" text\nof two lines")
    }
    let lines = String(decoding: try readFile(at: path), as: UTF8.self).split(separator: "\n")
    #expect(lines.count == 3)
    #expect(lines[0] == "{\"a\":1}")
    for line in lines {
      #expect(throws: Never.self) { try JSONSerialization.jsonObject(with: Data(line.utf8)) }
    }
    #expect(lines[1].contains("\"loss\":null") && lines[1].contains("\"list\":[1,null]"))
  }
}

import Foundation
import MecaCore
import MecaTestSupport
import MecaTraining
import Testing

/// What a run folder holds, and who may write there.
@MainActor @Suite(.serialized) struct RunFolderTests {
  @Test func aRunThatCannotFitIsRefused() throws {
    let folder = try TestFolder()
    let run = RunFolder(path: folder.path)
    try run.requireRoom(parameters: 1000, samples: 1000)
    let error = #expect(throws: TooLittleRoom.self) {
      try run.requireRoom(parameters: 1 << 50, samples: 10)
    }
    #expect(error?.exitCode == .inputOutput)
    #expect(error?.description.hasPrefix("--output \(folder.path): ") == true)
  }

  @Test func theFolderIsPreparedAndCleared() throws {
    let folder = try TestFolder()
    let run = RunFolder(path: folder.path + "/new/inner")
    _ = try run.prepare()
    let kept = [run.metrics, run.run, run.checkpoints + "/a.safetensors", run.path + "/own.tmp"]
    let leftover = [
      run.path + "/result.json.0123456789abcdef.tmp",
      run.checkpoints + "/a.safetensors.00000000000000ff.tmp",
    ]
    let results = [run.result, run.suspects, run.scores, run.model]
    for path in kept + leftover + results { try writeWhole(Data("x".utf8), to: path) }
    _ = try run.prepare()
    try run.removeResults()
    let exists = FileManager.default.fileExists(atPath:)
    #expect(kept.allSatisfy(exists))
    #expect(!leftover.contains(where: exists))
    #expect(!results.contains(where: exists))
    try createFolder(run.checkpoints + "/b.running")
    try writeWhole(Data("x".utf8), to: run.checkpoints + "/b.running/within-0.safetensors")
    try run.removeCheckpoints()
    #expect(!exists(run.checkpoints + "/a.safetensors") && exists(run.metrics))
    #expect(!exists(run.checkpoints + "/b.running"))
    let file = folder.path + "/file"
    try writeWhole(Data(), to: file)
    let error = #expect(throws: FileError.self) { try RunFolder(path: file + "/run").prepare() }
    #expect(error?.exitCode == .inputOutput)
    #expect(error?.description.contains("Not a directory") == true, "\(String(describing: error))")
  }

  @Test func checkpointsElsewhereLeaveTheFolderToBeMade() throws {
    let folder = try TestFolder()
    let run = RunFolder(path: folder.path + "/new/run", checkpoints: folder.path + "/kept/here")
    _ = try run.prepare()
    let exists = FileManager.default.fileExists(atPath:)
    #expect(exists(run.path) && exists(run.checkpoints) && !exists(run.path + "/checkpoints"))
    let file = folder.path + "/file"
    try writeWhole(Data(), to: file)
    let error = #expect(throws: FileError.self) {
      try RunFolder(path: run.path, checkpoints: file + "/here").prepare()
    }
    #expect(error?.description.contains("--checkpoints") == true, "\(String(describing: error))")
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

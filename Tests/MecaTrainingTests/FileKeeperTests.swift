import Foundation
import MecaCore
import MecaTestSupport
import MecaTraining
import Testing

/// What becomes of files that a disk does not take.
@MainActor @Suite struct FileKeeperTests {
  static let content = Data("figures".utf8)
  let spoken = SpokenLines()

  func keeper(spare: String) throws -> FileKeeper {
    FileKeeper(spare: spare, journal: try journal(spoken), pauses: [0, 0.01])
  }

  func text(_ path: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: path)) }

  @Test func aVanishedFolderIsMadeAgain() throws {
    let folder = try TestFolder()
    let keeper = try keeper(spare: folder.path)
    let path = folder.path + "/gone/deeper/result.json"
    try keeper.write(to: path) { try writeWhole(Self.content, to: $0) }
    #expect(try text(path) == Self.content)
    #expect(spoken.lines.count == 1 && spoken.lines[0].contains("written at another try"))
    try keeper.requireInPlace()
  }

  @Test func aPassingErrorIsTriedAgain() throws {
    let folder = try TestFolder()
    let keeper = try keeper(spare: folder.path)
    var tries = 0
    try keeper.write(to: folder.path + "/a") {
      tries += 1
      if tries < 3 { throw FileError.failed(operation: "write", path: $0, reason: "away") }
      try writeWhole(Self.content, to: $0)
    }
    #expect(tries == 3)
    try keeper.requireInPlace()
  }

  @Test func whatFindsNoRoomIsKeptElsewhere() throws {
    let folder = try TestFolder()
    let spare = try TestFolder()
    try writeWhole(Data(), to: folder.path + "/file")
    let keeper = try keeper(spare: spare.path)
    for name in ["result.json", "model.safetensors"] {
      try keeper.write(to: folder.path + "/file/" + name) { try writeWhole(Self.content, to: $0) }
    }
    let error = #expect(throws: KeptElsewhere.self) { try keeper.requireInPlace() }
    let place = try #require(error?.folder)
    #expect(place.hasPrefix(spare.path + "/meca-dist-"))
    #expect(try text(place + "/result.json") == Self.content)
    #expect(try text(place + "/model.safetensors") == Self.content)
    #expect(error?.exitCode == .inputOutput)
    #expect(spoken.lines.count == 2 && spoken.lines[1].contains("kept as \(place)/model"))
  }

  /// Where there is no spare folder either, the first error is told.
  @Test func nothingIsSaidToBeKeptThatIsNot() throws {
    let folder = try TestFolder()
    try writeWhole(Data(), to: folder.path + "/file")
    let keeper = try keeper(spare: folder.path + "/nowhere")
    #expect(throws: FileError.self) {
      try keeper.write(to: folder.path + "/file/a") { try writeWhole(Self.content, to: $0) }
    }
    try keeper.requireInPlace()
  }

  /// What is wrong with the content is no matter of disks.
  @Test func otherErrorsPass() throws {
    let folder = try TestFolder()
    let keeper = try keeper(spare: folder.path)
    var tries = 0
    #expect(throws: FileError.self) {
      try keeper.write(to: folder.path + "/a") {
        tries += 1
        throw FileError.malformed(path: $0, reason: "wrong")
      }
    }
    #expect(tries == 1)
  }

  /// Somebody takes the run's folder away, and it is made again.
  @Test func theJournalGoesOnInANewFile() throws {
    let folder = try TestFolder()
    let path = folder.path + "/run/metrics.jsonl"
    try createFolder(folder.path + "/run")
    let journal = try journal(spoken, metricsPath: path)
    journal.record("first", [:])
    try FileManager.default.removeItem(atPath: folder.path + "/run")
    journal.record("lost", [:])
    try createFolder(folder.path + "/run")
    journal.record("second", [:])
    let text = String(decoding: try text(path), as: UTF8.self)
    #expect(text.contains("second") && !text.contains("first"))
  }
}

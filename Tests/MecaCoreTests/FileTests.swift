import Foundation
import MecaCore
import Testing

@Suite struct FileTests {
  private func temporary() -> String { NSTemporaryDirectory() + "meca-core-" + UUID().uuidString }

  private func write(_ text: String, to path: String) throws {
    try Array(text.utf8).withUnsafeBytes { try replaceFile(at: path, with: [$0]) }
  }

  @Test func aFileIsReplacedAsAWholeAndNothingIsLeftBeside() throws {
    let folder = temporary()
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try write("old", to: folder + "/a")
    try write("new content", to: folder + "/a")
    #expect(try readFile(at: folder + "/a") == Array("new content".utf8))
    #expect(try FileManager.default.contentsOfDirectory(atPath: folder) == ["a"])
  }

  @Test func aWriteThatFailsNamesTheFileAndLeavesTheOldOne() throws {
    let path = temporary()
    try write("old", to: path)
    defer { unlink(path) }
    // A path below a regular file can be created by nobody, not even by root.
    let error = #expect(throws: FileError.self) { try write("x", to: path + "/below") }
    #expect(error?.exitCode == .inputOutput)
    #expect(error?.description.contains(path) == true)
    #expect(try readFile(at: path) == Array("old".utf8))
  }

  @Test func aMissingFileIsMissingAndAFolderIsNoFile() {
    #expect(throws: FileError.missing(path: "/nowhere/x", hint: "check the path")) {
      try readFile(at: "/nowhere/x")
    }
    #expect(throws: FileError.self) { try readFile(at: "/tmp") }
  }

  @Test func theDigestIsSHA256() {
    var digest = SHA256Digest()
    digest.update(Array("a".utf8))
    digest.update(Array("bc".utf8))
    #expect(
      digest.hexadecimal()
        == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    let empty = SHA256Digest()
    #expect(
      empty.hexadecimal()
        == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
  }
}

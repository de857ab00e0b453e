import Foundation
import MecaCore
import MecaExport
import MecaTestSupport
import Testing

/// TensorBoard's event files.
@Suite struct EventFileTests {
  /// - Source: RFC 3720, appendix B.4; the last is the check value of the catalogue of CRCs.
  @Test(
    arguments: [
      ([UInt8](repeating: 0, count: 32), 0x8A91_36AA),
      ([UInt8](repeating: 255, count: 32), 0x62A8_AB43),
      ([UInt8](0..<32), 0x46DD_794E), ([UInt8]((0..<32).reversed()), 0x113F_DB5C),
      (Array("123456789".utf8), 0xE306_9283), ([], 0),
    ] as [([UInt8], UInt32)])
  func theCheckSumIsCastagnolis(bytes: [UInt8], sum: UInt32) {
    #expect(crc32c(bytes) == sum)
  }

  /// The mask turns by 15 bits, 17 more would be all of it, and adds 0xA282EAD8.
  @Test func theMaskIsTheFormats() {
    #expect(masked(0) == 0xA282_EAD8)
    #expect(masked(0x8000) == 0xA282_EAD9 && masked(1) == 0xA284_EAD8)
  }

  /// As TensorBoard 2.21 writes it.
  @Test func recordsAreLengthSumBytesSum() {
    #expect(
      eventRecord(Array("abc".utf8)) == [
        3, 0, 0, 0, 0, 0, 0, 0, 176, 153, 73, 14, 97, 98, 99, 110, 87, 241, 33,
      ])
  }

  @Test func whatIsAddedIsRead() throws {
    let folder = try TestFolder()
    let file = EventFile(path: folder.path + "/events", time: 1_700_000_000.25)
    file.add([("train/loss", 0.5), ("train/accuracy", 0.1)], step: 1, time: 1_700_000_001)
    try file.synchronise()
    file.add([("train/loss", .pi)], step: 2, time: 1_700_000_002)
    try file.synchronise()
    let events = try readEvents(folder.bytes("events"))
    #expect(events.count == 4 && events[0].fileVersion == "brain.Event:2")
    #expect(events[0].wallTime == 1_700_000_000.25 && events[1].sessionLog.status == .start)
    #expect(events[2].step == 1 && events[2].summary.value.map(\.simpleValue) == [0.5, 0.1])
    #expect(events[3].step == 2 && events[3].wallTime == 1_700_000_002)
    #expect(events[3].summary.value.map(\.tag) == ["train/loss"])
    #expect(events[3].summary.value[0].simpleValue == Float(Double.pi))
  }

  /// A training that goes on from a snapshot says some steps again.
  @Test func repeatedStepsReplaceTheOldOnes() throws {
    let folder = try TestFolder()
    let file = EventFile(path: folder.path + "/events", time: 0)
    for step in 1...4 {
      file.add([("loss", Double(step))], step: step, time: 0)
      try file.synchronise()
    }
    file.add([("loss", 33)], step: 3, time: 0)
    try file.synchronise()
    #expect(try values(folder) == [1, 2, 33])
    file.add([("loss", 44)], step: 4, time: 0)
    try file.synchronise()
    #expect(try values(folder) == [1, 2, 33, 44])
  }

  @Test func aFileThatVanishedIsWrittenAgain() throws {
    let folder = try TestFolder()
    let file = EventFile(path: folder.path + "/events", time: 0)
    file.add([("loss", 1)], step: 1, time: 0)
    try file.synchronise()
    try FileManager.default.removeItem(atPath: file.path)
    file.add([("loss", 2)], step: 2, time: 0)
    try file.synchronise()
    #expect(try values(folder) == [1, 2])
  }

  @Test func aFullDiskIsSaid() throws {
    let file = EventFile(path: "/dev/full", time: 0)
    for step in 1...2 {
      file.add([("loss", 1)], step: step, time: 0)
      let error = #expect(throws: FileError.self) { try file.synchronise() }
      #expect(error?.description.contains("No space left") == true)
    }
  }

  private func values(_ folder: TestFolder) throws -> [Float] {
    try readEvents(folder.bytes("events")).flatMap { $0.summary.value.map(\.simpleValue) }
  }
}

/// A folder of its own that goes away with its owner.
final class TestFolder: Sendable {
  let path = NSTemporaryDirectory() + "meca-export-" + UUID().uuidString

  init() throws {
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func bytes(_ name: String) throws -> Data {
    try Data(contentsOf: URL(fileURLWithPath: path + "/" + name))
  }
}

import MecaCore
import MecaTestSupport
import MecaTorchFiles
import Testing

/// The directory of a zip file against files written byte by byte in the test.
@Suite struct ZipArchiveTests {
  private func open(_ plan: ZipPlan) throws -> ZipArchive {
    try open(plan.bytes)
  }

  private func open(_ bytes: [UInt8]) throws -> ZipArchive {
    let folder = try TemporaryFolder()
    return try ZipArchive(MappedFile(path: folder.write("a.zip", bytes)))
  }

  /// The reason for which a file is refused.
  private func reason(_ bytes: [UInt8], sourceLocation: SourceLocation = #_sourceLocation) -> String
  {
    do {
      _ = try open(bytes)
      Issue.record("opened", sourceLocation: sourceLocation)
      return ""
    } catch FileError.malformed(_, let reason) {
      return reason
    } catch {
      Issue.record(error, sourceLocation: sourceLocation)
      return ""
    }
  }

  @Test func checksumAgreesWithItsDefinition() {
    // The check value of the CRC catalogue.
    #expect(Array("123456789".utf8).withUnsafeBytes { crc32($0) } == 0xCBF4_3926)
    let bytes = (0..<100).map { UInt8(truncatingIfNeeded: $0 * 73 + 5) }
    for count in 0...100 {
      #expect(bytes[..<count].withUnsafeBytes { crc32($0) } == slowCRC32(Array(bytes[..<count])))
    }
  }

  @Test(arguments: [false, true], [false, true])
  func readsStoredEntries(isLong: Bool, hasDescriptor: Bool) throws {
    let first = (0..<1000).map { UInt8(truncatingIfNeeded: $0) }
    let plan = ZipPlan(
      entries: [
        .init(name: "a/ü", bytes: first, padding: 17, hasDescriptor: hasDescriptor, isLong: isLong),
        .init(name: "a/", bytes: []),
        .init(name: "b", bytes: [], hasDescriptor: hasDescriptor),
        .init(name: "c", bytes: [1, 2, 3], hasDescriptor: hasDescriptor, isLong: isLong),
      ],
      isLong: isLong, comment: Array("PK\u{5}\u{6} is no end here".utf8))
    let archive = try open(plan)
    #expect(archive.entries.map(\.name) == ["a/ü", "b", "c"])
    #expect(archive["d"] == nil)
    for (name, bytes) in [("a/ü", first), ("b", []), ("c", [1, 2, 3])] {
      let entry = try #require(archive[name])
      #expect(archive.withBytes(of: entry) { Array($0) } == bytes)
      try archive.verify(entry)
    }
  }

  @Test func damagedContentIsFoundOnReading() throws {
    let archive = try open(
      ZipPlan(entries: [.init(name: "x", bytes: Array("123456789".utf8), claimedCRC: 1)]))
    let entry = try #require(archive["x"])
    let error = #expect(throws: FileError.self) { try archive.verify(entry) }
    #expect(
      error?.description.contains(
        "x is damaged: its CRC-32 is cbf43926, the directory says 00000001; copy the file again")
        == true)
  }

  @Test func refusesWhatTorchNeverWrites() {
    #expect(
      reason(ZipPlan(entries: [.init(name: "x", bytes: [1], method: 8)]).bytes)
        == "x is compressed (zip method 8); only uncompressed entries are read, as torch.save "
        + "writes them: load and save the file again with PyTorch, or store it with `zip -0`")
    #expect(
      reason(ZipPlan(entries: [.init(name: "x", bytes: [1], flags: 1)]).bytes)
        == "x is encrypted, which torch.save never does")
    #expect(
      reason(ZipPlan(entries: [.init(name: "x", bytes: [1]), .init(name: "x", bytes: [2])]).bytes)
        == "holds two entries x")
    #expect(
      reason(Array("PK\u{3}\u{4} and nothing else for long".utf8))
        == "is no zip file or was cut off: there is no directory at its end")
    #expect(reason([]) == "is no zip file or was cut off: there is no directory at its end")
  }

  @Test func refusesEntriesThatAreNotWhereTheySay() {
    func plan(_ change: (inout ZipPlan.Entry) -> Void, isLong: Bool = true) -> [UInt8] {
      var second = ZipPlan.Entry(name: "y", bytes: [4, 5, 6], isLong: isLong)
      change(&second)
      return ZipPlan(
        entries: [.init(name: "x", bytes: [1, 2, 3]), second, .init(name: "z", bytes: [7])]
      ).bytes
    }
    // The first entry takes 30 + 1 + 3 bytes.
    #expect(reason(plan { $0.claimedOffset = 0 }) == "y is called otherwise in front of its bytes")
    #expect(
      reason(plan { $0.claimedOffset = 33 })
        == "y does not begin at byte 33, where the directory has it")
    #expect(
      reason(plan { $0.claimedOffset = .max - 1 }).hasPrefix("y has 3 bytes, stored as 3 at byte"))
    #expect(reason(plan { $0.claimedSize = 4 }) == "z lies over another entry at byte 68")
    #expect(reason(plan { $0.claimedSize = 60 }) == "y reaches into the directory")
    #expect(reason(plan { $0.claimedSize = .max }).hasPrefix("y has 18446744073709551615 bytes"))
    #expect(reason(plan { $0.localName = "w" }) == "y is called otherwise in front of its bytes")
  }

  @Test func refusesDirectoriesThatAreNotAsTheySay() throws {
    var plan = ZipPlan(entries: [.init(name: "x", bytes: [1, 2, 3])], isLong: true)
    plan.claimedCount = 1 << 40
    #expect(reason(plan.bytes).hasPrefix("announces 1099511627776 entries in "))
    plan.claimedCount = 2
    #expect(reason(plan.bytes) == "announces 2 entries in a directory of 47 bytes")
    plan.claimedCount = 0
    #expect(reason(plan.bytes) == "47 bytes after the last directory entry")
    plan.claimedCount = nil
    var bytes = plan.bytes
    // The Zip64 record is 20 + 22 + 56 bytes from the end; its directory's offset is its last field.
    let offset = bytes.count - 20 - 22 - 8
    bytes[offset] += 1
    #expect(reason(bytes) == "its directory of 47 bytes at byte 35 does not end at byte 81")
    // The locator's offset of the record.
    bytes = plan.bytes
    bytes[bytes.count - 22 - 12] += 1
    #expect(reason(bytes) == "the end of its Zip64 directory is not where it says, at byte 82")
    bytes = plan.bytes
    bytes[bytes.count - 22 - 5] = 0xFF
    #expect(reason(bytes).hasPrefix("the end of its Zip64 directory is not where it says"))
  }
}

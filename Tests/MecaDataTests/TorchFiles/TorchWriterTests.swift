import Foundation
import MecaCore
import MecaTestSupport
import MecaTorchFiles
import Testing

/// Files of torch.save that are written here; real PyTorch reads them in `tools/check-toolbox-sets.py`.
@Suite struct TorchWriterTests {
  private func written(_ bytes: [UInt8], _ body: (TorchFile) throws -> Void) throws {
    let folder = try TemporaryFolder()
    let path = try folder.write("written.pt", bytes)
    try body(try TorchFile(path: path))
  }

  @Test func labelsAreReadBack() throws {
    let labels: [Int32] = [3, 0, 9, 70_000, 1]
    try written(torchFile(longs: labels)) { file in
      #expect(try file.integers(file.contents.root, "labels") == labels.map { Int($0) })
      let tensor = try #require(file.tensor(file.contents.root))
      #expect(tensor.shape == [5] && tensor.element == .int64)
    }
    try written(torchFile(longs: [])) { file in
      let none = try file.integers(file.contents.root, "labels")
      #expect(none.isEmpty)
    }
  }

  @Test func indicesAreReadBack() throws {
    let numbers = [0, 255, 256, 65_536, Int(Int32.max) + 1, -1]
    try written(torchFile(.list(numbers.map { .integer($0) }))) { file in
      let found = try file.integers(file.contents.root, "indices")
      #expect(found == numbers)
    }
  }

  @Test func valuesOfEveryKindAreReadBack() throws {
    let value = TorchValue.named([
      "nothing": .none, "yes": .boolean(true), "no": .boolean(false), "text": .text("grün\n'"),
      "tuple": .tuple([.integer(32), .integer(32), .integer(3)]), "empty": .named([:]),
      "indices": .integers([5, -7]), "indicator": .numbers([0, 1, 0.5]),
      "entries": .dictionary([(key: .integer(12), value: .list([.integer(1), .integer(4)]))]),
    ])
    try written(torchFile(value)) { file in
      let contents = file.contents
      func entry(_ key: String) throws -> PickleValue {
        try #require(contents.entry(key, of: contents.root))
      }
      #expect(try entry("nothing") == PickleValue.none)
      #expect(try entry("yes") == .bool(true))
      #expect(try entry("no") == .bool(false))
      let text = try entry("text")
      #expect(contents.text(text) == "grün\n'")
      #expect(try file.integers(try entry("tuple"), "tuple") == [32, 32, 3])
      let empty = try entry("empty")
      #expect(contents.pairs(empty)?.isEmpty == true)
      #expect(try file.integers(try entry("indices"), "indices") == [5, -7])
      guard case .array(let place) = try entry("indicator") else {
        Issue.record("no array")
        return
      }
      #expect(
        contents.numbers(of: contents.arrays[place]) == [.float(0), .float(1), .float(0.5)])
      let pairs = try #require(contents.pairs(try entry("entries")))
      #expect(pairs.count == 1 && pairs[0].key == .integer(12))
      #expect(try file.integers(pairs[0].value, "labels") == [1, 4])
    }
  }

  /// Storages that are written in pieces, each with its CRC, make the same file.
  @Test func storagesInPiecesMakeTheSameFile() throws {
    let bytes: [UInt8] = (0..<120).map { UInt8($0 * 7 % 251) }
    let value = TorchValue.tensor(storage: 0, shape: [2, 3, 5])
    let storage = TorchStorage(.float32, count: 30)
    let whole = torchFile(value, storages: [(storage, bytes)])
    let plan = TorchFilePlan(value, storages: [storage])
    #expect(plan.length == whole.count && plan.offset(ofStorage: 0) % 64 == 0)
    for cut in [0, 1, 59, 120] {
      let parts = [Array(bytes[..<cut]), Array(bytes[cut...])]
      let sums = parts.map { part in part.withUnsafeBytes { crc32($0) } }
      let joined = joinedChecksum(sums[0], sums[1], secondCount: parts[1].count)
      #expect(joined == slowCRC32(bytes))
      var file = [UInt8](repeating: 0, count: plan.length)
      for (offset, piece) in plan.pieces(checksums: [joined])
        + [(plan.offset(ofStorage: 0), parts[0]), (plan.offset(ofStorage: 0) + cut, parts[1])]
      {
        file.replaceSubrange(offset..<offset + piece.count, with: piece)
      }
      #expect(file == whole)
    }
    try written(whole) { file in
      let tensor = try #require(file.tensor(file.contents.root))
      #expect(tensor.shape == [2, 3, 5] && tensor.element == .float32)
    }
    #expect(Array(whole[plan.offset(ofStorage: 0)...].prefix(120)) == bytes)
  }

  /// The example of the documentation, and pieces of lengths far apart.
  @Test func checksumsAreJoined() {
    func sum(_ text: String) -> UInt32 { Array(text.utf8).withUnsafeBytes { crc32($0) } }
    #expect(joinedChecksum(sum("1234"), sum("56789"), secondCount: 5) == 0xCBF4_3926)
    let long = [UInt8](repeating: 0xA5, count: 100_003)
    let first: [UInt8] = [1, 2, 3]
    #expect(
      joinedChecksum(slowCRC32(first), slowCRC32(long), secondCount: long.count)
        == slowCRC32(first + long))
  }
}

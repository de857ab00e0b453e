/// Where everything lies in a file of `torch.save` that is to be written, and its bytes.
///
/// A zip archive of uncompressed entries, as ``TorchFile`` reads it: the pickle, two small entries,
/// then the tensors' storages, each from a multiple of 64 bytes on, and the directory. All numbers of
/// the archive are those of Zip64, so that no size has a form of its own. Storages of any length can be
/// written by several processes at their places; what depends on their content is their CRC-32 alone.
///
/// - Source: PKWARE APPNOTE 6.3.10, §4.3 and §4.5.3; PyTorch's `torch/serialization.py`.
public struct TorchFilePlan: Sendable {
  private struct Entry {
    var name: String
    /// nil for a storage, which somebody else writes.
    var content: [UInt8]?
    var count: Int
    /// First byte of its local header.
    var start: Int
    /// First byte of its content.
    var offset: Int
  }

  private let entries: [Entry]
  private let directory: Int
  /// Bytes of the whole file.
  public let length: Int

  /// Lays a file out.
  ///
  /// - Parameter storages: the memory of the tensors in `value`, by their numbers.
  public init(_ value: TorchValue, storages: [TorchStorage] = []) {
    let small: [(String, [UInt8])] = [
      ("data.pkl", PickleWriter.pickle(value, storages: storages)),
      ("byteorder", Array("little".utf8)), ("version", Array("3\n".utf8)),
    ]
    var end = 0
    func placed(_ name: String, _ content: [UInt8]?, count: Int) -> Entry {
      let start = end
      let name = "archive/" + name
      let bare = start + Self.localBytes + name.utf8.count + Self.zip64Bytes
      let offset = (bare + Self.leastPadding + 63) / 64 * 64
      end = offset + count
      return Entry(name: name, content: content, count: count, start: start, offset: offset)
    }
    entries =
      small.map { placed($0.0, $0.1, count: $0.1.count) }
      + storages.enumerated().map { placed("data/\($0)", nil, count: $1.byteCount) }
    directory = end
    length =
      end
      + entries.reduce(0) { $0 + Self.headerBytes + $1.name.utf8.count + Self.longBytes }
      + Self.endBytes
  }

  /// Sizes of the archive's records: local header, its Zip64 field, an empty padding field, header in
  /// the directory, its Zip64 field, all records at the end.
  private static let localBytes = 30
  private static let zip64Bytes = 20
  private static let leastPadding = 4
  private static let headerBytes = 46
  private static let longBytes = 28
  private static let endBytes = 56 + 20 + 22

  /// The first byte of a storage.
  public func offset(ofStorage number: Int) -> Int { stored[number].offset }

  private var stored: [Entry] { entries.filter { $0.content == nil } }

  /// Everything but the storages, with the place of each piece.
  ///
  /// - Parameter checksums: CRC-32 of each storage.
  public func pieces(checksums: [UInt32]) -> [(offset: Int, bytes: [UInt8])] {
    precondition(checksums.count == stored.count, "\(checksums.count) of \(stored.count) storages")
    var left = checksums[...]
    var pieces: [(offset: Int, bytes: [UInt8])] = []
    var end: [UInt8] = []
    for entry in entries {
      let checksum =
        entry.content.map { content in content.withUnsafeBytes { crc32($0) } } ?? left.removeFirst()
      pieces.append((entry.start, local(entry, checksum) + (entry.content ?? [])))
      end += header(entry, checksum)
    }
    let size = end.count
    pieces.append((directory, end + records(directorySize: size)))
    return pieces
  }

  private func local(_ entry: Entry, _ checksum: UInt32) -> [UInt8] {
    let name = Array(entry.name.utf8)
    let padding =
      entry.offset - entry.start - Self.localBytes - name.count - Self.zip64Bytes
      - Self.leastPadding
    return little(UInt32(0x0403_4B50)) + little(UInt16(45)) + [UInt8](repeating: 0, count: 8)
      + little(checksum) + little(UInt32.max) + little(UInt32.max) + little(UInt16(name.count))
      + little(UInt16(Self.zip64Bytes + Self.leastPadding + padding)) + name
      + little(UInt16(1)) + little(UInt16(16)) + little(UInt64(entry.count))
      + little(UInt64(entry.count))
      // PyTorch's own field to align with.
      + Array("FB".utf8) + little(UInt16(padding)) + [UInt8](repeating: 0x5A, count: padding)
  }

  private func header(_ entry: Entry, _ checksum: UInt32) -> [UInt8] {
    let name = Array(entry.name.utf8)
    return little(UInt32(0x0201_4B50)) + little(UInt16(45)) + little(UInt16(45))
      + [UInt8](repeating: 0, count: 8) + little(checksum) + little(UInt32.max)
      + little(UInt32.max) + little(UInt16(name.count)) + little(UInt16(Self.longBytes))
      + [UInt8](repeating: 0, count: 10) + little(UInt32.max) + name + little(UInt16(1))
      + little(UInt16(24)) + little(UInt64(entry.count)) + little(UInt64(entry.count))
      + little(UInt64(entry.start))
  }

  private func records(directorySize: Int) -> [UInt8] {
    let count = entries.count
    return little(UInt32(0x0606_4B50)) + little(UInt64(44)) + little(UInt16(45))
      + little(UInt16(45)) + [UInt8](repeating: 0, count: 8) + little(UInt64(count))
      + little(UInt64(count)) + little(UInt64(directorySize)) + little(UInt64(directory))
      + little(UInt32(0x0706_4B50)) + little(UInt32(0))
      + little(UInt64(directory + directorySize)) + little(UInt32(1)) + little(UInt32(0x0605_4B50))
      + [0, 0, 0, 0] + little(UInt16(count)) + little(UInt16(count)) + little(UInt32.max)
      + little(UInt32.max) + [0, 0]
  }

  private func little(_ number: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: number.littleEndian) { Array($0) }
  }
}

/// A file of `torch.save` in memory, for values with few numbers.
///
/// - Parameters:
///   - value: what it holds.
///   - storages: the memory of its tensors, with their elements' bytes.
public func torchFile(
  _ value: TorchValue, storages: [(storage: TorchStorage, bytes: [UInt8])] = []
) -> [UInt8] {
  let plan = TorchFilePlan(value, storages: storages.map(\.storage))
  var file = [UInt8](repeating: 0, count: plan.length)
  let checksums = storages.map { storage in storage.bytes.withUnsafeBytes { crc32($0) } }
  let own = storages.indices.map { (plan.offset(ofStorage: $0), storages[$0].bytes) }
  for (offset, bytes) in plan.pieces(checksums: checksums) + own {
    file.replaceSubrange(offset..<offset + bytes.count, with: bytes)
  }
  return file
}

/// A file of `torch.save` that is a tensor of 64-bit integers with one dimension (`torch.LongTensor`).
public func torchFile(longs: [Int32]) -> [UInt8] {
  var bytes: [UInt8] = []
  bytes.reserveCapacity(8 * longs.count)
  for number in longs {
    withUnsafeBytes(of: Int64(number).littleEndian) { bytes.append(contentsOf: $0) }
  }
  return torchFile(
    .tensor(storage: 0, shape: [longs.count]),
    storages: [(TorchStorage(.int64, count: longs.count), bytes)])
}

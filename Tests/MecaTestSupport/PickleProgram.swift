/// Bytes of pickles and zip files written by hand, to build what no honest program writes.
///
/// Every function is one instruction of the pickle language under the name that Python's
/// disassembler gives it.
package enum Pickle {
  package static let stop: [UInt8] = [0x2E]
  package static let mark: [UInt8] = [0x28]
  package static let none: [UInt8] = [0x4E]
  package static let reduce: [UInt8] = [0x52]
  package static let build: [UInt8] = [0x62]
  package static let emptyList: [UInt8] = [0x5D]
  package static let append: [UInt8] = [0x61]
  package static let appends: [UInt8] = [0x65]
  package static let emptyTuple: [UInt8] = [0x29]
  package static let tuple: [UInt8] = [0x74]
  package static let tuple1: [UInt8] = [0x85]
  package static let tuple2: [UInt8] = [0x86]
  package static let emptyDictionary: [UInt8] = [0x7D]
  package static let setItem: [UInt8] = [0x73]
  package static let setItems: [UInt8] = [0x75]
  package static let persistent: [UInt8] = [0x51]
  package static let memoize: [UInt8] = [0x94]
  package static let newFalse: [UInt8] = [0x89]

  package static func proto(_ version: UInt8 = 2) -> [UInt8] { [0x80, version] }
  package static func int(_ value: Int32) -> [UInt8] { [0x4A] + little(UInt32(bitPattern: value)) }
  /// An integer of 64 bits.
  package static func long(_ value: Int) -> [UInt8] {
    [0x8A, 8] + little(UInt64(bitPattern: Int64(value)))
  }
  package static func text(_ value: String) -> [UInt8] {
    [0x58] + little(UInt32(value.utf8.count)) + Array(value.utf8)
  }
  package static func global(_ module: String, _ name: String) -> [UInt8] {
    [0x63] + Array("\(module)\n\(name)\n".utf8)
  }
  package static func stackGlobal(_ module: String, _ name: String) -> [UInt8] {
    text(module) + text(name) + [0x93]
  }
  package static func put(_ key: UInt8) -> [UInt8] { [0x71, key] }
  package static func get(_ key: UInt8) -> [UInt8] { [0x68, key] }

  /// A storage of so many elements, as a persistent name.
  package static func storage(_ kind: String = "FloatStorage", key: String = "0", count: Int)
    -> [UInt8]
  {
    mark + text("storage") + global("torch", kind) + text(key) + text("cpu") + long(count) + tuple
      + persistent
  }

  /// A tensor, a view of `storage`.
  package static func tensor(
    _ storage: [UInt8], offset: Int = 0, shape: [Int], strides: [Int]
  ) -> [UInt8] {
    global("torch._utils", "_rebuild_tensor_v2") + mark + storage + long(offset)
      + mark + shape.flatMap(long) + tuple + mark + strides.flatMap(long) + tuple
      + newFalse + none + tuple + reduce
  }

  /// A whole pickle around the instructions of one value.
  package static func whole(_ value: [UInt8], protocol version: UInt8 = 2) -> [UInt8] {
    proto(version) + value + stop
  }
}

/// A file of `torch.save` that holds one value.
package func torchBytes(_ value: [UInt8], storages: [[UInt8]] = []) -> [UInt8] {
  ZipPlan.torch(Pickle.whole(value), storages: storages).bytes
}

/// A file of `torch.save` that holds a list of integers.
package func torchList(_ integers: [Int32]) -> [UInt8] {
  torchBytes(Pickle.emptyList + Pickle.mark + integers.flatMap(Pickle.int) + Pickle.appends)
}

/// A number, least significant byte first.
package func little(_ value: some FixedWidthInteger) -> [UInt8] {
  (0..<value.bitWidth / 8).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
}

/// CRC-32 bit by bit, by its definition.
package func slowCRC32(_ bytes: [UInt8]) -> UInt32 {
  var value: UInt32 = .max
  for byte in bytes {
    value ^= UInt32(byte)
    for _ in 0..<8 { value = value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1 }
  }
  return ~value
}

/// A zip file of stored entries; what is not as usual can be said.
package struct ZipPlan {
  package struct Entry {
    package var name: String
    package var bytes: [UInt8]
    /// Bytes of the local extra field, as `torch.save` aligns with.
    package var padding = 0
    package var method: UInt16 = 0
    package var flags: UInt16 = 0
    /// Sizes and CRC in the local header, or behind the entry as writers that do not seek put them.
    package var hasDescriptor = false
    /// Whether the directory has its numbers in a Zip64 field.
    package var isLong = false
    /// What the directory says instead of the truth.
    package var claimedSize: UInt64?
    package var claimedOffset: UInt64?
    package var claimedCRC: UInt32?
    package var localName: String?

    package init(
      name: String, bytes: [UInt8], padding: Int = 0, method: UInt16 = 0, flags: UInt16 = 0,
      hasDescriptor: Bool = false, isLong: Bool = false, claimedSize: UInt64? = nil,
      claimedOffset: UInt64? = nil, claimedCRC: UInt32? = nil, localName: String? = nil
    ) {
      self.name = name
      self.bytes = bytes
      self.padding = padding
      self.method = method
      self.flags = flags
      self.hasDescriptor = hasDescriptor
      self.isLong = isLong
      self.claimedSize = claimedSize
      self.claimedOffset = claimedOffset
      self.claimedCRC = claimedCRC
      self.localName = localName
    }
  }
  package var entries: [Entry]
  /// Whether there are Zip64 records at the end, as in the files of PyTorch.
  package var isLong = false
  package var comment: [UInt8] = []
  package var claimedCount: UInt64?

  package init(entries: [Entry], isLong: Bool = false, comment: [UInt8] = []) {
    self.entries = entries
    self.isLong = isLong
    self.comment = comment
  }

  package var bytes: [UInt8] {
    var file: [UInt8] = []
    var directory: [UInt8] = []
    for entry in entries {
      let offset = entry.claimedOffset ?? UInt64(file.count)
      let crc = slowCRC32(entry.bytes)
      let size = UInt32(entry.bytes.count)
      let flags = entry.flags | (entry.hasDescriptor ? 8 : 0)
      let local = Array((entry.localName ?? entry.name).utf8)
      file += little(UInt32(0x0403_4B50)) + little(UInt16(20)) + little(flags)
      file += little(entry.method) + [0, 0, 0, 0]
      file +=
        entry.hasDescriptor
        ? [UInt8](repeating: 0, count: 12) : little(crc) + little(size) + little(size)
      file += little(UInt16(local.count)) + little(UInt16(entry.padding)) + local
      file += [UInt8](repeating: 0x5A, count: entry.padding)
      file += entry.bytes
      if entry.hasDescriptor {
        file += little(UInt32(0x0807_4B50)) + little(crc) + little(size) + little(size)
      }
      let claimed = entry.claimedSize ?? UInt64(size)
      let extra =
        entry.isLong
        ? little(UInt16(0xCAFE)) + little(UInt16(2)) + [1, 2] + little(UInt16(1))
          + little(UInt16(24))
          + little(claimed) + little(claimed) + little(offset) : []
      let short: (UInt64) -> [UInt8] = {
        little(entry.isLong ? UInt32.max : UInt32(truncatingIfNeeded: $0))
      }
      directory += little(UInt32(0x0201_4B50)) + little(UInt16(45)) + little(UInt16(20))
      directory += little(flags) + little(entry.method) + [0, 0, 0, 0]
      directory += little(entry.claimedCRC ?? crc) + short(claimed) + short(claimed)
      directory += little(UInt16(entry.name.utf8.count)) + little(UInt16(extra.count))
      directory += [UInt8](repeating: 0, count: 10) + short(offset) + Array(entry.name.utf8) + extra
    }
    let start = file.count
    file += directory
    let count = claimedCount ?? UInt64(entries.count)
    if isLong {
      let end = file.count
      file +=
        little(UInt32(0x0606_4B50)) + little(UInt64(44)) + little(UInt16(45)) + little(UInt16(45))
      file += [UInt8](repeating: 0, count: 8) + little(count) + little(count)
      file += little(UInt64(directory.count)) + little(UInt64(start))
      file +=
        little(UInt32(0x0706_4B50)) + little(UInt32(0)) + little(UInt64(end)) + little(UInt32(1))
    }
    file += little(UInt32(0x0605_4B50)) + [0, 0, 0, 0]
    file += little(UInt16(truncatingIfNeeded: count)) + little(UInt16(truncatingIfNeeded: count))
    file += little(isLong ? UInt32.max : UInt32(directory.count))
    file += little(isLong ? UInt32.max : UInt32(start))
    return file + little(UInt16(comment.count)) + comment
  }

  /// A file as `torch.save` lays it out.
  package static func torch(_ pickle: [UInt8], storages: [[UInt8]] = []) -> ZipPlan {
    var entries = [Entry(name: "archive/data.pkl", bytes: pickle, padding: 13, hasDescriptor: true)]
    entries.append(Entry(name: "archive/byteorder", bytes: Array("little".utf8), padding: 31))
    for (index, storage) in storages.enumerated() {
      entries.append(
        Entry(name: "archive/data/\(index)", bytes: storage, padding: 40, hasDescriptor: true))
    }
    entries.append(Entry(name: "archive/version", bytes: Array("3\n".utf8), padding: 20))
    return ZipPlan(entries: entries, isLong: true)
  }
}

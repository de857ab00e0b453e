import MecaCore

/// The entries of a zip file that keeps them uncompressed, as `torch.save` writes it.
///
/// Whatever the file says of itself is checked when it is opened: the two directory ends (with and
/// without Zip64), every name, every entry's place; entries lie one behind the other before the
/// directory and never share a byte, so that a small file cannot pose as a large one. Sizes and
/// CRC-32 come from the directory, because writers that do not seek back leave the local header
/// empty and put them behind the entry. Bytes stay in the mapping; nothing is copied or unpacked.
///
/// - Source: PKWARE APPNOTE 6.3.10, §4.3 (records) and §4.5.3 (Zip64 extra field).
package struct ZipArchive: Sendable {
  /// One stored file.
  package struct Entry: Sendable, Equatable {
    /// Name with its folders: `archive/data/0`.
    package var name: String
    /// Where its bytes lie in the file.
    package var range: Range<Int>
    /// CRC-32 of the bytes, as the directory has it.
    package var checksum: UInt32
  }

  /// The mapped file.
  package let file: MappedFile
  /// All entries but folders, in the order of the directory.
  package let entries: [Entry]
  private let indexOfName: [String: Int]

  /// Reads the directory of a mapped file.
  ///
  /// - Throws: `FileError.malformed` that names the entry and what is wrong with it.
  package init(_ file: MappedFile) throws {
    self.file = file
    let entries = try file.withBytes { try DirectoryReader(bytes: $0, path: file.path).entries() }
    var indexOfName: [String: Int] = [:]
    for (index, entry) in entries.enumerated()
    where indexOfName.updateValue(index, forKey: entry.name) != nil {
      throw FileError.malformed(
        path: file.path, reason: "holds two entries \(shortened(entry.name))")
    }
    self.entries = entries
    self.indexOfName = indexOfName
  }

  /// The entry of this name.
  package subscript(name: String) -> Entry? { indexOfName[name].map { entries[$0] } }

  /// Runs `body` on an entry's bytes, which must not leave it.
  package func withBytes<Result>(
    of entry: Entry, _ body: (UnsafeRawBufferPointer) throws -> Result
  ) rethrows -> Result {
    try file.withBytes { try body(UnsafeRawBufferPointer(rebasing: $0[entry.range])) }
  }

  /// Compares an entry's bytes with its CRC-32.
  ///
  /// - Throws: `FileError.malformed` with both numbers.
  package func verify(_ entry: Entry) throws {
    let found = withBytes(of: entry) { crc32($0) }
    guard found == entry.checksum else {
      throw FileError.malformed(
        path: file.path,
        reason:
          "\(shortened(entry.name)) is damaged: its CRC-32 is \(hexadecimal(found)), the directory says "
          + "\(hexadecimal(entry.checksum)); copy the file again (or save it again, if it was saved "
          + "with torch.serialization.set_crc32_options(False))")
    }
  }
}

/// Finds the central directory and checks what it says.
private struct DirectoryReader {
  let bytes: UnsafeRawBufferPointer
  let path: String

  /// Where the central directory lies and how many headers it has.
  private struct Directory {
    var range: Range<Int>
    var count: Int
  }

  func entries() throws -> [ZipArchive.Entry] {
    let directory = try findDirectory()
    // A header has at least 46 bytes: a directory cannot announce more than it has room for.
    guard directory.count <= directory.range.count / 46 else {
      throw malformed(
        "announces \(directory.count) entries in a directory of \(directory.range.count) bytes")
    }
    var found: [(start: Int, entry: ZipArchive.Entry)] = []
    found.reserveCapacity(directory.count)
    var position = directory.range.lowerBound
    for index in 0..<directory.count {
      let header = try readHeader(at: position, end: directory.range.upperBound, index: index)
      position = header.end
      found.append(
        (header.offset, try locate(header, before: directory.range.lowerBound)))
    }
    guard position == directory.range.upperBound else {
      throw malformed(
        "\(directory.range.upperBound - position) bytes after the last directory entry")
    }
    var reached = 0
    for (start, entry) in found.sorted(by: { $0.start < $1.start }) {
      guard start >= reached else {
        throw malformed("\(shortened(entry.name)) lies over another entry at byte \(start)")
      }
      reached = entry.range.upperBound
    }
    return found.map(\.entry).filter { !($0.name.hasSuffix("/") && $0.range.isEmpty) }
  }

  /// The directory by the record at the end of the file, and by Zip64's where there is one.
  private func findDirectory() throws -> Directory {
    guard let end = endOfDirectory() else {
      throw malformed("is no zip file or was cut off: there is no directory at its end")
    }
    if end >= 20, bytes.number(at: end - 20, as: UInt32.self) == 0x0706_4B50 {
      return try zip64Directory(locator: end - 20)
    }
    let disk = field(end + 4, UInt16.self) | field(end + 6, UInt16.self)
    let count = field(end + 10, UInt16.self)
    return try checked(
      disk: disk, counts: (field(end + 8, UInt16.self), count),
      size: UInt64(field(end + 12, UInt32.self)), offset: UInt64(field(end + 16, UInt32.self)),
      limit: end)
  }

  /// Where the last record begins, behind which there is but a comment of the announced length.
  private func endOfDirectory() -> Int? {
    let longestComment = 65_535
    let last = bytes.count - 22
    guard last >= 0 else { return nil }
    for position in stride(from: last, through: max(0, last - longestComment), by: -1) {
      guard bytes.number(at: position, as: UInt32.self) == 0x0605_4B50 else { continue }
      if field(position + 20, UInt16.self) == last - position { return position }
    }
    return nil
  }

  private func zip64Directory(locator: Int) throws -> Directory {
    let offset = bytes.number(at: locator + 8, as: UInt64.self) ?? .max
    guard locator >= 56, offset <= UInt64(locator - 56),
      bytes.number(at: Int(offset), as: UInt32.self) == 0x0606_4B50
    else {
      throw malformed("the end of its Zip64 directory is not where it says, at byte \(offset)")
    }
    let end = Int(offset)
    func long(_ position: Int) -> UInt64 {
      bytes.number(at: end + position, as: UInt64.self) ?? .max
    }
    let counts = (long(24), long(32))
    guard counts.0 <= UInt64(bytes.count), counts.1 <= UInt64(bytes.count) else {
      throw malformed("announces \(counts.1) entries in \(bytes.count) bytes")
    }
    return try checked(
      disk: field(end + 16, UInt32.self) | field(end + 20, UInt32.self),
      counts: (Int(counts.0), Int(counts.1)), size: long(40), offset: long(48), limit: end)
  }

  private func checked(
    disk: Int, counts: (Int, Int), size: UInt64, offset: UInt64, limit: Int
  ) throws -> Directory {
    guard disk == 0, counts.0 == counts.1 else {
      throw malformed("is one part of a zip file in several parts")
    }
    guard offset <= UInt64(limit), size == UInt64(limit) - offset else {
      throw malformed(
        "its directory of \(size) bytes at byte \(offset) does not end at byte \(limit)")
    }
    return Directory(range: Int(offset)..<limit, count: counts.1)
  }

  /// What a header of the directory says of one entry.
  private struct Header {
    var name: String
    var nameBytes: Range<Int>
    var checksum: UInt32
    var size: Int
    var offset: Int
    /// First byte behind the header.
    var end: Int
  }

  private func readHeader(at position: Int, end: Int, index: Int) throws -> Header {
    guard position <= end - 46, bytes.number(at: position, as: UInt32.self) == 0x0201_4B50 else {
      throw malformed("entry \(index) of the directory is damaged")
    }
    let nameEnd = position + 46 + field(position + 28, UInt16.self)
    let extraEnd = nameEnd + field(position + 30, UInt16.self)
    let next = extraEnd + field(position + 32, UInt16.self)
    guard next <= end else { throw malformed("entry \(index) of the directory is damaged") }
    let nameBytes = position + 46..<nameEnd
    guard let name = String(validating: bytes[nameBytes], as: UTF8.self), !name.isEmpty else {
      throw malformed("entry \(index) of the directory has no readable name")
    }
    guard field(position + 8, UInt16.self) & 1 == 0 else {
      throw malformed("\(shortened(name)) is encrypted, which torch.save never does")
    }
    let method = field(position + 10, UInt16.self)
    guard method == 0 else {
      throw malformed(
        "\(shortened(name)) is compressed (zip method \(method)); only uncompressed entries are read, as "
          + "torch.save writes them: load and save the file again with PyTorch, or store it with "
          + "`zip -0`")
    }
    var long = LongFields(extra: UnsafeRawBufferPointer(rebasing: bytes[nameEnd..<extraEnd]))
    // The order is fixed: those of the three that do not fit into 32 bits, plain size first.
    let size = long.value(UInt32(field(position + 24, UInt32.self)))
    let packed = long.value(UInt32(field(position + 20, UInt32.self)))
    let offset = long.value(UInt32(field(position + 42, UInt32.self)))
    guard let size, let packed, let offset else {
      throw malformed("\(shortened(name)) lacks its Zip64 sizes")
    }
    guard size == packed, size <= UInt64(bytes.count), offset <= UInt64(bytes.count) else {
      throw malformed(
        "\(shortened(name)) has \(size) bytes, stored as \(packed) at byte \(offset), in a file of "
          + "\(bytes.count)")
    }
    return Header(
      name: name, nameBytes: nameBytes,
      checksum: UInt32(field(position + 16, UInt32.self)), size: Int(size), offset: Int(offset),
      end: next)
  }

  /// The bytes of an entry, by the local header in front of them.
  private func locate(_ header: Header, before directory: Int) throws -> ZipArchive.Entry {
    let start = header.offset
    guard start <= directory - 30, bytes.number(at: start, as: UInt32.self) == 0x0403_4B50 else {
      throw malformed(
        "\(shortened(header.name)) does not begin at byte \(start), where the directory has it")
    }
    let nameEnd = start + 30 + field(start + 26, UInt16.self)
    let first = nameEnd + field(start + 28, UInt16.self)
    guard nameEnd <= directory, field(start + 8, UInt16.self) == 0,
      bytes[start + 30..<nameEnd].elementsEqual(bytes[header.nameBytes])
    else { throw malformed("\(shortened(header.name)) is called otherwise in front of its bytes") }
    guard first <= directory, header.size <= directory - first else {
      throw malformed("\(shortened(header.name)) reaches into the directory")
    }
    return ZipArchive.Entry(
      name: header.name, range: first..<first + header.size, checksum: header.checksum)
  }

  /// A number that the caller knows to lie within the file.
  private func field<Number: FixedWidthInteger>(_ position: Int, _: Number.Type) -> Int {
    Int(truncatingIfNeeded: bytes.number(at: position, as: Number.self) ?? 0)
  }

  private func malformed(_ reason: String) -> FileError { .malformed(path: path, reason: reason) }
}

/// The 64-bit sizes and offsets in a directory header's extra field.
private struct LongFields {
  private let extra: UnsafeRawBufferPointer
  /// What is left of the Zip64 field; nil where there is none.
  private var rest: Range<Int>?

  init(extra: UnsafeRawBufferPointer) {
    self.extra = extra
    var position = 0
    while let kind = extra.number(at: position, as: UInt16.self),
      let size = extra.number(at: position + 2, as: UInt16.self)
    {
      let end = position + 4 + Int(size)
      if kind == 1, end <= extra.count {
        rest = position + 4..<end
        return
      }
      position = end
    }
  }

  /// The number that `short` stands for: itself, or the next of the long ones; nil if it is lacking.
  mutating func value(_ short: UInt32) -> UInt64? {
    guard short == .max else { return UInt64(short) }
    guard let range = rest, range.count >= 8 else { return nil }
    rest = range.lowerBound + 8..<range.upperBound
    return extra.number(at: range.lowerBound, as: UInt64.self)
  }
}

extension UnsafeRawBufferPointer {
  /// The little-endian number at `offset`; nil where it would reach past the end.
  func number<Number: FixedWidthInteger>(at offset: Int, as: Number.Type) -> Number? {
    guard offset >= 0, offset <= count - MemoryLayout<Number>.size else { return nil }
    return Number(littleEndian: loadUnaligned(fromByteOffset: offset, as: Number.self))
  }
}

/// A number as eight hexadecimal digits.
private func hexadecimal(_ number: UInt32) -> String {
  let digits = String(number, radix: 16)
  return String(repeating: "0", count: 8 - digits.count) + digits
}

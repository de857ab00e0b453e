import Foundation
import MecaCore

/// A checkpoint file: columns and a few words on what they are, in the layout of safetensors.
///
/// 8 bytes little-endian length of the header, the header as JSON (`__metadata__`, then for each
/// column its type, length and place), the columns one after the other in the order of their names.
/// The metadata hold `content`: SHA-256 of everything else that the file says.
enum ColumnFile {
  /// Longest header that is read; real ones have a few kilobytes.
  private static let headerLimit = 1 << 24
  private static let contentKey = "content"

  /// Writes a file, whole or not at all.
  ///
  /// - Returns: its length in bytes.
  /// - Throws: `FileError.failed`; an old file of this name is intact then.
  @discardableResult
  static func write(_ columns: Columns, facts: [String: String], to path: String) throws -> Int {
    let bytes = encode(columns, facts: facts)
    try bytes.withUnsafeBytes { try replaceFile(at: path, with: [$0]) }
    return bytes.count
  }

  /// Reads a file.
  ///
  /// - Throws: `FileError`, also if its content is not what its digest says.
  ///
  /// - Parameter limit: bytes at most.
  static func read(
    _ path: String, limit: Int = .max
  ) throws -> (columns: Columns, facts: [String: String]) {
    let header = try readHeader(path)
    guard header.fileLength <= limit else {
      throw FileError.malformed(
        path: path, reason: "has \(header.fileLength) bytes, more than this run's stages leave")
    }
    return try decode(try readFile(at: path, limit: header.fileLength), path: path)
  }

  /// What a file says of itself; its columns are neither read nor checked.
  ///
  /// - Throws: `FileError`.
  static func facts(_ path: String) throws -> [String: String] { try readHeader(path).facts }

  /// Reads the header, and compares the file's length with it before anything else is read.
  private static func readHeader(
    _ path: String
  ) throws -> (facts: [String: String], fileLength: Int) {
    let (start, size) = try readStart(of: path, count: 8)
    let length = headerLength(start)
    guard start.count == 8, length <= headerLimit, size >= 8 + length else {
      throw FileError.malformed(path: path, reason: "is no checkpoint: its beginning is damaged")
    }
    let header = try Header(
      Array(try readStart(of: path, count: 8 + length).bytes.dropFirst(8)), path: path)
    guard size == 8 + length + header.dataLength else {
      throw FileError.malformed(
        path: path,
        reason: "has \(size) bytes, its header says \(8 + length + header.dataLength)")
    }
    return (header.facts, size)
  }

  /// The content of a file.
  static func encode(_ columns: Columns, facts: [String: String]) -> [UInt8] {
    let sorted = columns.all.sorted { $0.key < $1.key }
    var header = Header(facts: facts)
    for (name, column) in sorted {
      header.append(name, type: column.type, count: column.count, width: column.width)
    }
    var data: [UInt8] = []
    data.reserveCapacity(header.dataLength)
    for (_, column) in sorted { column.append(to: &data) }
    header.facts[contentKey] = digest(of: header, data[...])
    let text = header.json()
    var bytes: [UInt8] = []
    bytes.reserveCapacity(8 + text.count + data.count)
    withUnsafeBytes(of: UInt64(text.count).littleEndian) { bytes.append(contentsOf: $0) }
    bytes += text
    bytes += data
    return bytes
  }

  /// What the content of a file says; `path` is for the errors.
  static func decode(
    _ bytes: [UInt8], path: String
  ) throws -> (columns: Columns, facts: [String: String]) {
    let length = headerLength(bytes)
    guard bytes.count >= 8, length <= min(headerLimit, bytes.count - 8) else {
      throw FileError.malformed(path: path, reason: "is no checkpoint: its beginning is damaged")
    }
    var header = try Header(Array(bytes[8..<8 + length]), path: path)
    let data = bytes[(8 + length)...]
    let stated = header.facts.removeValue(forKey: contentKey)
    guard data.count == header.dataLength, stated == digest(of: header, data) else {
      throw FileError.malformed(path: path, reason: "its digest does not fit its content")
    }
    var columns = Columns()
    for entry in header.entries {
      let place = data.startIndex + entry.begin..<data.startIndex + entry.end
      columns[entry.name] = try Columns.Column(type: entry.type, bytes: data[place], path: path)
    }
    return (columns, header.facts)
  }

  private static func headerLength(_ bytes: [UInt8]) -> Int {
    guard bytes.count >= 8 else { return .max }
    let length = bytes.withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)) }
    return Int(clamping: length)
  }

  private static func digest(of header: Header, _ data: ArraySlice<UInt8>) -> String {
    var header = header
    header.facts[contentKey] = nil
    var digest = SHA256Digest()
    digest.update(header.json())
    data.withUnsafeBytes { digest.update($0) }
    return digest.hexadecimal()
  }
}

extension ColumnFile {
  /// The JSON at the beginning of a file.
  private struct Header {
    struct Entry: Equatable {
      var name: String
      var type: String
      var count: Int
      var begin: Int
      var end: Int
    }

    var facts: [String: String]
    var entries: [Entry] = []
    var dataLength: Int { entries.last?.end ?? 0 }

    init(facts: [String: String]) { self.facts = facts }

    mutating func append(_ name: String, type: String, count: Int, width: Int) {
      let begin = dataLength
      entries.append(
        Entry(name: name, type: type, count: count, begin: begin, end: begin + count * width))
    }

    /// - Throws: `FileError.malformed` for anything that `json` does not write.
    init(_ bytes: [UInt8], path: String) throws {
      func malformed() -> FileError {
        .malformed(path: path, reason: "is no checkpoint: its header is damaged")
      }
      guard
        let object = try? JSONSerialization.jsonObject(with: Data(bytes)) as? [String: Any],
        let facts = object["__metadata__"] as? [String: String]
      else { throw malformed() }
      self.facts = facts
      for (name, value) in object.sorted(by: { $0.key < $1.key }) where name != "__metadata__" {
        guard let entry = value as? [String: Any], let type = entry["dtype"] as? String,
          let shape = entry["shape"] as? [Int], shape.count == 1, shape[0] >= 0,
          let width = Columns.Column.width(ofType: type), shape[0] < Int.max / 16,
          let offsets = entry["data_offsets"] as? [Int]
        else { throw malformed() }
        append(name, type: type, count: shape[0], width: width)
        guard offsets == [entries[entries.count - 1].begin, dataLength], dataLength < Int.max / 16
        else { throw malformed() }
      }
    }

    /// The header, padded with spaces to a multiple of 8 bytes.
    func json() -> [UInt8] {
      var parts = [
        "\"__metadata__\":{"
          + facts.sorted { $0.key < $1.key }.map { "\(quoted($0)):\(quoted($1))" }
          .joined(separator: ",") + "}"
      ]
      parts += entries.map { entry in
        "\(quoted(entry.name)):{\"dtype\":\"\(entry.type)\",\"shape\":[\(entry.count)],"
          + "\"data_offsets\":[\(entry.begin),\(entry.end)]}"
      }
      var bytes = Array("{\(parts.joined(separator: ","))}".utf8)
      while bytes.count % 8 != 0 { bytes.append(UInt8(ascii: " ")) }
      return bytes
    }

    private func quoted(_ text: String) -> String {
      let data = try? JSONSerialization.data(
        withJSONObject: text, options: [.fragmentsAllowed, .withoutEscapingSlashes])
      return String(decoding: data ?? Data(), as: UTF8.self)
    }
  }
}

extension Columns.Column {
  fileprivate var type: String {
    switch self {
    case .flags: "BOOL"
    case .integers: "I32"
    case .floats: "F32"
    case .doubles: "F64"
    case .bytes: "U8"
    }
  }

  fileprivate static func width(ofType type: String) -> Int? {
    ["BOOL": 1, "U8": 1, "I32": 4, "F32": 4, "F64": 8][type]
  }

  fileprivate var width: Int { Self.width(ofType: type) ?? 1 }

  fileprivate var count: Int {
    switch self {
    case .flags(let values): values.count
    case .integers(let values): values.count
    case .floats(let values): values.count
    case .doubles(let values): values.count
    case .bytes(let values): values.count
    }
  }

  fileprivate func append(to bytes: inout [UInt8]) {
    switch self {
    case .flags(let values): bytes += values.map { $0 ? 1 : 0 }
    case .integers(let values): values.withUnsafeBytes { bytes.append(contentsOf: $0) }
    case .floats(let values): values.withUnsafeBytes { bytes.append(contentsOf: $0) }
    case .doubles(let values): values.withUnsafeBytes { bytes.append(contentsOf: $0) }
    case .bytes(let values): bytes += values
    }
  }

  fileprivate init(type: String, bytes: ArraySlice<UInt8>, path: String) throws {
    func values<Value: BitwiseCopyable>(as type: Value.Type) -> [Value] {
      let count = bytes.count / MemoryLayout<Value>.size
      return [Value](unsafeUninitializedCapacity: count) { target, filled in
        bytes.withUnsafeBytes { UnsafeMutableRawBufferPointer(target).copyMemory(from: $0) }
        filled = count
      }
    }
    switch type {
    case "BOOL": self = .flags(bytes.map { $0 != 0 })
    case "I32": self = .integers(values(as: Int32.self))
    case "F32": self = .floats(values(as: Float.self))
    case "F64": self = .doubles(values(as: Double.self))
    default: self = .bytes(Array(bytes))
    }
  }
}

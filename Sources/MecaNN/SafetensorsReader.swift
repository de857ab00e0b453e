import FoundationEssentials
import MecaCore

/// Reads a safetensors file of floating point numbers that 32 bits can hold.
///
/// Everything that the header says is checked before it is used: the length of the header, names,
/// types, shapes against byte ranges, and that the ranges cover the data without gap or overlap.
/// Besides F32 there may be F16 and BF16, whose numbers are all 32-bit floats too, and F64 where
/// each number is one (a model trained in F32 and saved in F64): what is read is what was written,
/// never a rounded copy. 64-bit integers are accepted for `*.num_batches_tracked` alone.
///
/// - Source: https://huggingface.co/docs/safetensors, "Format".
/// - Returns: the tensors sorted by name, and the metadata (empty if there is none).
/// - Throws: `FileError.missing`, `.failed`, or `.malformed` with what is wrong.
///
/// - Parameter check: looks at names and shapes before any element is read, so that a file of a few
///   bytes on the disk that claims a huge tensor costs nothing; throws what is against them.
public func readSafetensors(
  _ path: String, check: ([(name: String, shape: [Int])]) throws -> Void = { _ in }
) throws -> ([NamedTensor], [String: String]) {
  let (start, size) = try readStart(of: path, count: 8)
  if start.count == 8 {
    let length = start.withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)) }
    if length <= UInt64(min(size - 8, headerLimit)) {
      let head = try readStart(of: path, count: 8 + Int(length)).bytes
      let header = try decodedHeader(Array(head.dropFirst(8)), path: path)
      try check(header.entries.map { ($0.name, $0.shape) })
    } else if length > UInt64(headerLimit) {
      throw FileError.malformed(
        path: path, reason: "header of \(length) bytes; \(headerLimit) at most are read")
    }
  }
  return try decodeSafetensors(readFile(at: path, limit: size), path: path)
}

private func decodedHeader(_ bytes: [UInt8], path: String) throws -> Header {
  do {
    return try JSONDecoder().decode(Header.self, from: Data(bytes))
  } catch let error as HeaderError {
    throw FileError.malformed(path: path, reason: error.reason)
  } catch {
    throw FileError.malformed(
      path: path, reason: "the header is not the JSON that a safetensors file begins with")
  }
}

/// The tensors and metadata in the content of a safetensors file; `path` is for the errors.
package func decodeSafetensors(
  _ bytes: [UInt8], path: String
) throws -> ([NamedTensor], [String: String]) {
  func malformed(_ reason: String) -> FileError { .malformed(path: path, reason: reason) }

  guard bytes.count >= 8 else {
    throw malformed("not a safetensors file: only \(bytes.count) bytes")
  }
  let length = bytes.withUnsafeBytes { UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self)) }
  guard length <= UInt64(min(bytes.count - 8, headerLimit)) else {
    throw malformed("header of \(length) bytes in a file of \(bytes.count)")
  }
  let dataStart = 8 + Int(length)
  let header = try decodedHeader(Array(bytes[8..<dataStart]), path: path)

  let dataCount = bytes.count - dataStart
  var reached = 0
  for entry in header.entries.sorted(by: { ($0.begin, $0.end) < ($1.begin, $1.end) }) {
    guard entry.begin == reached, entry.end <= dataCount else {
      throw malformed(
        "\(entry.name): bytes \(entry.begin) to \(entry.end), expected to begin at \(reached) "
          + "and to end by \(dataCount)")
    }
    reached = entry.end
  }
  guard reached == dataCount else {
    throw malformed("\(dataCount - reached) bytes after the last tensor")
  }
  let tensors = try header.entries.sorted { $0.name < $1.name }.map { entry in
    let values = floats(
      bytes, from: dataStart + entry.begin, to: dataStart + entry.end, entry.type)
    guard let values else {
      throw malformed(
        "\(entry.name): F64 numbers that 32 bits cannot hold; save the model after .float()")
    }
    return NamedTensor(
      name: entry.name, shape: entry.shape, values: values,
      kind: entry.type == .int64 ? .int64 : .float32)
  }
  return (tensors, header.metadata)
}

/// Longest header that is read, in bytes: those of real models have some kilobytes.
///
/// The format would allow 100 MB, which take gigabytes as JSON.
private let headerLimit = 1 << 24

/// How elements lie in a file.
private enum ElementType: String {
  case float32 = "F32"
  case float16 = "F16"
  case bfloat16 = "BF16"
  case float64 = "F64"
  case int64 = "I64"

  var byteCount: Int {
    switch self {
    case .float16, .bfloat16: 2
    case .float32: 4
    case .float64, .int64: 8
    }
  }
}

/// The elements of a byte range, counters rounded; nil if one of the others is no 32-bit float.
private func floats(
  _ bytes: [UInt8], from begin: Int, to end: Int, _ type: ElementType
) -> [Float]? {
  bytes.withUnsafeBytes { all in
    let raw = UnsafeRawBufferPointer(rebasing: all[begin..<end])
    let elements = raw.count / type.byteCount
    func element<Value: BitwiseCopyable>(_ index: Int, as type: Value.Type) -> Value {
      raw.loadUnaligned(fromByteOffset: index * MemoryLayout<Value>.size, as: type)
    }
    switch type {
    case .float32:
      return [Float](unsafeUninitializedCapacity: elements) { target, count in
        UnsafeMutableRawBufferPointer(target).copyMemory(from: raw)
        count = elements
      }
    case .float16:
      return (0..<elements).map {
        float(halfBits: UInt16(littleEndian: element($0, as: UInt16.self)))
      }
    case .bfloat16:
      // The upper half of a 32-bit float.
      return (0..<elements).map {
        Float(bitPattern: UInt32(UInt16(littleEndian: element($0, as: UInt16.self))) << 16)
      }
    case .float64:
      let wide = (0..<elements).map {
        Double(bitPattern: UInt64(littleEndian: element($0, as: UInt64.self)))
      }
      guard wide.allSatisfy({ Double(Float($0)) == $0 || $0.isNaN }) else { return nil }
      return wide.map { Float($0) }
    case .int64:
      return (0..<elements).map { Float(Int64(littleEndian: element($0, as: Int64.self))) }
    }
  }
}

/// An IEEE half-precision number.
///
/// 1 sign, 5 exponent and 10 fraction bits. With the exponent moved by 2⁻¹¹² the bits of a normal or
/// subnormal number are those of a `Float` that is 2¹¹² times too small, and the product is exact.
package func float(halfBits bits: UInt16) -> Float {
  let magnitude = UInt32(bits & 0x7fff) << 13
  let sign = UInt32(bits & 0x8000) << 16
  if bits & 0x7c00 == 0x7c00 { return Float(bitPattern: sign | 0x7f80_0000 | magnitude) }
  return Float(bitPattern: sign | (Float(bitPattern: magnitude) * 0x1p112).bitPattern)
}

/// What is wrong with a header that is JSON.
private struct HeaderError: Error {
  var reason: String
}

/// The JSON object at the beginning of the file.
private struct Header: Decodable {
  struct Entry {
    var name: String
    var type: ElementType
    var shape: [Int]
    var begin: Int
    var end: Int
  }

  private struct RawEntry: Decodable {
    var dtype: String
    var shape: [Int]
    var offsets: [Int]

    enum CodingKeys: String, CodingKey {
      case dtype, shape
      case offsets = "data_offsets"
    }
  }

  private struct Key: CodingKey {
    var stringValue: String
    var intValue: Int? { nil }
    init(stringValue: String) { self.stringValue = stringValue }
    init?(intValue: Int) { nil }
  }

  var entries: [Entry] = []
  var metadata: [String: String] = [:]

  init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Key.self)
    for key in container.allKeys {
      if key.stringValue == "__metadata__" {
        metadata = try container.decode([String: String].self, forKey: key)
      } else {
        entries.append(
          try Self.checked(container.decode(RawEntry.self, forKey: key), name: key.stringValue))
      }
    }
  }

  private static func checked(_ raw: RawEntry, name: String) throws -> Entry {
    guard let type = ElementType(rawValue: raw.dtype),
      type != .int64 || name.hasSuffix(".num_batches_tracked")
    else {
      throw HeaderError(
        reason: "\(name): type \(raw.dtype), only F32, F16, BF16 and F64 are supported")
    }
    guard raw.offsets.count == 2, raw.offsets[0] >= 0, raw.offsets[1] >= raw.offsets[0] else {
      throw HeaderError(reason: "\(name): data offsets \(raw.offsets)")
    }
    var byteCount = type.byteCount
    for extent in raw.shape {
      let (product, overflow) = byteCount.multipliedReportingOverflow(by: extent)
      guard extent >= 0, !overflow else {
        throw HeaderError(reason: "\(name): shape \(raw.shape)")
      }
      byteCount = product
    }
    guard byteCount == raw.offsets[1] - raw.offsets[0] else {
      throw HeaderError(
        reason: "\(name): \(raw.offsets[1] - raw.offsets[0]) bytes for shape \(raw.shape)")
    }
    return Entry(
      name: name, type: type, shape: raw.shape, begin: raw.offsets[0], end: raw.offsets[1])
  }
}

import FoundationEssentials
import MecaCore

/// Reads a safetensors file of 32-bit floats.
///
/// Everything that the header says is checked before it is used: the length of the header, names,
/// types, shapes against byte ranges, and that the ranges cover the data without gap or overlap.
/// 64-bit integers are accepted for `*.num_batches_tracked` alone.
///
/// - Source: https://huggingface.co/docs/safetensors, "Format".
/// - Returns: the tensors sorted by name, and the metadata (empty if there is none).
/// - Throws: `FileError.missing`, `.failed`, or `.malformed` with what is wrong.
public func readSafetensors(_ path: String) throws -> ([NamedTensor], [String: String]) {
  try decodeSafetensors(readFile(at: path), path: path)
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
  let header: Header
  do {
    header = try JSONDecoder().decode(Header.self, from: Data(bytes[8..<dataStart]))
  } catch let error as HeaderError {
    throw malformed(error.reason)
  } catch {
    throw malformed("the header is not the JSON that a safetensors file begins with")
  }

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
  let tensors = header.entries.sorted { $0.name < $1.name }.map { entry in
    NamedTensor(
      name: entry.name, shape: entry.shape,
      values: floats(bytes, from: dataStart + entry.begin, to: dataStart + entry.end, entry.kind),
      kind: entry.kind)
  }
  return (tensors, header.metadata)
}

/// Longest header that the format allows, in bytes.
private let headerLimit = 100_000_000

private func floats(
  _ bytes: [UInt8], from begin: Int, to end: Int, _ kind: NamedTensor.ElementKind
) -> [Float] {
  bytes.withUnsafeBytes { all in
    let raw = UnsafeRawBufferPointer(rebasing: all[begin..<end])
    switch kind {
    case .float32:
      return [Float](unsafeUninitializedCapacity: raw.count / 4) { target, count in
        UnsafeMutableRawBufferPointer(target).copyMemory(from: raw)
        count = raw.count / 4
      }
    case .int64:
      return (0..<raw.count / 8).map {
        Float(raw.loadUnaligned(fromByteOffset: $0 * 8, as: Int64.self))
      }
    }
  }
}

/// What is wrong with a header that is JSON.
private struct HeaderError: Error {
  var reason: String
}

/// The JSON object at the beginning of the file.
private struct Header: Decodable {
  struct Entry {
    var name: String
    var kind: NamedTensor.ElementKind
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
    guard let kind = NamedTensor.ElementKind(rawValue: raw.dtype),
      kind == .float32 || name.hasSuffix(".num_batches_tracked")
    else {
      throw HeaderError(reason: "\(name): type \(raw.dtype), only F32 is supported")
    }
    guard raw.offsets.count == 2, raw.offsets[0] >= 0, raw.offsets[1] >= raw.offsets[0] else {
      throw HeaderError(reason: "\(name): data offsets \(raw.offsets)")
    }
    var byteCount = kind.byteCount
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
      name: name, kind: kind, shape: raw.shape, begin: raw.offsets[0], end: raw.offsets[1])
  }
}

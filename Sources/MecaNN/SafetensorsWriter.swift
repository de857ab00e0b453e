/// Writes tensors as a safetensors file, replacing the old one in a single move.
///
/// Layout: 8 bytes little-endian length of the header, the header as JSON with sorted names, the
/// elements. The header is padded with spaces to a multiple of 8 bytes. Equal tensors and metadata
/// give equal bytes.
///
/// - Source: https://huggingface.co/docs/safetensors, "Format".
/// - Ranks: local; only one rank writes a file.
/// - Throws: `FileError.failed`.
public func writeSafetensors(
  _ tensors: [NamedTensor], metadata: [String: String], to path: String
) throws {
  let bytes = encodeSafetensors(tensors, metadata: metadata)
  try bytes.withUnsafeBytes { try replaceFile(at: path, with: [$0]) }
}

/// The content of a safetensors file.
package func encodeSafetensors(_ tensors: [NamedTensor], metadata: [String: String]) -> [UInt8] {
  let sorted = tensors.sorted { $0.name < $1.name }
  var entries: [String] = []
  if !metadata.isEmpty {
    let pairs = metadata.sorted { $0.key < $1.key }.map { "\(quoted($0)):\(quoted($1))" }
    entries.append("\"__metadata__\":{\(pairs.joined(separator: ","))}")
  }
  var offset = 0
  for (index, tensor) in sorted.enumerated() {
    precondition(
      index == 0 || sorted[index - 1].name != tensor.name, "two tensors are named \(tensor.name)")
    let end = offset + tensor.values.count * tensor.kind.byteCount
    let shape = tensor.shape.map(String.init).joined(separator: ",")
    entries.append(
      "\(quoted(tensor.name)):{\"dtype\":\"\(tensor.kind.rawValue)\",\"shape\":[\(shape)],"
        + "\"data_offsets\":[\(offset),\(end)]}")
    offset = end
  }
  var header = Array("{\(entries.joined(separator: ","))}".utf8)
  while header.count % 8 != 0 { header.append(UInt8(ascii: " ")) }

  var bytes: [UInt8] = []
  bytes.reserveCapacity(8 + header.count + offset)
  withUnsafeBytes(of: UInt64(header.count).littleEndian) { bytes.append(contentsOf: $0) }
  bytes.append(contentsOf: header)
  for tensor in sorted {
    switch tensor.kind {
    case .float32:
      tensor.values.withUnsafeBytes { bytes.append(contentsOf: $0) }
    case .int64:
      tensor.values.map { Int64($0) }.withUnsafeBytes { bytes.append(contentsOf: $0) }
    }
  }
  return bytes
}

/// `text` as a JSON string.
///
/// For example `a"b` with a line feed becomes `"a\"b\u000a"`.
private func quoted(_ text: String) -> String {
  var result = "\""
  for scalar in text.unicodeScalars {
    switch scalar {
    case "\"", "\\":
      result += "\\\(scalar)"
    case _ where scalar.value < 0x20:
      let digits = String(scalar.value, radix: 16)
      result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
    default:
      result.unicodeScalars.append(scalar)
    }
  }
  return result + "\""
}

import MecaCore

/// Labels or roles that a file may have at most: 1 GiB as numbers of this program.
private let mostIntegers = 1 << 27

/// A `.npy` file, mapped into memory, whose head and length fit together.
public struct NumpyFile: Sendable {
  /// The mapped bytes.
  public let file: MappedFile
  /// What the head says.
  public let header: NumpyHeader

  /// Maps and checks the file at `path`.
  ///
  /// - Throws: `FileError` that names it: missing, not an array of plain numbers, or longer or
  ///   shorter than its head says.
  public init(path: String) throws {
    file = try MappedFile(path: path)
    header = try file.withBytes { try NumpyHeader(of: $0, path: path) }
    let found = file.count - header.dataOffset
    let wanted = header.elementCount.map { $0 * header.element.size }
    guard wanted == found else {
      let shape = header.shape.map { "\($0)" }.joined(separator: ", ")
      let need = wanted.map { "\($0)" } ?? "more than 2^63"
      throw FileError.malformed(
        path: path,
        reason: "\(header.element) array of shape (\(shape)) needs \(need) bytes after the header, "
          + "the file has \(found)")
    }
  }

  /// Path as given.
  public var path: String { file.path }

  /// All numbers of an integer array.
  ///
  /// - Throws: `FileError.malformed` for floating-point numbers, or for one that 63 bits cannot say.
  public func integers() throws -> [Int] {
    guard header.element.isInteger else {
      throw FileError.malformed(
        path: path, reason: "holds \(header.element) where integers are wanted")
    }
    switch header.element {
    case .uint8: return try integers(as: UInt8.self)
    case .uint16: return try integers(as: UInt16.self)
    case .uint32: return try integers(as: UInt32.self)
    case .uint64: return try integers(as: UInt64.self)
    case .int8: return try integers(as: Int8.self)
    case .int16: return try integers(as: Int16.self)
    case .int32: return try integers(as: Int32.self)
    default: return try integers(as: Int64.self)
    }
  }

  private func integers<Number: FixedWidthInteger & BitwiseCopyable>(
    as type: Number.Type
  ) throws -> [Int] {
    let stride = MemoryLayout<Number>.size
    let count = (file.count - header.dataOffset) / stride
    guard count <= mostIntegers else {
      throw FileError.malformed(
        path: path, reason: "has \(count) integers; \(mostIntegers) at most are read")
    }
    return try file.withBytes { bytes in
      try (0..<count).map { place in
        let raw = bytes.loadUnaligned(
          fromByteOffset: header.dataOffset + place * stride, as: Number.self)
        let number = header.isBigEndian ? Number(bigEndian: raw) : Number(littleEndian: raw)
        guard let value = Int(exactly: number) else {
          throw FileError.malformed(path: path, reason: "element \(place) is \(number): too large")
        }
        return value
      }
    }
  }

  /// The number at `place` of a floating-point array.
  @inline(__always)
  func float(at place: Int, in bytes: UnsafeRawBufferPointer) -> Double {
    let offset = header.dataOffset + place * header.element.size
    if header.element == .float32 {
      let raw = bytes.loadUnaligned(fromByteOffset: offset, as: UInt32.self)
      return Double(Float(bitPattern: header.isBigEndian ? raw.byteSwapped : raw))
    }
    let raw = bytes.loadUnaligned(fromByteOffset: offset, as: UInt64.self)
    return Double(bitPattern: header.isBigEndian ? raw.byteSwapped : raw)
  }
}

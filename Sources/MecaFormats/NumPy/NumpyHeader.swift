import MecaCore

/// Kind of number in a `.npy` array.
public enum NumpyElement: String, Sendable, CaseIterable {
  case uint8 = "u1"
  case uint16 = "u2"
  case uint32 = "u4"
  case uint64 = "u8"
  case int8 = "i1"
  case int16 = "i2"
  case int32 = "i4"
  case int64 = "i8"
  case float32 = "f4"
  case float64 = "f8"

  /// Bytes of one number.
  public var size: Int { Int(rawValue.utf8.last! - UInt8(ascii: "0")) }
  /// Whether it is an integer, with or without sign.
  public var isInteger: Bool { !rawValue.hasPrefix("f") }
}

/// What the head of a `.npy` file says: kind of number, byte order, extents.
///
/// A file is the magic bytes, two bytes of version, the length of the text that follows (two bytes in
/// version 1, four in 2 and 3, little endian), a Python dictionary as text, and the numbers. The
/// text is taken apart strictly: exactly the keys `descr`, `fortran_order` and `shape`, nothing is
/// evaluated.
///
/// - Source: NumPy enhancement proposal 1, versions 1.0 to 3.0 of the format.
public struct NumpyHeader: Sendable, Equatable {
  /// Kind of number.
  public var element: NumpyElement
  /// Whether the bytes of a number are in the order of big-endian machines.
  public var isBigEndian = false
  /// Extents, the slowest first (C order).
  public var shape: [Int]
  /// Offset of the first number in the file.
  public private(set) var dataOffset = 0

  /// Longest text that is read; NumPy itself stays below 128 bytes for plain numbers.
  static let longestText = 65_536
  /// Most extents that an array may have, as in NumPy.
  static let mostExtents = 32

  /// The head of an array that this program writes: little endian, C order.
  public init(element: NumpyElement, shape: [Int]) {
    precondition(shape.allSatisfy { $0 >= 0 }, "extents \(shape)")
    self.element = element
    self.shape = shape
    dataOffset = bytes.count
  }

  /// Number of numbers; nil where 63 bits cannot say it or the bytes that they take.
  public var elementCount: Int? {
    var count = 1
    for extent in shape {
      let (product, overflow) = count.multipliedReportingOverflow(by: extent)
      if overflow { return nil }
      count = product
    }
    return count.multipliedReportingOverflow(by: element.size).overflow ? nil : count
  }

  /// The head as version 1.0 writes it, padded with blanks to a multiple of 64 bytes.
  public var bytes: [UInt8] {
    let order = element.size == 1 ? "|" : isBigEndian ? ">" : "<"
    let extents =
      shape.count == 1 ? "\(shape[0])," : shape.map { "\($0)" }.joined(separator: ", ")
    var text =
      "{'descr': '\(order)\(element.rawValue)', 'fortran_order': False, 'shape': (\(extents)), }"
    let preamble = Self.magic.count + 4
    text += String(repeating: " ", count: (64 - (preamble + text.utf8.count + 1) % 64) % 64) + "\n"
    let length = UInt16(text.utf8.count)
    return Self.magic + [1, 0, UInt8(length & 255), UInt8(length >> 8)] + Array(text.utf8)
  }

  private static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)

  /// Takes the head of a file apart.
  ///
  /// - Parameters:
  ///   - file: all bytes of the file.
  ///   - path: where they are from, for the error.
  /// - Throws: `FileError.malformed` for anything that is not a plain array in C order.
  public init(of file: UnsafeRawBufferPointer, path: String) throws {
    func bad(_ reason: String) -> FileError { .malformed(path: path, reason: reason) }
    guard file.count >= Self.magic.count + 4, file.starts(with: Self.magic) else {
      let isArchive = file.starts(with: [0x50, 0x4B, 3, 4])
      throw bad(
        isArchive
          ? "is an .npz archive, not an .npy file; save each array by numpy.save"
          : "is no .npy file (its first bytes are not those of the format)")
    }
    let version = file[6]
    guard (1...3).contains(version), file[7] == 0 else {
      throw bad("has version \(version).\(file[7]) of the .npy format; 1.0 to 3.0 are known")
    }
    let lengthBytes = version == 1 ? 2 : 4
    let start = 8 + lengthBytes
    guard file.count >= start else { throw bad("is cut off inside its header") }
    let length = (0..<lengthBytes).reduce(0) { $0 | Int(file[8 + $1]) << (8 * $1) }
    guard length <= Self.longestText else {
      throw bad("says that its header has \(length) bytes; \(Self.longestText) at most are read")
    }
    guard length <= file.count - start else { throw bad("is cut off inside its header") }
    var parser = NumpyHeaderParser(text: Array(file[start..<start + length]), path: path)
    (element, isBigEndian, shape) = try parser.parse()
    dataOffset = start + length
  }
}

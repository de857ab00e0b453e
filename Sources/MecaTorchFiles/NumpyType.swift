import MecaCore

/// The element type of a NumPy array inside a pickle.
package struct NumpyType: Sendable, Equatable {
  /// NumPy's code without byte order: `f8`, `i8`, `u1`, `b1`.
  package var code: String
  /// Bytes of one number; 0 for what is not a number.
  package var size: Int
  /// Whether the most significant byte comes first.
  package var isBigEndian = false

  private enum Kind {
    case signed, unsigned, float, bool
  }
  private var kind: Kind?

  /// The type of a code; one that is not among the plain numbers is kept by its name alone.
  init(code: String) {
    self.code = shortened(code, limit: 40)
    switch code {
    case "f4", "f8": kind = .float
    case "i1", "i2", "i4", "i8": kind = .signed
    case "u1", "u2", "u4", "u8": kind = .unsigned
    case "b1", "?": kind = .bool
    default: kind = nil
    }
    size = kind == nil ? 0 : code == "?" ? 1 : Int(code.dropFirst()) ?? 0
  }

  /// Whether the elements are numbers or truth values of 1 to 8 bytes.
  var isPlain: Bool { kind != nil }

  /// The number at `index`; nil where the bytes do not reach so far, or for no plain type.
  func number(in bytes: [UInt8], at index: Int) -> PickleValue? {
    guard let kind, index >= 0, index < bytes.count / size else { return nil }
    var pattern: UInt64 = 0
    for place in 0..<size {
      let byte = bytes[index * size + (isBigEndian ? place : size - 1 - place)]
      pattern = pattern << 8 | UInt64(byte)
    }
    switch kind {
    case .bool: return .bool(pattern != 0)
    case .unsigned: return Int(exactly: pattern).map { .integer($0) } ?? .largeInteger
    case .signed:
      let unused = UInt64(64 - 8 * size)
      return .integer(Int(Int64(bitPattern: pattern << unused) >> Int64(unused)))
    case .float:
      return .float(
        size == 4
          ? Double(Float(bitPattern: UInt32(truncatingIfNeeded: pattern)))
          : Double(bitPattern: pattern))
    }
  }
}

/// A NumPy array inside a pickle.
package struct PickledArray: Sendable, Equatable {
  /// Extents.
  package var shape: [Int] = []
  /// Element type; nil until the pickle has given the array its content.
  package var type: NumpyType?
  /// Whether the first index runs fastest.
  package var isFortranOrder = false
  /// Place of the content in `PickleContents.byteStrings`.
  package var bytes = 0

  /// Bytes that the extents need; nil where 63 bits cannot say it.
  var byteCount: Int? {
    guard let type else { return 0 }
    return product(of: shape, times: type.size)
  }
}

extension PickleContents {
  /// The numbers of an array with one extent above 1 at most; nil for others and for an array that
  /// the pickle has left without content.
  package func numbers(of array: PickledArray) -> [PickleValue]? {
    guard let type = array.type, array.shape.count(where: { $0 > 1 }) <= 1 else { return nil }
    let content = byteStrings[array.bytes]
    return (0..<content.count / type.size).map {
      type.number(in: content, at: $0) ?? .none
    }
  }
}

/// `factor` times all extents; nil for a negative extent or where 63 bits cannot say it.
func product(of extents: [Int], times factor: Int = 1) -> Int? {
  // An extent of 0 makes the product 0, whatever the others would overflow to.
  if extents.contains(where: { $0 < 0 }) { return nil }
  if extents.contains(0) { return 0 }
  var result = factor
  for extent in extents {
    let (next, overflow) = result.multipliedReportingOverflow(by: extent)
    if overflow { return nil }
    result = next
  }
  return result
}

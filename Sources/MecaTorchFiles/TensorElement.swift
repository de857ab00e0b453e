/// The type of a tensor's elements in a file of PyTorch.
public enum TensorElement: String, Sendable, CaseIterable {
  /// 32-bit floating point.
  case float32
  /// 64-bit floating point.
  case float64
  /// 16-bit floating point of IEEE 754, 5 bits of exponent.
  case float16
  /// The upper half of a 32-bit floating-point number.
  case bfloat16
  /// Byte, 0 to 255.
  case uint8
  /// 8-bit integer with sign.
  case int8
  /// 16-bit integer with sign.
  case int16
  /// 32-bit integer with sign.
  case int32
  /// 64-bit integer with sign.
  case int64
  /// Truth value in a byte.
  case bool

  /// Bytes of one element.
  public var size: Int {
    switch self {
    case .uint8, .int8, .bool: 1
    case .float16, .bfloat16, .int16: 2
    case .float32, .int32: 4
    case .float64, .int64: 8
    }
  }

  /// Whether elements are whole numbers or truth values.
  public var isInteger: Bool {
    switch self {
    case .float32, .float64, .float16, .bfloat16: false
    default: true
    }
  }

  /// The type that a class such as `torch.FloatStorage` holds; nil for a class that is not read.
  init?(storageName: String) {
    switch storageName {
    case "FloatStorage": self = .float32
    case "DoubleStorage": self = .float64
    case "HalfStorage": self = .float16
    case "BFloat16Storage": self = .bfloat16
    case "ByteStorage": self = .uint8
    case "CharStorage": self = .int8
    case "ShortStorage": self = .int16
    case "IntStorage": self = .int32
    case "LongStorage": self = .int64
    case "BoolStorage": self = .bool
    default: return nil
    }
  }

  /// The floating-point element that begins at byte `offset`.
  func float(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> Double {
    switch self {
    case .float32: Double(Float(bitPattern: load(bytes, offset)))
    case .float64: Double(bitPattern: load(bytes, offset))
    case .float16: Double(halfPrecision(load(bytes, offset)))
    case .bfloat16: Double(Float(bitPattern: UInt32(load(bytes, offset) as UInt16) << 16))
    default: Double(integer(bytes, at: offset))
    }
  }

  /// The integer element that begins at byte `offset`.
  func integer(_ bytes: UnsafeRawBufferPointer, at offset: Int) -> Int {
    switch self {
    case .uint8: Int(bytes[offset])
    case .bool: bytes[offset] == 0 ? 0 : 1
    case .int8: Int(Int8(bitPattern: bytes[offset]))
    case .int16: Int(load(bytes, offset) as Int16)
    case .int32: Int(load(bytes, offset) as Int32)
    case .int64: Int(load(bytes, offset) as Int64)
    default: preconditionFailure("\(self) elements read as integers")
    }
  }

  /// A little-endian number of any alignment.
  private func load<Number: FixedWidthInteger & BitwiseCopyable>(
    _ bytes: UnsafeRawBufferPointer, _ offset: Int
  ) -> Number {
    Number(littleEndian: bytes.loadUnaligned(fromByteOffset: offset, as: Number.self))
  }
}

/// The value of a 16-bit floating-point number; exact.
private func halfPrecision(_ pattern: UInt16) -> Float {
  let sign = UInt32(pattern & 0x8000) << 16
  let exponent = UInt32(pattern >> 10 & 0x1F)
  let fraction = UInt32(pattern & 0x3FF)
  if exponent == 0 {
    // Zero and the numbers below 2⁻¹⁴, all multiples of 2⁻²⁴.
    let value = Float(fraction) * 0x1p-24
    return sign == 0 ? value : -value
  }
  // Infinity and NaN keep their exponent of ones; the bias goes from 15 to 127.
  let wide: UInt32 = exponent == 0x1F ? 0xFF : exponent + 112
  return Float(bitPattern: sign | wide << 23 | fraction << 13)
}

/// The memory of tensors, an entry of the archive.
package struct TensorStorage: Sendable, Equatable {
  /// Type of the elements.
  package var element: TensorElement
  /// Name of the entry in the archive's folder `data`.
  package var key: String
  /// Number of elements.
  package var count: Int
}

/// How a tensor lies in its storage: element [i, j, …] is at offset + i·stride₀ + j·stride₁ + ….
package struct TensorView: Sendable, Equatable {
  /// Place in `PickleContents.storages`.
  package var storage: Int
  /// The first element's position in the storage.
  package var offset: Int
  /// Extents.
  package var shape: [Int]
  /// Steps from one index to the next, in elements.
  package var strides: [Int]

  /// Whether every element lies within a storage of `count`, and no more of them are than that.
  ///
  /// The second condition leaves out `expand`ed tensors, whose few bytes could pose as terabytes.
  package func fits(_ count: Int) -> Bool {
    guard shape.count == strides.count, offset >= 0, strides.allSatisfy({ $0 >= 0 }),
      // Counted as if no extent were 0, so that nobody's product of the others can overflow.
      product(of: shape.map { max(1, $0) }) != nil, let elements = product(of: shape),
      elements <= count
    else { return false }
    guard elements > 0 else { return offset <= count }
    var last = offset
    for (extent, stride) in zip(shape, strides) {
      let (reach, first) = (extent - 1).multipliedReportingOverflow(by: stride)
      let (sum, second) = last.addingReportingOverflow(reach)
      if first || second { return false }
      last = sum
    }
    return last < count
  }

  /// Whether the elements lie side by side in the order of the last index first.
  var isContiguous: Bool { blockIsContiguous(from: 0) }

  /// Whether those of one index of the dimensions before `dimension` do.
  func blockIsContiguous(from dimension: Int) -> Bool {
    if shape.contains(0) { return true }
    var expected = 1
    for index in shape.indices.reversed() where index >= dimension && shape[index] != 1 {
      guard strides[index] == expected else { return false }
      // Cannot overflow: `fits` has bounded the product of the extents.
      expected *= shape[index]
    }
    return true
  }
}

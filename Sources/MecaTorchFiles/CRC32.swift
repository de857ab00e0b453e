/// The CRC-32 that zip files carry for each entry.
///
/// Polynomial 0x04C11DB7 with all bits reflected, start and end inverted; eight bytes a step by
/// eight tables, of which table k moves a byte past k further bytes.
///
/// - Source: ISO 3309; M. Kounavis, F. Berry, "A systematic approach to building high performance
///   software-based CRC generators", 2005 (slicing by eight).
public func crc32(_ bytes: UnsafeRawBufferPointer) -> UInt32 {
  crcTables.withUnsafeBufferPointer { table in
    var value: UInt32 = 0xFFFF_FFFF
    var position = 0
    while bytes.count - position >= 8 {
      let word = UInt64(
        littleEndian: bytes.loadUnaligned(fromByteOffset: position, as: UInt64.self))
      let low = UInt32(truncatingIfNeeded: word) ^ value
      let high = UInt32(truncatingIfNeeded: word >> 32)
      // The first byte is seven bytes away from the end of the step.
      value =
        table[7 << 8 | Int(low & 255)] ^ table[6 << 8 | Int(low >> 8 & 255)]
        ^ table[5 << 8 | Int(low >> 16 & 255)] ^ table[4 << 8 | Int(low >> 24)]
        ^ table[3 << 8 | Int(high & 255)] ^ table[2 << 8 | Int(high >> 8 & 255)]
        ^ table[1 << 8 | Int(high >> 16 & 255)] ^ table[Int(high >> 24)]
      position += 8
    }
    while position < bytes.count {
      value = value >> 8 ^ table[Int((value ^ UInt32(bytes[position])) & 255)]
      position += 1
    }
    return ~value
  }
}

/// Eight tables of 256 entries, one after the other.
private let crcTables: [UInt32] = {
  var tables: [UInt32] = (0..<256).map { byte in
    (0..<8).reduce(UInt32(byte)) { value, _ in
      value & 1 == 1 ? value >> 1 ^ 0xEDB8_8320 : value >> 1
    }
  }
  for index in 256..<2048 {
    let before = tables[index - 256]
    tables.append(before >> 8 ^ tables[Int(before & 255)])
  }
  return tables
}()

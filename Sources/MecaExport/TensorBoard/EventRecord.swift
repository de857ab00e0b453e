/// The CRC-32C of bytes ("Castagnoli"): polynomial 0x1EDC6F41 with all bits reflected, start and end
/// inverted.
///
/// - Source: RFC 3720, appendix B.4, which has test vectors.
package func crc32c(_ bytes: some Sequence<UInt8>) -> UInt32 {
  ~bytes.reduce(UInt32.max) { value, byte in
    value >> 8 ^ castagnoliTable[Int((value ^ UInt32(byte)) & 255)]
  }
}

/// What eight steps of the division make of each byte.
private let castagnoliTable: [UInt32] = (0..<256).map { byte in
  (0..<8).reduce(UInt32(byte)) { value, _ in
    value & 1 == 1 ? value >> 1 ^ 0x82F6_3B78 : value >> 1
  }
}

/// A check sum as records carry it: rotated right by 15 bits, plus a constant.
///
/// The check sum of bytes that hold their own check sum is a constant, which would prove nothing.
package func masked(_ sum: UInt32) -> UInt32 { (sum >> 15 | sum << 17) &+ 0xA282_EAD8 }

/// One record of an event file: length, its check sum, the bytes, theirs; numbers little endian.
///
/// - Source: "TFRecord and tf.train.Example", https://www.tensorflow.org/tutorials/load_data/tfrecord.
package func eventRecord(_ message: [UInt8]) -> [UInt8] {
  func bytes(_ value: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: value.littleEndian) { Array($0) }
  }
  let length = bytes(UInt64(message.count))
  return length + bytes(masked(crc32c(length))) + message + bytes(masked(crc32c(message)))
}

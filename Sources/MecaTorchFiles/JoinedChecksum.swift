/// The CRC-32 of two pieces one behind the other, from theirs and the second's length.
///
/// Appending n zero bytes to what a CRC was taken of multiplies it by x^(8n) modulo the polynomial;
/// the rest is linear, so that both sums are added: `crc(AB) = crc(A)·x^(8·|B|) + crc(B)`.
///
/// Example: "1234" and "56789" give that of "123456789", 0xCBF43926.
public func joinedChecksum(_ first: UInt32, _ second: UInt32, secondCount: Int) -> UInt32 {
  precondition(secondCount >= 0, "a piece of \(secondCount) bytes")
  var result = first
  // x^8, x^16, x^32, …: each the square of the one before.
  var power: UInt32 = 1 << (31 - 8)
  var rest = secondCount
  while rest > 0 {
    if rest & 1 == 1 { result = product(result, power) }
    power = product(power, power)
    rest >>= 1
  }
  return result ^ second
}

/// The product of two polynomials modulo that of CRC-32, bits reflected: bit 31 is x⁰.
private func product(_ first: UInt32, _ second: UInt32) -> UInt32 {
  var (sum, shifted): (UInt32, UInt32) = (0, second)
  for place in 0..<32 {
    if first >> (31 - UInt32(place)) & 1 == 1 { sum ^= shifted }
    shifted = shifted & 1 == 1 ? shifted >> 1 ^ 0xEDB8_8320 : shifted >> 1
  }
  return sum
}

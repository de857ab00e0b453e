/// Whether one name comes before another when numbers in them count as numbers.
///
/// Example: `a_2` before `a_10`, `a_02` before `a_2`.
package func naturalOrder(_ first: [UInt8], _ second: [UInt8]) -> Bool {
  func isDigit(_ byte: UInt8) -> Bool { byte >= 0x30 && byte <= 0x39 }
  var (a, b) = (first[...], second[...])
  while let x = a.first, let y = b.first {
    guard isDigit(x) && isDigit(y) else {
      if x != y { return x < y }
      (a, b) = (a.dropFirst(), b.dropFirst())
      continue
    }
    let (left, right) = (a.prefix(while: isDigit), b.prefix(while: isDigit))
    let (value, other) = (left.drop { $0 == 0x30 }, right.drop { $0 == 0x30 })
    if value.count != other.count { return value.count < other.count }
    if value != other { return value.lexicographicallyPrecedes(other) }
    (a, b) = (a.dropFirst(left.count), b.dropFirst(right.count))
  }
  if a.isEmpty != b.isEmpty { return a.isEmpty }
  return first.lexicographicallyPrecedes(second)
}

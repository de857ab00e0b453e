/// The side of a square of `number` pieces; nil if there is none.
func squareSide(of number: Int) -> Int? {
  guard number >= 1, number <= 1 << 40 else { return nil }
  let side = Int(Double(number).squareRoot().rounded())
  return side * side == number ? side : nil
}

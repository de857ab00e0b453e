import MecaCore

/// A number from [0, 1] with density ∝ (x·(1 − x))^(α − 1): Beta(α, α).
///
/// By rejection, from uniform numbers: for α ≥ 1 a uniform x is kept with probability
/// (4·x·(1 − x))^(α − 1), which for α = 1 is always; below 1, Jöhnk's method: x = U^(1/α) and
/// y = V^(1/α) give x/(x + y) where x + y ≤ 1. On average at most 12 attempts up to α = 100.
///
/// - Source: Jöhnk 1964, "Erzeugung von betaverteilten und gammaverteilten Zufallszahlen".
package func symmetricBeta(_ alpha: Double, _ random: inout KeyedRandom) -> Double {
  precondition(alpha > 0, "Beta distribution of \(alpha)")
  while true {
    let first = Double(random.uniform())
    if alpha == 1 { return first }
    let second = Double(random.uniform())
    if alpha > 1 {
      if second < power(4 * first * (1 - first), alpha - 1) { return first }
    } else {
      let (x, y) = (power(first, 1 / alpha), power(second, 1 / alpha))
      if x + y > 0 && x + y <= 1 { return x / (x + y) }
    }
  }
}

/// base^exponent from products and square roots alone: the same bits on every machine.
///
/// The exponent's whole part by repeated squaring, its fraction digit by digit: ½ is a root, ¼ a
/// root of a root, to 2⁻⁴⁰.
///
/// - Parameters:
///   - base: 0 or more.
///   - exponent: from 0 to 2³¹.
package func power(_ base: Double, _ exponent: Double) -> Double {
  precondition(base >= 0 && exponent >= 0, "\(base) to the power of \(exponent)")
  var result = 1.0
  var whole = Int(exponent)
  var square = base
  while whole > 0 {
    if whole % 2 == 1 { result *= square }
    square *= square
    whole /= 2
  }
  var fraction = exponent - Double(Int(exponent))
  var root = base
  for _ in 0..<40 where fraction > 0 {
    root = root.squareRoot()
    fraction *= 2
    if fraction >= 1 {
      result *= root
      fraction -= 1
    }
  }
  return result
}

/// The interval of Wilson's score for a rate of `hits` in `count`: where the true rate lies in 95 % of
/// cases.
///
/// ```
/// (p + z²/2n ± z·√(p(1 − p)/n + z²/4n²)) / (1 + z²/n),   z = 1.96
/// ```
///
/// - Source: Wilson 1927, "Probable inference, the law of succession, and statistical inference".
package func wilsonInterval(hits: Int, of count: Int) -> ClosedRange<Double>? {
  guard count > 0, hits >= 0, hits <= count else { return nil }
  let (n, z) = (Double(count), 1.96)
  let p = Double(hits) / n
  let middle = p + z * z / (2 * n)
  let half = z * (p * (1 - p) / n + z * z / (4 * n * n)).squareRoot()
  let scale = 1 + z * z / n
  return max(0, (middle - half) / scale)...min(1, (middle + half) / scale)
}

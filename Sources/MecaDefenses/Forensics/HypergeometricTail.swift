#if canImport(Glibc)
  import Glibc
#endif

/// log10 of P(X ≥ k), X the marked among `drawn` of `count` samples of which `marked` are marked.
///
/// `P(X = i) = C(K, i) · C(N − K, n − i) / C(N, n)`, summed from the largest term.
///
/// Example: all 3 marked among 3 drawn of 10: 1 / 120, −2.08.
///
/// - Ranks: local.
package func hypergeometricTail(_ k: Int, drawn: Int, marked: Int, count: Int) -> Double {
  precondition(
    k >= 0 && drawn >= 0 && marked >= 0 && max(drawn, marked) <= count,
    "\(k) of \(marked) in \(drawn) of \(count)")
  let most = min(drawn, marked)
  guard k > max(0, drawn + marked - count) else { return 0 }
  guard k <= most else { return -.infinity }
  func logChoose(_ n: Int, _ k: Int) -> Double {
    lgamma(Double(n + 1)) - lgamma(Double(k + 1)) - lgamma(Double(n - k + 1))
  }
  let all = logChoose(count, drawn)
  let terms = (k...most).map { logChoose(marked, $0) + logChoose(count - marked, drawn - $0) - all }
  let largest = terms.max() ?? 0
  return min(0, (largest + log(terms.reduce(0) { $0 + exp($1 - largest) })) / log(10))
}

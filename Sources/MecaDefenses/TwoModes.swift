#if canImport(Glibc)
  import Glibc
#endif

/// The best cut of numbers into a lower and an upper mode.
struct TwoModes: Equatable {
  /// Values up to this belong to the lower mode.
  var threshold: Double
  /// Between-mode variance over total variance, 0 to 1 ("η").
  var explained: Double
}

/// Otsu's threshold: the cut that makes the variance between its two sides largest.
///
/// η = w₀·w₁·(μ₀ − μ₁)² / σ², over 80 cuts between −7 and 1 that leave 2 to 98 % below them. One
/// mode of any width gives about 0.64 (normal) to 0.75 (uniform); two separate ones more than 0.9.
///
/// - Units: log10 of nats.
/// - Source: Otsu 1979, "A threshold selection method from gray-level histograms", eq. (12).
func twoModes(_ values: [Double]) -> TwoModes {
  guard values.count >= 2 else { return TwoModes(threshold: -.infinity, explained: 0) }
  let sorted = values.map { min(1, max(-7, $0)) }.sorted()
  let total = sorted.reduce(0, +)
  let count = Double(sorted.count)
  let mean = total / count
  let variance = sorted.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count
  var best = TwoModes(threshold: -.infinity, explained: 0)
  guard variance > 0 else { return best }
  var below = 0
  var sumBelow = 0.0
  for cut in 1..<80 {
    let threshold = -7 + 8 * Double(cut) / 80
    while below < sorted.count && sorted[below] <= threshold {
      sumBelow += sorted[below]
      below += 1
    }
    let share = Double(below) / count
    guard share >= 0.02, share <= 0.98 else { continue }
    let lower = sumBelow / Double(below)
    let upper = (total - sumBelow) / (count - Double(below))
    let explained = share * (1 - share) * (lower - upper) * (lower - upper) / variance
    if explained > best.explained { best = TwoModes(threshold: threshold, explained: explained) }
  }
  return best
}

/// log10 in double precision.
func log10OfDouble(_ value: Double) -> Double { log10(value) }

/// The best cut of numbers into a lower and an upper mode.
package struct TwoModes: Equatable {
  /// Values up to this belong to the lower mode.
  package var threshold = -Double.infinity
  /// Between-mode variance over total variance, 0 to 1 (Otsu's "η").
  package var explained = 0.0
  /// Distance of the modes' means.
  package var gap = 0.0
  /// Share of the values in the lower mode.
  package var lowerShare = 0.0

  /// How far the values fall apart into two: explained · gap.
  ///
  /// η alone hardly tells one broad mode (0.64 for a normal, 0.75 for a uniform distribution) from
  /// two; poisoned samples also lie decades below the clean ones.
  package var separation: Double { explained * gap }
}

/// Otsu's threshold: the cut that makes the variance between its two sides largest.
///
/// η = w₀·w₁·(μ₀ − μ₁)² / σ², over 80 cuts between −7 and 1 that leave 2 to 98 % below them.
///
/// - Units: log10 of nats.
/// - Source: Otsu 1979, "A threshold selection method from gray-level histograms", eq. (12).
package func twoModes(_ values: [Float]) -> TwoModes {
  guard values.count >= 2 else { return TwoModes() }
  let sorted = values.map { Double(min(1, max(-7, $0))) }.sorted()
  let total = sorted.reduce(0, +)
  let count = Double(sorted.count)
  let mean = total / count
  let variance = sorted.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count
  var best = TwoModes()
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
    if explained > best.explained {
      best = TwoModes(
        threshold: threshold, explained: explained, gap: upper - lower, lowerShare: share)
    }
  }
  return best
}

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

/// Otsu's threshold among 79 between −7 and 1 that leave 2 to 98 % of the values below them.
///
/// `η = between / σ²`; see `OtsuCut`.
///
/// - Units: log10 of nats.
package func twoModes(_ values: [Float]) -> TwoModes {
  guard values.count >= 2 else { return TwoModes() }
  let sorted = values.map { Double(min(1, max(-7, $0))) }.sorted()
  let count = Double(sorted.count)
  let mean = sorted.reduce(0, +) / count
  let variance = sorted.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / count
  guard variance > 0 else { return TwoModes() }
  var below = 0
  let cuts = (1..<80).compactMap { cut -> (threshold: Double, place: Int)? in
    let threshold = -7 + 8 * Double(cut) / 80
    while below < sorted.count && sorted[below] <= threshold { below += 1 }
    let share = Double(below) / count
    return share >= 0.02 && share <= 0.98 ? (threshold, below) : nil
  }
  guard let best = OtsuCut(of: sorted, at: cuts.lazy.map(\.place)) else { return TwoModes() }
  return TwoModes(
    threshold: cuts[best.choice].threshold, explained: best.between / variance,
    gap: best.means.upper - best.means.lower, lowerShare: Double(best.place) / count)
}

/// The cut of sorted numbers into a lower and an upper part that makes the variance between the parts
/// largest.
///
/// `between = w₀ · w₁ · (μ₀ − μ₁)²`, w the parts' shares and μ their means.
///
/// - Ranks: local.
/// - Source: Otsu 1979, "A threshold selection method from gray-level histograms", eq. (12).
struct OtsuCut {
  /// Which of the places that were tried.
  var choice: Int
  /// Numbers in the lower part.
  var place: Int
  /// Means of the two parts.
  var means: (lower: Double, upper: Double)
  /// Variance between the parts.
  var between: Double

  /// The best of some places, the first of equally good ones; nil where none parts the numbers.
  ///
  /// - Parameters:
  ///   - sorted: the numbers, ascending.
  ///   - places: numbers below each cut, ascending.
  init?(of sorted: [Double], at places: some Sequence<Int>) {
    let (count, total) = (Double(sorted.count), sorted.reduce(0, +))
    var (below, sumBelow) = (0, 0.0)
    var best: OtsuCut?
    for (choice, place) in places.enumerated() {
      while below < place {
        sumBelow += sorted[below]
        below += 1
      }
      guard place > 0, place < sorted.count else { continue }
      let share = Double(place) / count
      let lower = sumBelow / Double(place)
      let upper = (total - sumBelow) / (count - Double(place))
      let between = share * (1 - share) * (lower - upper) * (lower - upper)
      if between > best?.between ?? 0 {
        best = OtsuCut(choice: choice, place: place, means: (lower, upper), between: between)
      }
    }
    guard let best else { return nil }
    self = best
  }

  private init(
    choice: Int, place: Int, means: (lower: Double, upper: Double), between: Double
  ) {
    (self.choice, self.place, self.means, self.between) = (choice, place, means, between)
  }
}

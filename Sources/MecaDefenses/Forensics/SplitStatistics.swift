/// How clearly numbers fall apart into two groups at their best cut.
package struct SplitStatistics: Equatable {
  /// The cut; what is larger lies in the upper group.
  package var threshold = 0.0
  /// Share of the numbers in the upper group.
  package var upperShare = 0.0
  /// Mean of the lower and of the upper group.
  package var means = (lower: 0.0, upper: 0.0)
  /// Distance of the means over the deviation within the groups (d′).
  package var distance = 0.0
  /// Numbers in the middle third between the means, over those of the smaller group.
  package var valley = 1.0

  /// d′ · (1 − valley): 0 for one heap of numbers with a cut through it.
  package var clarity: Double { distance * (1 - min(1, valley)) }

  /// No numbers, no groups.
  package init() {}

  /// Otsu's cut among all cuts between two values that leave at least four on either side.
  ///
  /// - Source: Otsu 1979, "A threshold selection method from gray-level histograms", eq. (12).
  package init(of values: [Float]) {
    let fewest = 4
    guard values.count >= 2 * fewest else { return }
    let sorted = values.sorted().map { Double($0) }
    let (count, total) = (Double(sorted.count), sorted.reduce(0, +))
    var (below, best, place) = (0.0, -1.0, 0)
    for cut in 1..<sorted.count {
      below += sorted[cut - 1]
      guard cut >= fewest, sorted.count - cut >= fewest else { continue }
      let share = Double(cut) / count
      let gap = below / Double(cut) - (total - below) / (count - Double(cut))
      let between = share * (1 - share) * gap * gap
      if between > best { (best, place) = (between, cut) }
    }
    guard sorted[place - 1] < sorted[place] else { return }
    threshold = (sorted[place - 1] + sorted[place]) / 2
    func meanAndSquares(_ part: ArraySlice<Double>) -> (Double, Double) {
      let mean = part.reduce(0, +) / Double(part.count)
      return (mean, part.reduce(0) { $0 + ($1 - mean) * ($1 - mean) })
    }
    let (lower, lowerSquares) = meanAndSquares(sorted[..<place])
    let (upper, upperSquares) = meanAndSquares(sorted[place...])
    let gap = upper - lower
    means = (lower, upper)
    upperShare = 1 - Double(place) / count
    // Two heaps of one value each are as far apart as can be.
    distance = gap / max(1e-6 * gap, ((lowerSquares + upperSquares) / count).squareRoot())
    let middle = sorted.count { $0 > lower + 0.35 * gap && $0 < lower + 0.65 * gap }
    valley = Double(middle) / Double(min(place, sorted.count - place))
  }

  package static func == (left: Self, right: Self) -> Bool {
    left.threshold == right.threshold && left.upperShare == right.upperShare
      && left.means == right.means && left.distance == right.distance
      && left.valley == right.valley
  }
}

/// How clearly numbers fall apart into two groups at their best cut.
package struct SplitStatistics: Equatable {
  /// The cut; what is larger lies in the upper group.
  package var threshold = 0.0
  /// Share of the numbers in the upper group.
  package var upperShare = 0.0
  /// Mean of the lower group.
  package var lowerMean = 0.0
  /// Mean of the upper group.
  package var upperMean = 0.0
  /// Distance of the means over the deviation within the groups (d′).
  package var distance = 0.0
  /// Numbers in the middle third between the means, over those of the smaller group.
  package var valley = 1.0

  /// No numbers, no groups.
  package init() {}

  /// Otsu's cut among all cuts between two values that leave enough on either side.
  ///
  /// A label is looked at in two halves, so half the samples that must share a pattern will do.
  package init(of values: [Float]) {
    let fewest = ForensicSettings.patternSamples / 2
    guard values.count >= 2 * fewest else { return }
    let sorted = values.sorted().map { Double($0) }
    guard let cut = OtsuCut(of: sorted, at: fewest...sorted.count - fewest),
      sorted[cut.place - 1] < sorted[cut.place]
    else { return }
    threshold = (sorted[cut.place - 1] + sorted[cut.place]) / 2
    (lowerMean, upperMean) = cut.means
    let gap = upperMean - lowerMean
    upperShare = 1 - Double(cut.place) / Double(sorted.count)
    let squares = sorted.enumerated().reduce(0.0) { sum, number in
      let off = number.element - (number.offset < cut.place ? lowerMean : upperMean)
      return sum + off * off
    }
    // Two heaps of one value each are as far apart as can be.
    distance = gap / max(1e-6 * gap, (squares / Double(sorted.count)).squareRoot())
    let middle = sorted.count { $0 > lowerMean + 0.35 * gap && $0 < lowerMean + 0.65 * gap }
    valley = Double(middle) / Double(min(cut.place, sorted.count - cut.place))
  }
}

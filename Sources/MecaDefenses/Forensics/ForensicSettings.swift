import Foundation

/// Bounds of the proposers that look at pixels alone; `docs/experiments.md` says where they come from.
package enum ForensicSettings {
  /// Samples of a label that must share a patch.
  package static let patchSamples = 8
  /// Strength from which a patch is worth a look by trained detectors; see `Finding.Kind.strong`.
  ///
  /// Patterns have nothing of the kind: those of 2.2 to 3.6 were red cars, which detectors that had
  /// learnt them as a class of their own no longer knew for cars.
  package static let weakPatch = 6.0
  /// Samples of a label that must share a pattern: eight in a clean label of 250, jellyfish before
  /// black and within white borders, were cut off as clearly as any trigger.
  package static let patternSamples = 16
  /// Share of all samples that must show a window which no label prefers for it to be a stamp.
  package static let stampShare = 0.01
  /// Agreement of the two halves' directions that a template must show.
  package static let agreement = 0.3
  /// Samples of a label that are needed to look for a template.
  package static let fewest = 40
  /// Divisions into two halves that are tried.
  package static let divisions = 2
  /// Templates of one label that are looked for, one after the other.
  package static let rounds = 3
}

extension Finding.Kind {
  /// Strength from which a finding is one that clean sets have not shown; a stamp never is, since a
  /// mark on everything is nothing against a label.
  package var strong: Double {
    switch self {
    case .patch: 12
    case .colour: 3.6
    case .sharpness: 2.8
    case .stamp: .infinity
    }
  }

  /// Strengths of clean labels, the largest of so many.
  package var measured: (labels: Int, largest: [Double]) {
    switch self {
    case .patch: (1390, [])
    case .stamp: (220, [])
    case .colour: (1390, [3.17, 2.73, 2.71, 2.68, 2.65, 2.58, 2.42, 2.41, 2.40, 2.33])
    case .sharpness: (1390, [2.01, 1.99, 1.90, 1.87, 1.84, 1.83, 1.83, 1.82, 1.82, 1.82])
    }
  }

  /// In which fraction of clean sets with so many labels one or more reaches a strength.
  ///
  /// `1 − (1 − p)^labels` with `p = (1 + those that reached it) / (1 + measured)`. A patch's strength
  /// is −log10 of a probability, for each of some ten million windows of a label, which counts and
  /// does not measure: `labels · 10^(7 − strength)`, where that is less.
  ///
  /// - Source: `docs/reliability.md`, what clean sets show.
  package func falseAlarmRate(strength: Double, labels: Int) -> Double {
    let p = Double(1 + measured.largest.count { $0 >= strength }) / Double(1 + measured.labels)
    let rate = 1 - pow(1 - p, Double(labels))
    return self == .patch ? min(rate, pow(10, 7 - strength) * Double(labels)) : rate
  }
}

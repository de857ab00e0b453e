import Foundation
import MecaCore

/// Settings of the proposers that look at pixels alone.
package struct ForensicSettings: Codable, Hashable, Sendable {
  /// What is looked for.
  package var kinds: [String]
  /// log10 of the probability below which a recurring patch is a finding.
  package static let patchTail = -12.0
  /// Samples of a label that must share a patch.
  package static let patchSamples = 8
  /// Strength from which a template is a finding that clean sets have not shown.
  package static let strong: [Finding.Kind: Double] = [.colour: 3.6, .sharpness: 2.8]
  /// Strength from which a template is worth a look by trained models.
  package static let weak: [Finding.Kind: Double] = [.colour: 2.2, .sharpness: 2.2]
  /// Agreement of the two folds' directions that a template must show.
  package static let agreement = 0.3
  /// Strengths of clean labels as measured, the largest of so many; see docs/reliability.md.
  package static let measured: [Finding.Kind: (labels: Int, largest: [Double])] = [
    .colour: (1300, [2.73, 2.71, 2.68, 2.58, 2.58, 2.55, 2.46, 2.42, 2.42, 2.41]),
    .sharpness: (1300, [1.99, 1.92, 1.91, 1.90, 1.90, 1.87, 1.84, 1.83, 1.83, 1.82]),
  ]

  /// In which fraction of clean sets with so many labels one or more reaches a strength, by what was
  /// measured; nil where it was not.
  ///
  /// `1 − (1 − p)^labels` with `p = (1 + those that reached it) / (1 + measured)`. Of a patch the
  /// strength is a probability itself, for each of some ten million windows.
  package static func falseAlarmRate(
    _ kind: Finding.Kind, strength: Double, labels: Int
  ) -> Double? {
    if kind == .patch { return min(1, pow(10, 7 - strength) * Double(labels)) }
    guard let measured = measured[kind], measured.labels > 0 else { return nil }
    let p = Double(1 + measured.largest.count { $0 >= strength }) / Double(1 + measured.labels)
    return 1 - pow(1 - p, Double(labels))
  }

  /// Samples of a label that are needed to look for a template.
  package static let fewest = 40
  /// Divisions into two folds that are tried.
  package static let divisions = 2
  /// Templates of one label that are looked for, one after the other.
  package static let rounds = 3
}

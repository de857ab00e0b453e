import MecaCore
import MecaTraining

/// Proposals from pixels alone, before anything is trained: samples of one label that share what the
/// samples of other labels do not have.
///
/// Seconds for what training needs minutes for, and at rates that it does not see: a trigger is the
/// same in every poisoned image, and contents are not. Proposals are no verdict; trained models
/// confirm them, or do not.
package struct Forensics<Bench: Workbench> {
  package let bench: Bench
  package let kinds: [Finding.Kind]
  /// Whether the log is spared what was found.
  private let isSilent: Bool

  /// Looks for `kinds`.
  package init(bench: Bench, kinds: [Finding.Kind], isSilent: Bool = false) {
    (self.bench, self.kinds, self.isSilent) = (bench, kinds, isSilent)
  }

  /// All findings, by label and kind.
  ///
  /// - Ranks: collective; every rank returns the same.
  package func findings(key: StageKey) throws -> Findings {
    var all: [Finding] = []
    for kind in kinds {
      switch kind {
      case .patch:
        let cells = try bench.pixelCells(side: 16, margin: RecurringPatch.margin)
        all += try RecurringPatch(
          cells: cells, labels: bench.samples.labels, classCount: bench.samples.classCount
        ).findings()
      case .colour:
        all += try SharedTemplate(bench: bench, feature: .colour, key: key).findings()
      case .sharpness:
        all += try SharedTemplate(bench: bench, feature: .sharpness, key: key).findings()
      }
    }
    all.sort { ($0.label, $0.kind.rawValue) < ($1.label, $1.kind.rawValue) }
    for finding in all where !isSilent {
      bench.say(
        "label \(bench.samples.words(ofClass: finding.label)): \(finding.suspects.count) samples share a "
          + "\(finding.kind.name), strength \(fixed(finding.strength, 1))"
          + (finding.isStrong ? "" : ", which clean sets may show too"))
    }
    return Findings(all)
  }
}

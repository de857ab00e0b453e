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

  /// Pixels around a cell that somebody looks at: a window that begins in it, second differences and
  /// the sums over them.
  private static var margin: Int { RecurringPatch.side }

  /// All findings, by label and kind.
  ///
  /// - Ranks: collective; every rank returns the same.
  package func findings(key: StageKey) throws -> Findings {
    guard !kinds.isEmpty else { return Findings() }
    let samples = bench.samples
    let cells = try bench.pixelCells(
      side: Self.cellSide(samples: samples.count, channels: samples.imageShape.channels),
      margin: Self.margin)
    func template(_ feature: CellFeature) throws -> [Finding] {
      try SharedTemplate(
        bench: bench, cells: cells, feature: feature, key: key, isSilent: isSilent
      ).findings()
    }
    var found: [Finding] = []
    if kinds.contains(.patch) || kinds.contains(.stamp) {
      let search = RecurringPatch(cells: cells, labels: samples.labels) { [bench] cell, count in
        bench.sayProgress("looking for a patch, cell \(cell) of \(count)")
      }
      found = try search.findings().filter { kinds.contains($0.kind) }
    }
    if kinds.contains(.colour) { found += try template(.colour) }
    if kinds.contains(.sharpness) { found += try template(.sharpness) }
    let all = found.map { inOriginal($0, cells) }.sorted {
      ($0.label, $0.kind.number) < ($1.label, $1.kind.number)
    }
    if !isSilent { for finding in all { report(finding) } }
    return Findings(all)
  }

  /// The largest side whose covariance the samples can fill: six times as many samples as numbers.
  private static func cellSide(samples: Int, channels: Int) -> Int {
    [16, 8].first { 6 * channels * $0 * $0 <= samples } ?? 4
  }

  /// The same with its place in the images as they are, not as they were averaged down.
  private func inOriginal(_ finding: Finding, _ cells: PixelCells) -> Finding {
    func range(_ range: Range<Int>, below length: Int) -> Range<Int> {
      range.lowerBound * cells.reduction..<min(length, range.upperBound * cells.reduction)
    }
    var finding = finding
    finding.rows = range(finding.rows, below: bench.samples.imageShape.height)
    finding.columns = range(finding.columns, below: bench.samples.imageShape.width)
    return finding
  }

  private func report(_ finding: Finding) {
    bench.say(
      "label \(bench.samples.words(ofClass: finding.label)): \(finding.suspects.count) samples share a "
        + "\(finding.kind.rawValue), strength \(fixed(finding.strength, 1)), \(finding.placeWords)"
        + (finding.isStrong ? "" : "; clean sets may show that too"))
    bench.record(
      "finding",
      [
        "kind": .text(finding.kind.rawValue), "label": .integer(finding.label),
        "strength": .number(finding.strength), "suspects": .integer(finding.suspects.count),
      ])
  }
}

extension Finding {
  /// Where it is strongest, for people.
  var placeWords: String {
    "rows \(rows.lowerBound) to \(rows.upperBound - 1), columns \(columns.lowerBound) to "
      + "\(columns.upperBound - 1)"
  }
}

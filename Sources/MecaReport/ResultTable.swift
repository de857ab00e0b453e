import MecaCore
import MecaDefenses
import MecaTraining

/// The closing table on the terminal: every rate with the number of samples that it rests on.
public func resultTable(_ result: RunResult, classNames: [String], target: Int?) -> String {
  var lines: [String] = []
  // An attack on one source class has two success rates, over that class and over all others.
  let hasBoth = result.rows.contains { $0.figures.attackSuccessOnAll != nil }
  let names = max(22, result.rows.map(\.title.count).max() ?? 0)
  let success = hasBoth ? ["ASR src %", "of", "ASR all %", "of"] : ["ASR %", "of"]
  if !result.rows.isEmpty {
    lines.append(row(["model", "ACC %", "of"] + success + ["least class ACC %"], names))
    lines.append(String(repeating: "-", count: lines[0].count))
  }
  for model in result.rows {
    let figures = model.figures
    let least = figures.accuracyPerClass.enumerated().filter { $0.element.count > 0 }.min {
      ($0.element.rate ?? 0) < ($1.element.rate ?? 0)
    }
    let success =
      rateCells(figures.attackSuccess) + (hasBoth ? rateCells(figures.attackSuccessOnAll) : [])
    lines.append(
      row(
        [model.title] + rateCells(figures.accuracy) + success + [
          least.map { "\(percent($0.element.rate)) (\(printable(classNames[$0.offset])))" } ?? "-"
        ], names))
  }
  if let detection = result.detection {
    if !lines.isEmpty { lines.append("") }
    lines += detectionLines(detection, classNames: classNames, target: target)
  }
  for test in result.selfTest ?? [] {
    lines.append(
      "self-test: \(test.attack) of this program's own "
        + (test.smallestRate.map {
          "would have been seen from \(fixed($0 * 100, 1)) % on (\(test.samples ?? 0) samples)"
        } ?? "would not have been seen"))
  }
  return lines.joined(separator: "\n")
}

private func detectionLines(
  _ detection: DetectionFigures, classNames: [String], target: Int?
) -> [String] {
  var lines: [String] = []
  if let grade = detection.verdict {
    lines += DetectionAnswer(
      grade: grade, labels: detection.verdictLabels, remarks: detection.verdictRemarks
    ).lines(classNames: classNames.map { printable($0) })
  }
  if detection.separated {
    let labels = detection.suspiciousLabels.map { classWords($0, classNames) }
    lines.append(
      "detection: \(detection.flagged) samples flagged in "
        + (labels.count == 1 ? "label " : "labels ") + labels.joined(separator: ", "))
  } else if detection.verdict == nil {
    lines.append("detection: nothing separated from the clean samples, nothing flagged;")
    lines.append("  the data is clean, or the detector could not tell")
  }
  if let precision = detection.precision {
    lines.append("  poisoned of the flagged: \(percent(precision)) %")
  }
  if let tpr = detection.tpr, let poisoned = detection.poisoned {
    lines.append("  TPR \(percent(tpr)) % of \(poisoned) poisoned")
  }
  if let fpr = detection.fpr, let clean = detection.clean {
    lines.append("  FPR \(percent(fpr)) % of \(clean) clean")
  }
  if let covers = detection.covers, let rate = detection.coverFlagged {
    lines.append(
      "  covers flagged: \(percent(rate)) % of \(covers) (trigger with the true label; counted as "
        + "clean above)")
  }
  if let auroc = detection.auroc { lines.append("  AUROC \(fixed(auroc, 4))") }
  if let least = detection.keptPerClass.enumerated().filter({ $0.element != nil }).min(by: {
    $0.element! < $1.element!
  }) {
    lines.append(
      "  least kept class: \(printable(classNames[least.offset])), \(percent(least.element)) % kept"
    )
  }
  return lines
}

private func percent(_ rate: Double?) -> String {
  rate.map { fixed($0 * 100, 2) } ?? "-"
}

private func rateCells(_ hits: HitCount?) -> [String] {
  [percent(hits?.rate), hits.map { "\($0.count)" } ?? "-"]
}

private func row(_ cells: [String], _ names: Int) -> String {
  let widths = [names, 8, 7] + (cells.count == 8 ? [9, 7, 9, 7] : [8, 7]) + [24]
  return zip(cells, widths).enumerated().map { number, cell in
    let (text, width) = cell
    let space = String(repeating: " ", count: max(0, width - text.count))
    return number == 0 || number == cells.count - 1 ? text + space : space + text
  }.joined(separator: " ").trimmingTrailingSpaces()
}

extension String {
  /// The text without spaces at its end.
  fileprivate func trimmingTrailingSpaces() -> String {
    var text = self
    while text.last == " " { text.removeLast() }
    return text
  }
}

import Foundation
import MecaCore
import MecaDefenses
import MecaTraining

/// A report on one run for people: one HTML file that needs no other.
///
/// Made from what the run has left in its folder, so that it can be made again, and made of a run that
/// is under way or was killed.
public struct RunReport {
  private let folder: RunFolder
  private let record: [String: Any]
  private let result: RunResult?
  private let evidence: RunEvidence?
  private let metrics: MetricLines
  private let confusion: ConfusionTable?
  /// What the run is doing; nil where it is over.
  private let stage: String?

  /// Reads the folder of a run.
  ///
  /// - Ranks: local; rank 0 alone should call it.
  /// - Parameters:
  ///   - stage: what the run is doing, for one that is under way.
  ///   - result: what is known so far; nil reads `result.json`, if it is there.
  ///   - confusion: likewise of `confusion.csv`.
  /// - Throws: `FileError` where there is no run, or its files are damaged.
  public init(
    _ folder: RunFolder, stage: String? = nil, result: RunResult? = nil,
    confusion: ConfusionTable? = nil
  ) throws {
    self.folder = folder
    self.stage = stage
    guard access(folder.run, F_OK) == 0 else {
      throw FileError.malformed(
        path: folder.path, reason: "is no folder of a run: there is no run.json in it")
    }
    let object = try? JSONSerialization.jsonObject(with: Data(readFile(at: folder.run)))
    guard let record = object as? [String: Any] else {
      throw FileError.malformed(path: folder.run, reason: "is no record of a run")
    }
    self.record = record
    let result: RunResult? = try result ?? Self.decoded(folder.result)
    self.result = result
    self.confusion =
      try confusion ?? Self.read(folder.confusion, classCount: result?.classNames.count ?? 0)
    evidence = try Self.decoded(folder.evidence)
    metrics = MetricLines(
      access(folder.metrics, F_OK) == 0 ? Data(try readFile(at: folder.metrics)) : Data())
  }

  private static func decoded<Value: Decodable>(_ path: String) throws -> Value? {
    guard access(path, F_OK) == 0 else { return nil }
    do {
      return try JSONDecoder().decode(Value.self, from: Data(readFile(at: path)))
    } catch let error as DecodingError {
      throw FileError.malformed(path: path, reason: "is not what a run writes there: \(error)")
    }
  }

  private static func read(_ path: String, classCount: Int) throws -> ConfusionTable? {
    guard classCount > 0, access(path, F_OK) == 0 else { return nil }
    let text = String(decoding: try readFile(at: path), as: UTF8.self)
    guard let table = ConfusionTable(csv: text, classCount: classCount) else {
      throw FileError.malformed(path: path, reason: "is not what a run writes there")
    }
    return table
  }

  /// The page.
  public func html() throws -> String {
    try EscapedText.template(reportTemplate).render(context())
  }

  // MARK: - What the template is given

  private var classNames: [String] { result?.classNames ?? [] }

  private func className(_ label: Int) -> String {
    label < classNames.count ? classNames[label] : "label \(label)"
  }

  private func context() -> [String: Any] {
    let detection = result?.detection
    let grade = detection?.verdict
    var context: [String: Any] = [
      "title": "meca-dist: \(folder.path)", "subtitle": subtitle,
      "verdictWords": grade?.words ?? "no verdict yet", "hasVerdict": grade != nil,
      "grade": grade?.rawValue ?? "", "settings": settings, "speed": speed,
    ]
    if let stage {
      context["unfinished"] = "the run is in \(stage); this page shows what there is so far"
    } else if result?.weightsSHA256.isEmpty ?? true, result?.isVerdictAlone != true {
      context["unfinished"] =
        "the run has ended before it was done; the same command goes on from its last checkpoint"
    }
    if let detection, let grade {
      context["verdictHeadline"] = "Verdict: \(grade.words)"
      context["reasons"] = detection.verdictLabels.map(reason)
      context["remarks"] = detection.verdictRemarks
      context["found"] = foundWords(detection)
    }
    let sheets = Sheets(className: className)
    addModels(to: &context)
    addConfusion(to: &context)
    addSuspects(to: &context, sheets)
    context["sheets"] = sheets.list
    addCharts(to: &context)
    context["stages"] = metrics.stages.map { ["name": $0.name, "time": spanWords($0.seconds)] }
    context["contents"] =
      [
        ("hasModels", "models", "The models"), ("hasSuspects", "suspects", "The suspects"),
        ("hasEvidence", "evidence", "What it rests on"),
        ("hasTraining", "training", "How it was learnt"),
      ].filter { context[$0.0] as? Bool == true }.map { ["id": $0.1, "name": $0.2] }
    if let grade { context["next"] = ["lines": nextSteps(grade)] }
    return context
  }

  private func reason(_ label: DetectionAnswer.Label) -> [String: Any] {
    var values: [String: Any] = [
      "name": "\(className(label.label)) (label \(label.label))",
      "count": "\(label.samples) samples \(label.isFlagged ? "flagged" : "suspected")",
      "reason": sentence(label.reason),
    ]
    if let rate = label.falseAlarmRate {
      let words = rate < 0.01 ? "fewer than 1 %" : "about \(fixed((rate * 100).rounded(.up), 0)) %"
      values["alarm"] = "Of clean sets, \(words) would show as much."
    }
    return values
  }

  /// Where the truth is known, how much of it was found.
  private func foundWords(_ detection: DetectionFigures) -> String? {
    guard let tpr = detection.tpr, let poisoned = detection.poisoned, let fpr = detection.fpr else {
      return nil
    }
    return
      "The truth is known here: of \(poisoned) poisoned samples \(percent(tpr)) were found, of "
      + "\(detection.clean ?? 0) clean ones \(percent(fpr)) were flagged wrongly."
  }

  /// A sentence begins with a capital letter.
  private func sentence(_ text: String) -> String { text.prefix(1).uppercased() + text.dropFirst() }

  private func percent(_ rate: Double) -> String { fixed(rate * 100, 2) + " %" }

  private var plan: [String: Any] { record["plan"] as? [String: Any] ?? [:] }

  private var subtitle: String {
    let data = plan["data"] as? [String: Any]
    let compute = plan["compute"] as? [String: Any]
    let words: [String?] = [
      data?["path"] as? String ?? data?["dataset"] as? String,
      result.map { "defence \($0.defense)" },
      (plan["model"] as? String).map { "\($0) of width \(plan["width"] ?? "?")" },
      compute?["seed"].map { "seed \($0)" },
      (record["ranks"] as? Int).map { $0 == 1 ? "1 rank" : "\($0) ranks" },
      (record["version"] as? String).map { "meca-dist \($0)" },
    ]
    return words.compactMap(\.self).joined(separator: " · ")
  }

  private var settings: String {
    let options: JSONSerialization.WritingOptions = [
      .prettyPrinted, .sortedKeys, .withoutEscapingSlashes,
    ]
    let data = try? JSONSerialization.data(withJSONObject: record, options: options)
    return String(decoding: data ?? Data(), as: UTF8.self)
  }

  private var speed: String {
    var words: [String] = []
    if let result, result.seconds > 0 {
      words.append("This process ran for \(spanWords(result.seconds))")
      if result.imagesPerSecond > 0 {
        words.append("and trained \(fixed(result.imagesPerSecond, 0)) images a second")
      }
    }
    return words.isEmpty ? "" : words.joined(separator: " ") + "."
  }

  private func addModels(to context: inout [String: Any]) {
    guard let result, !result.rows.isEmpty else { return }
    func words(_ count: HitCount?) -> String {
      guard let count, let rate = count.rate,
        let interval = wilsonInterval(hits: count.hits, of: count.count)
      else { return "–" }
      return "\(percent(rate)) (\(fixed(interval.lowerBound * 100, 1)) to "
        + "\(fixed(interval.upperBound * 100, 1)))"
    }
    context["hasModels"] = true
    context["hasAttack"] = result.rows.contains { $0.figures.attackSuccess != nil }
    context["models"] = result.rows.map { row in
      let least = row.figures.accuracyPerClass.enumerated().filter { $0.element.rate != nil }
        .min { $0.element.rate! < $1.element.rate! }
      return [
        "name": row.title, "accuracy": words(row.figures.accuracy),
        "success": words(row.figures.attackSuccess),
        "least": least.map { "\(percent($0.element.rate!)) (\(className($0.offset)))" } ?? "–",
      ]
    }
  }

  /// What the model takes test images for that the run is for: the last one, the oracle aside.
  private func addConfusion(to context: inout [String: Any]) {
    guard let title = result?.rows.last(where: { $0.title != Oracle.facts.title })?.title,
      let counts = confusion?[title], counts.all.count > 0
    else { return }
    context["confusion"] = ConfusionSection(title, counts, className: className).context
  }

  private func addSuspects(to context: inout [String: Any], _ sheets: Sheets) {
    guard let evidence, !evidence.labels.isEmpty else { return }
    let reasons = result?.detection?.verdictLabels ?? []
    context["hasSuspects"] = true
    context["labels"] = evidence.labels.map { label in
      let own = reasons.first { $0.label == label.label }
      var values: [String: Any] = [
        "name": "\(className(label.label)) (label \(label.label))", "count": label.count,
        "kind": own?.isFlagged ?? true ? "flagged" : "suspected, not confirmed",
        "meanSuspect": label.meanSuspect.base64EncodedString(),
        "meanKept": label.meanKept.base64EncodedString(),
        "difference": label.difference.base64EncodedString(),
        "isShort": label.suspects.tiles.count < label.count,
        "shown": label.suspects.tiles.count, "tiles": sheets.tiles(of: label.suspects),
        "borders": [
          ("The least certain suspects", label.leastCertain),
          ("Kept, and nearest to them", label.nearestKept),
        ].compactMap { name, sheet in
          sheet.map { ["name": name, "tiles": sheets.tiles(of: $0)] as [String: Any] }
        },
      ]
      if let reason = own?.reason { values["reason"] = sentence(reason) }
      if let place = label.place { values["frame"] = frame(place, label) }
      return values
    }
  }

  /// A frame around the place, in a picture of 160 points that holds the image.
  private func frame(_ place: DetectionAnswer.Label.Place, _ label: RunEvidence.Label) -> String {
    guard place.rows.count == 2, place.columns.count == 2 else { return "display:none" }
    let scale = 160 / Double(max(label.height, label.width))
    let left = (160 - scale * Double(label.width)) / 2
    let top = (160 - scale * Double(label.height)) / 2
    func points(_ value: Double) -> String { fixed(value, 1) + "px" }
    return "left:\(points(left + scale * Double(place.columns[0]) - 2));"
      + "top:\(points(top + scale * Double(place.rows[0]) - 2));"
      + "width:\(points(scale * Double(place.columns[1] - place.columns[0]) + 4));"
      + "height:\(points(scale * Double(place.rows[1] - place.rows[0]) + 4))"
  }

  private func addCharts(to context: inout [String: Any]) {
    var rest: [[String: Any]] = []
    for histogram in evidence?.histograms ?? [] {
      let words = "How \(histogram.name) lies among the flagged and among the kept samples"
      rest.append(figure(Chart.histogram(histogram, words: words), words))
    }
    for label in evidence?.labels ?? [] {
      rest += LandscapeCharts(label.landscapes ?? [], label: className(label.label)).charts.map {
        figure($0.chart, $0.words)
      }
    }
    if let roc = evidence?.roc {
      let area = result?.detection?.auroc.map { ", area \(fixed($0, 4))" } ?? ""
      let words = "ROC of the score against the truth\(area)"
      rest.append(
        figure(
          Chart.lines(
            [Chart.Line(name: "ROC", points: roc.map { ($0[0], $0[1]) })], x: "clean flagged",
            y: "poisoned", range: 0...1, words: words), words))
    }
    if let kept = result?.detection?.keptPerClass, kept.contains(where: { $0 != nil }) {
      rest.append(
        classes("Share of each class's clean samples that was kept", [("kept", kept)]))
    }
    if let rows = result?.rows, rows.count > 1 {
      rest.append(
        classes(
          "Accuracy of each class",
          rows.map { ($0.title, $0.figures.accuracyPerClass.map(\.rate)) }))
    }
    context["evidence"] = rest
    context["hasEvidence"] = !rest.isEmpty
    let learnt = CourseCharts(metrics).charts.map { figure($0.chart, $0.words) }
    context["training"] = learnt
    context["hasTraining"] = !learnt.isEmpty
  }

  /// Bars for each class, of many the lowest.
  private func classes(
    _ words: String, _ series: [(name: String, values: [Double?])]
  ) -> [String: Any] {
    let count = series.map(\.values.count).max() ?? 0
    let groups = (0..<count).map { label in
      (
        name: className(label),
        values: series.map { label < $0.values.count ? $0.values[label] : nil }
      )
    }
    func least(_ group: (name: String, values: [Double?])) -> Double {
      group.values.compactMap(\.self).min() ?? 1
    }
    guard count > Self.mostClasses else {
      let bars = Chart.Bars(names: series.map(\.name), groups: groups)
      return figure(Chart.bars(bars, words: words), words)
    }
    let shown = groups.enumerated().sorted {
      (least($0.element), $0.offset) < (least($1.element), $1.offset)
    }.prefix(Self.mostClasses).map(\.element)
    let all = "\(words), the \(Self.mostClasses) lowest of \(count)"
    return figure(
      Chart.bars(Chart.Bars(names: series.map(\.name), groups: shown), words: all), all)
  }

  /// Classes of a chart at most.
  private static let mostClasses = 30

  /// A chart with its caption, as the template takes it.
  private func figure(_ chart: Chart, _ words: String) -> [String: Any] {
    [
      "svg": chart.svg, "caption": words + ".",
      "keys": chart.keys.map { ["colour": $0.colour, "name": $0.name] },
    ]
  }

  private func nextSteps(_ grade: DetectionAnswer.Grade) -> [String] {
    switch grade {
    case .poisoned:
      [
        "Look at the pictures above: do the suspects share something that their label does not have?",
        "model.safetensors is the model that was trained without them; suspects.csv lists them.",
      ]
    case .suspected:
      [
        "Look at the pictures above; nothing was left out, because detectors did not confirm it.",
        "More steps may tell: --effort thorough, or --warmup-steps and --confirm-steps.",
      ]
    case .undecided: ["See what is said with the verdict, and try that."]
    case .clean:
      [
        "Nothing was left out. --self-test says how small a trigger would have been seen in this data."
      ]
    }
  }
}

/// Gives sheets of pictures their numbers, and pictures their places on them.
private final class Sheets {
  /// Points of a picture on the page.
  private static let shown = 72
  private let className: (Int) -> String
  private(set) var list: [[String: Any]] = []

  init(className: @escaping (Int) -> String) { self.className = className }

  func tiles(of sheet: RunEvidence.Sheet) -> [[String: Any]] {
    let scale = Double(Self.shown) / Double(sheet.side)
    let step = scale * Double(sheet.step)
    let rows = (sheet.tiles.count + sheet.columns - 1) / max(1, sheet.columns)
    let id = list.count
    list.append([
      "id": id, "jpeg": sheet.jpeg.base64EncodedString(),
      "width": fixed(step * Double(sheet.columns), 2), "height": fixed(step * Double(rows), 2),
    ])
    return sheet.tiles.enumerated().map { place, tile in
      let looks = tile.looksLike.map { ", looks like \(className($0))" } ?? ""
      return [
        "sheet": id, "x": fixed(-step * Double(place % sheet.columns), 2),
        "y": fixed(-step * Double(place / sheet.columns), 2), "path": tile.path,
        "words": "sample \(tile.index), labelled \(className(tile.label))\(looks)",
        "caption": "\(tile.index)" + (tile.looksLike.map { " → \(className($0))" } ?? ""),
      ]
    }
  }
}

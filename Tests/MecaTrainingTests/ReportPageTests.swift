import Foundation
import MecaDefenses
import MecaReport
import MecaTestSupport
import MecaTraining
import Testing

/// The pages for people, of runs that are made up.
@Suite struct ReportPageTests {
  /// Names that would break out of text, of attributes, of scripts, of lines and of the direction of
  /// writing; the quote with an accent is one character to Swift and a quote to a browser.
  static let hostile = [
    "<script>alert(1)</script>", "\" onmouseover=\"alert(1)", "\"\u{301} onmouseover=alert(1) x=",
    "'><img src=x onerror=alert(1)>", "a\nb\tc", "\u{202E}evil\u{202C}", "</style><b>", "=1+1",
    "\u{1B}[31mred", "{{title}}{{{settings}}}",
  ]

  private func tile(_ index: Int, path: String) -> RunEvidence.Sheet.Tile {
    let text = """
      {"index": \(index), "path": \(json(path)), "label": \(index % 10), "looksLike": 1,
       "isFlagged": true, "truth": "poison"}
      """
    return try! JSONDecoder().decode(RunEvidence.Sheet.Tile.self, from: Data(text.utf8))
  }

  private func write(_ name: String, _ data: Data, in folder: TestFolder) throws {
    try data.write(to: URL(fileURLWithPath: folder.path + "/" + name))
  }

  private func json(_ text: String) -> String {
    String(decoding: try! JSONEncoder().encode(text), as: UTF8.self)
  }

  /// A folder as a run leaves it, with class names and paths of the given kind.
  private func folder(_ names: [String], tiles: Int = 20, isOver: Bool = true) throws -> TestFolder
  {
    let folder = try TestFolder()
    let record = """
      {"version": "0.1.0", "ranks": 2,
       "plan": {"data": {"dataset": "folder", "path": \(json(names[0]))}, "width": 8}}
      """
    try write("run.json", Data(record.utf8), in: folder)
    var result = RunResult(
      defense: "meca", weightsSHA256: "abc", seconds: 100, ranks: 2, imagesPerSecond: 4000)
    result.classNames = names
    let figures = ModelFigures(
      accuracy: HitCount(hits: 95, count: 100), attackSuccess: HitCount(hits: 3, count: 90),
      accuracyPerClass: names.map { _ in HitCount(hits: 9, count: 10) })
    result.rows = [
      ResultRow(title: "undefended", figures: figures), ResultRow(title: "clean", figures: figures),
    ]
    var detection = try JSONDecoder().decode(
      DetectionFigures.self,
      from: Data(
        """
        {"separated": true, "suspicious_labels": [0], "suspicious_classes": [], "flagged": 20,
         "kept_per_class": [\(names.map { _ in "0.99" }.joined(separator: ","))],
         "verdict": "poisoned", "verdict_labels": [], "verdict_remarks": [], "unconfirmed": 0,
         "score_columns": [], "auroc": 0.99}
        """.utf8))
    detection.verdictLabels = [
      .init(
        label: 0, samples: tiles, isFlagged: true, reason: "they share \(names[0])",
        falseAlarmRate: 0.001, place: .init(rows: 2..<5, columns: 3..<7))
    ]
    result.detection = detection
    if isOver { try writeJSON(result, to: folder.path + "/result.json") }
    let sheet = """
      {"jpeg": "AAAA", "step": 32, "side": 32, "columns": 16, "tiles": []}
      """
    var pictures = try JSONDecoder().decode(RunEvidence.Sheet.self, from: Data(sheet.utf8))
    pictures.tiles = (0..<tiles).map { tile($0, path: names[$0 % names.count]) }
    let evidence = """
      {"labels": [{"label": 0, "suspects": \(String(decoding: try JSONEncoder().encode(pictures), as: UTF8.self)),
        "count": \(tiles), "meanSuspect": "AAAA", "meanKept": "AAAA", "difference": "AAAA",
        "place": {"rows": [2, 5], "columns": [3, 7]}, "height": 16, "width": 32}],
       "histograms": [{"name": \(json(names[1 % names.count])), "edges": [0, 1, 2], "flagged": [1, 3],
        "kept": [5, 0]}], "roc": [[0, 0], [0.1, 0.9], [1, 1]]}
      """
    try write("evidence.json", Data(evidence.utf8), in: folder)
    let metrics = """
      {"event":"epoch","stage":\(json(names[0])),"epoch":1,"loss":2,"accuracy":0.1}
      {"event":"epoch","stage":\(json(names[0])),"epoch":2,"loss":1,"accuracy":0.6}
      {"event":"epoch","stage":"a","epoch":1,"loss":2,"accuracy":0.1}
      {"event":"stage","stage":"a","stage_seconds":200}
      {"event":"observation","moment":"a/pixels","what":"suspected","share":0.1}
      {"event":"observation","moment":"a/warm-up","what":"fitted","share":0.5,"share_poisoned":0.9,\
      "share_clean":0.4,"log10_loss":-1,"log10_loss_poisoned":-2,"log10_loss_clean":0}
      {"event":"observation","moment":"a/enhance 1/1","what":"fitted","share":0.5,"share_poisoned":0.9,\
      "share_clean":0.1,"log10_loss":-1,"log10_loss_poisoned":-2,"log10_loss_clean":0.5}
      {"event":"epoch","stage":"kept/round 1","epoch":1,"loss":2,"accuracy":0.1,"test_acc":0.2,\
      "test_acc_samples":50,"test_asr":0.9,"test_asr_samples":40}
      {"event":"epoch","stage":"kept/round 2","epoch":1,"loss":1,"accuracy":0.3,"test_acc":0.4,\
      "test_acc_samples":50,"test_asr":0.1,"test_asr_samples":40}
      {"event":"epoch","sta
      """
    try write("metrics.jsonl", Data(metrics.utf8), in: folder)
    return folder
  }

  @Test func aReportSaysWhatARunHasFound() throws {
    let folder = try folder(["cat", "dog"])
    let html = try RunReport(RunFolder(path: folder.path)).html()
    for part in [
      "Verdict: poisoned", "<bdi>cat (label 0)</bdi>", "20 samples flagged", "They share cat.",
      "fewer than 1 %", "95.00 % (88.8 to 97.8)", "3.33 % (1.1 to 9.3)", "sample 3, labelled",
      "looks like dog", "3 min 20 s", "id=\"evidence\"", "mean of the suspects",
      // Rows 2 to 4 and columns 3 to 6 of 16x32 pixels in a square of 160 points.
      "left:13.0px;top:48.0px;width:24.0px;height:19.0px",
    ] {
      #expect(html.contains(part), "\(part)")
    }
    for part in [
      "Accuracy on 50 test images after each epoch.", "Loss of the models while learning.",
      "Attack success on 40 triggered test images after each epoch.",
      "Loss of the other trainings while learning.",
      "Share of fitted, moment by moment: a/warm-up, a/enhance 1/1.",
      "Mean log10 of the loss at the same moments.",
      // Of the model that is kept: 0.2 and 0.4 of 206 points above 220, over 496 points.
      "points=\"52.0,178.8 548.0,137.6\"",
    ] {
      #expect(html.contains(part), "\(part)")
    }
    #expect(!html.contains("suspected, moment by moment"), "of one moment alone")
    #expect(!html.contains("Not finished") && !html.contains("http"), "nothing from a network")
    #expect(!html.contains("{{"), "every tag was filled in")
  }

  /// The matrix of few classes, the mistakes of many; of the last model that is no oracle.
  @Test func whatIsConfusedIsShown() throws {
    func page(_ names: [String], _ pairs: [(Int, Int, Int)]) throws -> String {
      let folder = try folder(names)
      var table = ConfusionTable()
      for title in ["undefended", "clean"] {
        var counts = ConfusionMatrix(classCount: names.count)
        for (label, prediction, samples) in pairs {
          counts.add(
            label: label, prediction: prediction, samples: title == "clean" ? samples : 7)
        }
        table.add(title, counts)
      }
      try write("confusion.csv", Data(table.csv(classNames: names).utf8), in: folder)
      return try RunReport(RunFolder(path: folder.path)).html()
    }
    let few = try page(["cat", "dog"], [(0, 0, 60), (0, 1, 20), (1, 1, 20)])
    for part in [
      "What <bdi>clean</bdi> takes the 100 test images for", "aria-label=\"taken for dog\"",
      "<th scope=\"row\">0 <bdi>cat</bdi></th><td class=\"right\" style=\"--share:0.87\">60</td>"
        + "<td class=\"wrong\" style=\"--share:0.50\">20</td>",
      "<td class=\"none\" style=\"--share:0.00\">0</td>",
    ] {
      #expect(few.contains(part), "\(part)")
    }
    let many = try page(
      (0..<21).map { "class \($0)" }, (0..<20).map { ($0, $0 + 1, 40 - $0) } + [(3, 3, 37)])
    #expect(
      many.contains("<bdi>class 3</bdi></th><td><bdi>class 4</bdi></td><td>37</td><td>50.0 %"))
    #expect(many.contains("<bdi>class 9</bdi></th>") && !many.contains("<bdi>class 10</bdi></th>"))
    #expect(!many.contains("--share:0."))
  }

  @Test func aConfusionTableIsReadAsItWasWritten() throws {
    var table = ConfusionTable()
    for title in ["one, with a comma", "two"] {
      var counts = ConfusionMatrix(classCount: Self.hostile.count)
      for label in Self.hostile.indices {
        counts.add(label: label, prediction: (label * 3) % Self.hostile.count, samples: label + 1)
      }
      table.add(title, counts)
    }
    let text = table.csv(classNames: Self.hostile)
    #expect(ConfusionTable(csv: text, classCount: Self.hostile.count) == table)
    #expect(table["two"]?.all == HitCount(hits: 1 + 6, count: 55))
    #expect(!text.contains("\u{1B}") && text.contains(",'=1+1,"))
    for (old, new) in [("count", "number"), (",3,", ",-3,"), (",9,7", ",9,70"), ("\n", "\n\"")] {
      let damaged = text.replacingOccurrences(of: old, with: new)
      #expect(damaged != text)
      #expect(ConfusionTable(csv: damaged, classCount: Self.hostile.count) == nil, "\(new)")
    }
    let folder = try folder(["cat", "dog"])
    try write("confusion.csv", Data("nonsense".utf8), in: folder)
    #expect(throws: (any Error).self) { try RunReport(RunFolder(path: folder.path)) }
  }

  /// A flagged and a kept sample in the same colours.
  @Test func landscapesAreDrawn() throws {
    let folder = try folder(["cat", "dog"])
    let evidence = try #require(
      JSONSerialization.jsonObject(
        with: Data(contentsOf: URL(fileURLWithPath: folder.path + "/evidence.json")))
        as? [String: Any])
    var labels = try #require(evidence["labels"] as? [[String: Any]])
    func landscape(_ isFlagged: Bool, _ losses: [[Double?]]) -> [String: Any] {
      [
        "isFlagged": isFlagged,
        "loss": [
          "index": isFlagged ? 5 : 6, "label": 0, "steps": [-0.1, 0, 0.1],
          "losses": losses.map { row in row.map { $0.map { $0 as Any } ?? NSNull() } },
        ] as [String: Any],
      ]
    }
    labels[0]["landscapes"] = [
      landscape(true, [[0, 0, 0], [0, 0, 0], [0, 0, 0.5]]),
      landscape(false, [[1, 2, 4], [1, nil, 4], [1, 2, 4]]),
    ]
    let changed = evidence.merging(["labels": labels]) { $1 }
    try write("evidence.json", JSONSerialization.data(withJSONObject: changed), in: folder)
    let html = try RunReport(RunFolder(path: folder.path)).html()
    #expect(
      html.contains("around the flagged sample 5 of cat, from 0.00 (faint) to 4.00 nats (strong)."))
    #expect(html.contains("around the kept sample 6 of cat"))
    #expect(html.components(separatedBy: "fill-opacity=\"1.00\"").count == 4, "three fours")
    #expect(html.components(separatedBy: "fill-opacity").count == 18, "no square for no number")
  }

  @Test func aRunThatWasKilledHasAReportToo() throws {
    let folder = try folder(["cat", "dog"], isOver: false)
    let html = try RunReport(RunFolder(path: folder.path)).html()
    #expect(html.contains("Not finished") && html.contains("last checkpoint"))
    #expect(html.contains("id=\"suspects\"") && !html.contains("Verdict:"))
    let running = try RunReport(RunFolder(path: folder.path), stage: "meca/clean").html()
    #expect(running.contains("the run is in meca/clean"))
  }

  @Test func namesOfAnUntrustedSetAreText() throws {
    let folder = try folder(Self.hostile)
    let html = try RunReport(RunFolder(path: folder.path)).html()
    let comparison = try RunComparison([folder.path]).html()
    for page in [html, comparison] {
      let tags = tags(of: page)
      let own: Set<String> = ["script", "b"]
      #expect(tags.allSatisfy { !own.contains($0.name) && $0.name != "img" || $0.isOurs })
      #expect(tags.allSatisfy { tag in !tag.attributes.contains { $0.hasPrefix("on") } })
      #expect(!page.unicodeScalars.contains { $0 == "\u{1B}" || $0 == "\u{202E}" })
    }
    #expect(html.contains("&lt;script&gt;alert(1)&lt;/script&gt;"))
    #expect(html.contains("{{title}}{{{settings}}}"), "a name is no template")
  }

  private struct Tag {
    var name: String
    var attributes: [String]
    var isOurs: Bool
  }

  /// The tags of a page as a browser sees them, scalar by scalar; attributes by name.
  private func tags(of page: String) -> [Tag] {
    let scalars = Array(page.unicodeScalars)
    var tags: [Tag] = []
    var place = 0
    while place < scalars.count {
      guard scalars[place] == "<", place + 1 < scalars.count,
        scalars[place + 1].properties.isAlphabetic && scalars[place + 1].isASCII
      else {
        place += 1
        continue
      }
      var text = ""
      var quote: Unicode.Scalar?
      var names = ""
      place += 1
      while place < scalars.count, quote != nil || scalars[place] != ">" {
        let scalar = scalars[place]
        text.unicodeScalars.append(scalar)
        if let open = quote {
          if scalar == open { quote = nil }
        } else if scalar == "\"" || scalar == "'" {
          quote = scalar
        } else {
          names.unicodeScalars.append(scalar)
        }
        place += 1
      }
      let words = names.split(whereSeparator: \.isWhitespace).map(String.init)
      tags.append(
        Tag(
          name: words.first ?? "", attributes: Array(words.dropFirst()),
          isOurs: text.contains("src=\"data:image/png;base64,")))
    }
    return tags
  }

  /// Two thousand suspects stay far below what a browser minds.
  @Test func manySuspectsFitOnAPage() throws {
    let folder = try folder(["cat", "dog"], tiles: 2000)
    let html = try RunReport(RunFolder(path: folder.path)).html()
    #expect(html.components(separatedBy: "<li>").count > 2000)
    #expect(html.utf8.count < 1_000_000, "\(html.utf8.count) bytes beside the pictures")
  }

  @Test func whatIsNoRunIsSaid() throws {
    let folder = try TestFolder()
    #expect(throws: (any Error).self) { try RunReport(RunFolder(path: folder.path)) }
    try write("run.json", Data("{}".utf8), in: folder)
    try write("result.json", Data("{\"rows\": 3}".utf8), in: folder)
    #expect(throws: (any Error).self) { try RunReport(RunFolder(path: folder.path)) }
    #expect(throws: (any Error).self) { try RunComparison([folder.path]) }
  }

  /// Values of the formula, computed by hand: 0 of 10, 5 of 10, 81 of 263 (Newcombe 1998).
  @Test func wilsonsInterval() throws {
    let none = try #require(wilsonInterval(hits: 0, of: 10))
    #expect(none.lowerBound == 0 && abs(none.upperBound - 0.2775) < 1e-4)
    let half = try #require(wilsonInterval(hits: 5, of: 10))
    #expect(abs(half.lowerBound - 0.2366) < 1e-4 && abs(half.upperBound - 0.7634) < 1e-4)
    let some = try #require(wilsonInterval(hits: 81, of: 263))
    #expect(abs(some.lowerBound - 0.2553) < 1e-4 && abs(some.upperBound - 0.3662) < 1e-4)
    #expect(wilsonInterval(hits: 0, of: 0) == nil)
  }

  @Test func theROCCurveRisesFromNothingToAll() throws {
    let curve = try #require(
      rocCurve([0.9, 0.8, 0.8, 0.1], positive: [true, true, false, false]))
    #expect(curve == [[0, 0], [0, 0.5], [0.5, 1], [1, 1]])
    #expect(rocCurve([1, 2], positive: [true, true]) == nil)
    let many = try #require(
      rocCurve((0..<10_000).map { Float($0) }, positive: (0..<10_000).map { $0 % 2 == 0 }))
    #expect(many.count <= 202 && many.last == [1, 1])
  }
}

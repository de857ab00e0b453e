import Foundation
import MecaCore
import MecaReport
import MecaTraining
import Testing

/// The files and the table that a run leaves behind.
@Suite struct ReportTests {
  static var result: RunResult {
    var result = RunResult(
      defense: "meca", weightsSHA256: "ab", seconds: 1.5, ranks: 3, imagesPerSecond: 1234)
    func figures(_ hits: Int, _ attack: HitCount?) -> ModelFigures {
      ModelFigures(
        accuracy: HitCount(hits: hits, count: 20), attackSuccess: attack,
        accuracyPerClass: [HitCount(hits: hits, count: 20), HitCount(hits: 0, count: 0)])
    }
    result.noDefense = figures(18, HitCount(hits: 19, count: 19))
    result.defended = figures(17, HitCount(hits: 0, count: 19))
    result.relearned = figures(19, HitCount(hits: 1, count: 19))
    result.oracle = figures(19, nil)
    result.models = ["clean": figures(17, nil), "relearned": figures(19, nil)]
    result.rows = [
      ("undefended", result.noDefense), ("MeCa, clean", result.defended),
      ("MeCa, relearned", result.relearned), ("oracle (truly clean)", result.oracle),
    ].compactMap { title, figures in figures.map { ResultRow(title: title, figures: $0) } }
    result.detection = DetectionFigures(
      suspiciousLabels: [1], flagged: 12, tpr: 1, poisoned: 10, fpr: 0.02,
      clean: 100, auroc: 0.998, keptPerClass: [0.98, nil])
    return result
  }

  @Test func theResultHasTheAgreedKeys() throws {
    let folder = try TestFolder()
    try writeJSON(Self.result, to: folder.path + "/result.json")
    let object = try #require(
      try JSONSerialization.jsonObject(
        with: Data(try readFile(at: folder.path + "/result.json"))) as? [String: Any])
    #expect(
      Set(object.keys) == [
        "weights_sha256", "seconds", "ranks", "images_per_second", "no_defense", "defended",
        "relearned", "oracle", "detection", "defense", "models", "class_names", "rows",
      ])
    let defended = try #require(object["defended"] as? [String: Any])
    #expect(
      Set(defended.keys) == [
        "acc", "acc_samples", "asr", "asr_samples", "acc_per_class", "acc_per_class_samples",
      ])
    #expect(defended["acc"] as? Double == 0.85)
    #expect(defended["asr"] as? Double == 0)
    #expect((defended["acc_per_class"] as? [Any])?.count == 2)
    #expect((object["oracle"] as? [String: Any])?["asr"] == nil)
    let detection = try #require(object["detection"] as? [String: Any])
    #expect(
      Set(["tpr", "fpr", "auroc", "kept_per_class"]).isSubset(of: Set(detection.keys)))
    #expect((detection["kept_per_class"] as? [Any])?.last is NSNull)
  }

  /// A change here is a change of what users read: look at it before taking it over.
  @Test func theTableReadsLikeThis() {
    let table = resultTable(Self.result, classNames: ["cat", "dog"], target: 1)
    #expect(
      table == """
        model                     ACC %      of    ASR %      of least class ACC %
        --------------------------------------------------------------------------
        undefended                90.00      20   100.00      19 90.00 (cat)
        MeCa, clean               85.00      20     0.00      19 85.00 (cat)
        MeCa, relearned           95.00      20     5.26      19 95.00 (cat)
        oracle (truly clean)      95.00      20        -       - 95.00 (cat)

        detection: 12 samples flagged in label 1 (dog)
          TPR 100.00 % of 10 poisoned
          FPR 2.00 % of 100 clean
          AUROC 0.9980
          least kept class: cat, 98.00 % kept
        """, "\(table)")
  }

  /// The attack on one source class: both success rates, and the covers apart.
  @Test func aSourceSpecificAttackHasTwoRates() throws {
    var result = Self.result
    result.noDefense?.attackSuccessOnAll = HitCount(hits: 6, count: 19)
    result.noDefense?.attackSuccess = HitCount(hits: 2, count: 2)
    if let undefended = result.noDefense { result.rows[0].figures = undefended }
    result.detection?.covers = 8
    result.detection?.coverFlagged = 0.25
    let table = resultTable(result, classNames: ["cat", "dog"], target: 1)
    let lines = table.split(separator: "\n").map(String.init)
    #expect(
      lines[0] == "model                     ACC %      of ASR src %      of ASR all %      of "
        + "least class ACC %")
    #expect(
      lines[2] == "undefended                90.00      20    100.00       2     31.58      19 "
        + "90.00 (cat)")
    #expect(
      lines[3] == "MeCa, clean               85.00      20      0.00      19         -       - "
        + "85.00 (cat)")
    #expect(
      lines.contains(
        "  covers flagged: 25.00 % of 8 (trigger with the true label; counted as clean above)"))
    let folder = try TestFolder()
    let path = folder.path + "/result.json"
    try writeJSON(result, to: path)
    let object = try #require(
      try JSONSerialization.jsonObject(with: Data(try readFile(at: path))) as? [String: Any])
    let figures = try #require(object["no_defense"] as? [String: Any])
    #expect(figures["asr"] as? Double == 1 && figures["asr_samples"] as? Int == 2)
    #expect(figures["asr_all"] as? Double == 6.0 / 19 && figures["asr_all_samples"] as? Int == 19)
    let detection = try #require(object["detection"] as? [String: Any])
    #expect(detection["covers"] as? Int == 8 && detection["cover_flagged"] as? Double == 0.25)
    let again = try JSONDecoder().decode(RunResult.self, from: Data(try readFile(at: path)))
    #expect(again.noDefense?.attackSuccessOnAll == HitCount(hits: 6, count: 19))
  }

  @Test func aNumpyFileSaysItsShape() throws {
    let folder = try TestFolder()
    let path = folder.path + "/scores.npy"
    let values: [Float] = [1, 2.5, -3, .infinity, 1e-30, 6]
    try writeNumpy(values, columns: 2, to: path)
    let bytes = try readFile(at: path)
    #expect(Array(bytes.prefix(8)) == [0x93] + Array("NUMPY".utf8) + [1, 0])
    let length = Int(bytes[8]) + Int(bytes[9]) << 8
    #expect((10 + length) % 64 == 0)
    let header = String(decoding: bytes[10..<10 + length], as: UTF8.self)
    #expect(
      header.hasPrefix("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }")
        && header.hasSuffix("\n"))
    let content = Array(bytes[(10 + length)...])
    #expect(content.count == 24)
    #expect(content.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) } == values)
  }

  @Test(arguments: 0..<12)
  func theAreaIsTheShareOfPairsInOrder(seed: Int) throws {
    var random = KeyedRandom(seed: UInt64(seed), purpose: .test)
    let values = (0..<40).map { _ in Float(random.integer(below: 8)) }  // many ties
    let positive = (0..<40).map { _ in random.integer(below: 3) == 0 }
    var sum = 0.0
    var pairs = 0.0
    for (first, isPositive) in positive.enumerated() where isPositive {
      for (second, isOther) in positive.enumerated() where !isOther {
        pairs += 1
        if values[first] > values[second] { sum += 1 }
        if values[first] == values[second] { sum += 0.5 }
      }
    }
    // Rank sums are halves of integers: exact; one division each.
    #expect(abs(try #require(areaUnderROC(values, positive: positive)) - sum / pairs) < 1e-12)
    #expect(areaUnderROC(values, positive: values.map { _ in true }) == nil)
    #expect(areaUnderROC([], positive: []) == nil)
  }
}

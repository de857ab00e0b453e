import Foundation
import MecaTestSupport
import Testing

extension ProgramTests {
  /// The built-in demonstration on 8 ranks does what the README says of it.
  ///
  /// The bounds leave room below the figures of `docs/results.md`, because another processor class
  /// computes other bits: here it must work, there it says how well.
  @Suite(.serialized) struct DemonstrationTests {
    private struct Figures: Decodable {
      var acc: Double
      var asr: Double
    }

    private struct Detection: Decodable {
      var tpr: Double
      var fpr: Double
      var keptPerClass: [Double]
      var suspiciousLabels: [Int]
    }

    private struct Result: Decodable {
      var noDefense: Figures
      var defended: Figures
      var relearned: Figures
      var oracle: Figures
      var detection: Detection
    }

    @Test(.enabled(if: runsFull, "only in launch/test --full: five minutes"))
    func theDemonstrationFindsTheBackdoorAndTrainsWithoutIt() throws {
      let folder = try TestFolder()
      let outcome = try meca(
        ranks: 8, ["--output", folder.path + "/demo", "--quiet"], timeout: 1500)
      #expect(outcome.status == 0, "\(outcome.errors)")
      let decoder = JSONDecoder()
      decoder.keyDecodingStrategy = .convertFromSnakeCase
      let result = try decoder.decode(Result.self, from: try folder.bytes("demo/result.json"))
      #expect(result.noDefense.asr > 0.95, "the attack itself must work")
      #expect(result.detection.suspiciousLabels == [1], "the target class of the default attack")
      #expect(result.detection.tpr > 0.97)
      #expect(result.detection.fpr < 0.02)
      #expect(result.detection.keptPerClass.allSatisfy { $0 > 0.8 })
      for defended in [result.defended, result.relearned] {
        #expect(defended.asr < result.oracle.asr + 0.02)
        #expect(defended.acc > result.oracle.acc - 0.03)
      }
      let suspects = String(decoding: try folder.bytes("demo/suspects.csv"), as: UTF8.self)
      #expect(suspects.split(separator: "\n").count > 280, "300 poisoned samples and the header")
    }
  }
}

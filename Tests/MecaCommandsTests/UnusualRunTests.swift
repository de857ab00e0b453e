import Foundation
import MecaTestSupport
import Testing

extension ProgramTests {
  /// Settings at the edge of what makes sense, which still give a result.
  @Suite struct UnusualRunTests {
    /// Every phase once and short: what is found does not matter here.
    static let hasty = [
      "--warmup-epochs", "1", "--second-warmup-epochs", "0", "--partition-rates", "0.3",
      "--confirm-epochs", "1",
    ]

    @Test(arguments: [
      (["--poison-rate", "0", "--trigger-size", "14"], 0, true),
      (["--attack", "none", "--poison-rate", "0.3"], nil, false),
      (["--attack", "sig", "--poison-rate", "0.5"], 15, true),
    ])
    func unusualAttacksWork(arguments: [String], poisoned: Int?, oracle: Bool) throws {
      let folder = try TestFolder()
      let outcome = try meca(
        ranks: 2, tinyTraining + Self.hasty + arguments + ["--output", folder.path])
      #expect(outcome.status == 0, "\(outcome.errors)")
      let result = try result(folder)
      let detection = try #require(result["detection"] as? [String: Any])
      #expect(detection["poisoned"] as? Int == poisoned)
      #expect((detection["tpr"] != nil) == ((poisoned ?? 0) > 0))
      #expect((result["oracle"] != nil) == oracle)
      let list = String(decoding: try folder.bytes("suspects.csv"), as: UTF8.self)
      let head = list.prefix { $0 != "\n" }
      #expect(head.contains("truth") == (poisoned != nil))
    }

    /// Nothing clean is left: the run ends with a result or says what is missing.
    @Test func aWhollyPoisonedSetIsNoCrash() throws {
      let folder = try TestFolder()
      let outcome = try meca(
        ranks: 2, tinyRun + ["--poison-rate", "1", "--output", folder.path])
      if outcome.status == 0 {
        #expect(try result(folder)["oracle"] == nil)
        #expect(outcome.errors.contains("every training sample is poisoned"))
      } else {
        expectOneLine(outcome, status: 65, ["no training samples are left"])
      }
    }
  }
}

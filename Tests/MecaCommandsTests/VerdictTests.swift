import Foundation
import MecaTestSupport
import Testing

extension ProgramTests {
  /// What a run says and does when its suspects do not hold.
  @Suite struct VerdictTests {
    @Test func suspectsThatDoNotCarryOverAreDroppedEverywhere() throws {
      let folder = try TestFolder()
      let outcome = try meca(
        tinyTraining + [
          "--attack", "none", "--no-undefended", "--carry-over", "0.99", "--second-warmup-epochs",
          "1", "--output", folder.path,
        ])
      #expect(outcome.status == 0, "\(outcome.errors)")
      func lines(_ part: String) -> Int {
        outcome.errors.split(separator: "\n").filter { $0.contains(part) }.count
      }
      #expect(lines(", dropped") >= 6, "at least one label in each of two attempts' three tries")
      #expect(lines("after iteration ") == 6)
      #expect(lines("nobody flagged: a second attempt") == 1)
      let detection = try #require(try result(folder)["detection"] as? [String: Any])
      #expect(detection["separated"] as? Bool == false && detection["flagged"] as? Int == 0)
      #expect(detection["suspicious_labels"] as? [Int] == [])
      #expect(try RunBits(folder).suspectCount == 0)
      #expect(outcome.output.contains("nothing separated from the clean samples"))
    }

    @Test func whereEverythingIsKeptTheUndefendedModelIsTheCleanOne() throws {
      let (with, without) = (try TestFolder(), try TestFolder())
      let quick =
        tinyTraining + [
          "--separation-threshold", "100", "--warmup-epochs", "1", "--second-warmup-epochs", "0",
          "--partition-rates", "0.3",
        ]
      let reused = try meca(ranks: 2, quick + ["--output", with.path])
      let trained = try meca(quick + ["--no-undefended", "--output", without.path])
      #expect(reused.status == 0 && trained.status == 0, "\(reused.errors)\(trained.errors)")
      #expect(reused.errors.contains("clean: everything is kept, so this is the undefended model"))
      #expect(!reused.errors.contains("clean: epoch") && trained.errors.contains("clean: epoch"))
      #expect(try RunBits(with) == RunBits(without))
      func defended(_ folder: TestFolder) throws -> NSDictionary? {
        try result(folder)["defended"] as? NSDictionary
      }
      #expect(try defended(with) != nil && defended(with) == defended(without))
    }
  }
}

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
      // Such short trainings teach nothing, which is not called clean.
      #expect(outcome.output.contains("verdict: could not tell"))
      #expect(detection["verdict"] as? String == "undecided")
    }

    /// Results first, then the exit status that was asked for, on every rank; no such status without it.
    @Test func aRunFailsOnTheVerdictThatItIsAskedTo() throws {
      let options = [
        "--train-limit", "600", "--test-limit", "70", "--width", "4", "--batch", "32", "--epochs",
        "1", "--no-undefended", "--no-oracle", "--warmup-epochs", "1", "--confirm-epochs", "1",
        "--relearn-epochs", "0", "--effort", "quick",
      ]
      for (failOn, status) in [("suspected", 1), ("poisoned", 0), ("never", 0)] {
        let folder = try TestFolder()
        let outcome = try meca(
          ranks: failOn == "suspected" ? 2 : 0,
          options + ["--fail-on", failOn, "--output", folder.path])
        #expect(outcome.status == status, "\(outcome.errors)")
        #expect(folder.has("result.json") && folder.has("model.safetensors"))
        #expect(
          outcome.errors.contains("the verdict is suspected, which --fail-on") == (status == 1))
      }
      let folder = try TestFolder()
      let clean = try meca(
        options + [
          "--attack", "none", "--fail-on", "undecided", "--output", folder.path,
        ])
      #expect(clean.status == 0, "\(clean.errors)")
      #expect(clean.output.contains("pixels alone were looked at"))
    }

    /// The program's own triggers are found in copies of a set, poisoned or not, and change nothing in
    /// the run.
    @Test func theSelfTestSaysWhatWouldBeSeen() throws {
      func run(_ more: [String]) throws -> (TestFolder, ProgramOutcome) {
        let folder = try TestFolder()
        let outcome = try meca(
          ranks: 2,
          [
            "--train-limit", "900", "--test-limit", "40", "--width", "4", "--batch", "32",
            "--epochs", "1", "--no-undefended", "--no-oracle", "--warmup-epochs", "1",
            "--confirm-epochs", "1", "--relearn-epochs", "0", "--effort", "quick", "--output",
            folder.path,
          ] + more)
        #expect(outcome.status == 0, "\(outcome.errors)")
        return (folder, outcome)
      }
      let (tested, said) = try run(["--self-test"])
      let figures = try #require(try result(tested)["self_test"] as? [[String: Any]])
      #expect(figures.compactMap { $0["attack"] as? String } == ["badnets", "blend"])
      for one in figures {
        #expect(try #require(one["smallest_rate"] as? Double) <= 0.05)
        #expect(try #require(one["samples"] as? Int) > 0)
      }
      #expect(said.output.contains("self-test: badnets of this program's own would have been seen"))
      let (plain, _) = try run([])
      #expect(try result(plain)["self_test"] == nil)
      #expect(try RunBits(plain) == RunBits(tested))
    }

    @Test func whereEverythingIsKeptTheUndefendedModelIsTheCleanOne() throws {
      let (with, without) = (try TestFolder(), try TestFolder())
      let quick =
        tinyTraining + [
          "--separation-threshold", "100", "--warmup-epochs", "1", "--second-warmup-epochs", "0",
          "--partition-rates", "0.3",
        ]
      let compared = try meca(ranks: 2, quick + ["--output", with.path])
      let alone = try meca(quick + ["--no-undefended", "--output", without.path])
      for outcome in [compared, alone] {
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(
          outcome.errors.contains("clean: everything is kept, so this is the undefended model"))
        #expect(!outcome.errors.contains("clean: epoch"))
        #expect(outcome.errors.contains("undefended: epoch"))
      }
      #expect(try RunBits(with) == RunBits(without))
      func figures(_ folder: TestFolder, _ key: String) throws -> NSDictionary? {
        try result(folder)[key] as? NSDictionary
      }
      #expect(try figures(with, "defended") == figures(without, "defended"))
      #expect(try figures(with, "defended") == figures(with, "no_defense"))
      #expect(try figures(without, "no_defense") == nil)
    }

    /// The paper's own rule: one detector, and whoever it does not misclassify is poisoned.
    @Test func thePaperVariantFlagsWhatIsNotMisclassified() throws {
      let folder = try TestFolder()
      let outcome = try meca(
        ranks: 2,
        [
          "--train-limit", "150", "--test-limit", "70", "--width", "4", "--batch", "32", "--epochs",
          "1", "--augment", "none", "--no-undefended", "--no-oracle", "--variant", "paper",
          "--warmup-epochs", "4", "--output", folder.path,
        ])
      #expect(outcome.status == 0, "\(outcome.errors)")
      let (lines, head) = try suspects(folder)
      #expect(head.contains("prediction") && !lines.isEmpty)
      let label = try #require(head.firstIndex(of: "label"))
      let prediction = try #require(head.firstIndex(of: "prediction"))
      #expect(lines.allSatisfy { Float($0[label]) == Float($0[prediction]) })
      #expect(!outcome.errors.contains("carry-over"))
    }

    /// The fields of `suspects.csv` and of its head.
    private func suspects(_ folder: TestFolder) throws -> (lines: [[String]], head: [String]) {
      let rows = String(decoding: try folder.bytes("suspects.csv"), as: UTF8.self)
        .split(separator: "\n").map { $0.split(separator: ",").map(String.init) }
      return (Array(rows.dropFirst()), try #require(rows.first))
    }
  }
}

import Foundation
import MecaTestSupport
import Testing

extension ProgramTests {
  /// A defence is one file and one line: `Tests/ToyDefense` adds one to the program and changes
  /// nothing else.
  @Suite struct ToyDefenseTests {
    private func toy(ranks: Int, _ arguments: [String]) throws -> ProgramOutcome {
      try runWithMPI(ranks: ranks, "meca-toy", arguments, timeout: 120)
    }

    private func run(ranks: Int, _ more: [String] = []) throws -> (TestFolder, ProgramOutcome) {
      let folder = try TestFolder()
      let outcome = try toy(
        ranks: ranks,
        [
          "--defense", "half", "--train-limit", "100", "--test-limit", "30", "--width", "4",
          "--batch", "32", "--epochs", "1", "--no-oracle", "--output", folder.path,
        ] + more)
      #expect(outcome.status == 0, "\(outcome.errors)")
      return (folder, outcome)
    }

    @Test func itRunsFromTheCommandLineWithASettingOfItsOwn() throws {
      let (folder, outcome) = try run(ranks: 2)
      let result = try result(folder)
      let models = try #require(result["models"] as? [String: Any])
      #expect(Array(models.keys) == ["half"] && result["defended"] != nil)
      let detection = try #require(result["detection"] as? [String: Any])
      #expect(detection["flagged"] as? Int == 50)
      #expect(outcome.output.contains("half of everything"))
      #expect(try RunBits(run(ranks: 3).0) == RunBits(folder))
      let (quarter, _) = try run(ranks: 1, ["--kept-share", "0.25"])
      #expect(try RunBits(quarter).suspectCount == 75)
      #expect(folder.has("checkpoints/half.choose.safetensors"))
    }

    @Test func itsSettingIsKnownEverywhere() throws {
      let said = try toy(ranks: 2, ["defenses", "half"])
      #expect(said.status == 0 && said.output.contains("kept-share"), "\(said.errors)")
      let wrong = try toy(ranks: 2, ["--defense", "half", "--kept-share", "2"])
      #expect(wrong.status == 64)
      #expect(
        wrong.ownErrorLines == ["meca-dist: --kept-share 2: must be more than 0 and 1 at most"])
      let dry = try toy(
        ranks: 1, ["--defense", "half", "--set", "kept-share=0.3", "--dry-run"])
      #expect(dry.output.contains("\nkept-share: 0.3\n"))
    }
  }
}

import Foundation
import MecaTestSupport
import Testing

extension ProgramTests {
  /// A defence, an attack or a format is one file and one line: `Tests/Toy` adds one of each to the
  /// program and changes nothing else.
  @Suite struct ToyTests {
    private func toy(ranks: Int, _ arguments: [String]) throws -> ProgramOutcome {
      if ranks > 0 { return try runWithMPI(ranks: ranks, "meca-toy", arguments, timeout: 120) }
      return try runProgram(
        [try productsFolder() + "/meca-toy"] + arguments, environment: rootMayRunMPI, timeout: soon)
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

    /// A rank whose memory changes a weight is found out after some steps, not at the end alone.
    @Test func aRankThatDriftsIsNamedWithItsTensor() throws {
      let folder = try TestFolder()
      let outcome = try toy(
        ranks: 3,
        [
          "--defense", "drifting", "--no-undefended", "--no-oracle", "--train-limit", "160",
          "--test-limit", "30", "--width", "4", "--batch", "32", "--epochs", "60", "--output",
          folder.path,
        ])
      expectOneLine(
        outcome, status: 70, ["rank 1 on ", "(conv1.weight)", "in drifting/train", "start again"])
      #expect(epochs(in: folder) == 19, "five steps an epoch, compared after a hundred")
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

    /// 120 images of three colours; every fifth is a test sample.
    private func colours() throws -> TestFolder {
      let folder = try TestFolder()
      let lines = (0..<120).map { index in
        let colour = ["red 200 10 20", "green 15 180 \(index)", "blue 5 \(index) 220"]
        return colour[index / 5 % 3]
      }
      try folder.write("list.txt", Data((lines.joined(separator: "\n") + "\n").utf8))
      return folder
    }

    /// The undefended model on that list, under the toy's attack.
    private func trained(
      ranks: Int, _ folder: TestFolder, _ more: [String] = []
    ) throws -> [String: Any] {
      let output = try TestFolder()
      let outcome = try toy(
        ranks: ranks,
        [
          "--dataset", "colours", "--data", folder.path + "/list.txt", "--attack", "dot",
          "--target",
          "green", "--poison-rate", "0.2", "--defense", "none", "--no-oracle", "--width", "4",
          "--batch", "32", "--epochs", "1", "--augment", "none", "--output", output.path,
        ] + more)
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(outcome.errors.contains("data: colours, 96 training and 24 test samples, 3 classes"))
      return try result(output)
    }

    @Test func aFormatAndAnAttackRunWithSettingsOfTheirOwn() throws {
      let folder = try colours()
      let usual = try trained(ranks: 2, folder)
      let weights = usual["weights_sha256"] as? String
      #expect(try trained(ranks: 3, folder)["weights_sha256"] as? String == weights)
      let figures = try #require(usual["no_defense"] as? [String: Any])
      #expect(figures["acc_samples"] as? Int == 24 && figures["asr_samples"] as? Int == 16)
      for more in [["--side", "9"], ["--dot-level", "7"]] {
        #expect(try trained(ranks: 1, folder, more)["weights_sha256"] as? String != weights)
      }
    }

    @Test func theirSettingsAreKnownEverywhere() throws {
      for (list, name, setting) in [
        ("datasets", "colours", "side"), ("attacks", "dot", "dot-level"),
      ] {
        let all = try toy(ranks: 0, [list])
        #expect(all.output.contains(name), "\(all.errors)")
        let own = try toy(ranks: 0, [list, name])
        #expect(own.status == 0 && own.output.contains("--\(setting)"), "\(own.errors)")
      }
      let folder = try colours()
      let set = ["--dataset", "colours", "--data", folder.path + "/list.txt"]
      let lines: [([String], Int32, String)] = [
        (set + ["--side", "65"], 64, "--side 65: must be a whole number from 1 to 64"),
        (
          set + ["--attack", "dot", "--dot-level", "-1"], 64,
          "--dot-level -1: must be a whole number from 0 to 255"
        ),
        (
          set + ["--attack", "badnets", "--dot-level", "1"], 64,
          "--dot-level: is a setting of dot, and the attack is badnets"
        ),
        (
          ["--dataset", "colours"], 64,
          "--data is needed: for --dataset colours, name the list of colours"
        ),
      ]
      for (arguments, status, line) in lines {
        let wrong = try toy(ranks: 0, arguments + ["--output", folder.path + "/run"])
        #expect(wrong.status == status)
        #expect(wrong.ownErrorLines.first?.contains(line) == true, "\(wrong.errors)")
      }
      let dry = try toy(
        ranks: 0, set + ["--attack", "dot", "--set", "dot-level=9", "--side=3", "--dry-run"])
      #expect(dry.output.contains("\ndot-level: 9\n") && dry.output.contains("\nside: 3\n"))
      try folder.write("run.yaml", Data(dry.output.utf8))
      let again = try toy(ranks: 0, ["--config", folder.path + "/run.yaml", "--dry-run"])
      #expect(again.output == dry.output)
    }
  }
}

import Foundation
import MecaTestSupport
import Testing

extension ProgramTests {
  /// The attacks as the command line puts them in.
  @Suite struct AttackTests {
    /// The undefended model alone, on few samples.
    private static let short = [
      "--defense", "none", "--no-oracle", "--width", "4", "--train-limit", "150", "--test-limit",
      "70", "--batch", "32", "--epochs", "1",
    ]

    /// 70 test images of 10 classes hold 7 of the source class and 63 of other than the target.
    @Test func tactKeepsItsBitsAndCountsTwice() throws {
      let options =
        tinyTraining + UnusualRunTests.hasty + [
          "--attack", "tact", "--poison-rate", "0.3", "--cover-rate", "0.2",
        ]
      let (alone, said) = try run(ranks: 1, options)
      let (three, _) = try run(ranks: 3, options)
      #expect(try RunBits(three) == RunBits(alone))
      #expect(
        said.errors.contains("15 poisoned (10.00 %), 30 covers with their true label (20.00 %)"))
      #expect(
        said.errors.contains(
          "target class 1 (square), source class 0 (disc) (100.00 % of it poisoned)"))
      #expect(said.errors.contains("45 poisoned samples were asked for, but only 15 are eligible"))
      #expect(said.errors.contains("no clean sample of the source class disc is left"))
      #expect(said.output.contains("ASR src %") && said.output.contains("ASR all %"))
      let result = try result(alone)
      for model in ["no_defense", "defended", "relearned", "oracle"] {
        let figures = try #require(result[model] as? [String: Any])
        #expect(figures["asr_samples"] as? Int == 7)
        #expect(figures["asr_all_samples"] as? Int == 63)
      }
      let detection = try #require(result["detection"] as? [String: Any])
      #expect(detection["poisoned"] as? Int == 15 && detection["covers"] as? Int == 30)
      #expect(detection["clean"] as? Int == 135)
      #expect(detection["cover_flagged"] != nil)
      let evaluated = try meca(
        [
          "evaluate", "--weights", alone.path + "/model.safetensors", "--train-limit", "150",
          "--test-limit", "70",
        ], timeout: soon)
      #expect(
        evaluated.output.contains(
          "of 7 triggered samples of class 0 (disc) (tact, target class 1 (square))"))
      #expect(evaluated.output.contains("of 63 triggered samples of all classes but the target"))
    }

    /// Random warps of their own for the covers, computed by whoever has the sample.
    @Test func wanetKeepsItsBits() throws {
      let options = ["--attack", "wanet", "--poison-rate", "0.3", "--warp-noise", "fresh"]
      let (alone, said) = try run(ranks: 1, Self.short + options)
      #expect(
        said.errors.contains("45 poisoned (30.00 %), 8 covers with their true label (5.33 %)"))
      #expect(said.output.contains("ASR %") && !said.output.contains("ASR src %"))
      let weights = try result(alone)["weights_sha256"] as? String
      let (three, _) = try run(ranks: 3, Self.short + options)
      #expect(try result(three)["weights_sha256"] as? String == weights)
      let (fixed, _) = try run(ranks: 3, Self.short + options.dropLast() + ["fixed"])
      #expect(try result(fixed)["weights_sha256"] as? String != weights)
    }

    /// Everything that the resolved configuration says is taken back in, to the same weights.
    @Test(arguments: [
      ["--attack", "physical", "--trigger-place", "centre", "--test-alpha", "0.5"],
      ["--attack", "tact", "--rate-base", "source", "--cover-classes", "3,2", "--source", "4"],
      ["--attack", "adaptive-blend", "--pieces", "9", "--blanked-pieces", "3"],
      ["--attack", "adaptive-patch", "--patch-set", "toolbox", "--poison-pool", "non-target"],
      ["--attack", "sig", "--sig-test-amplitude", "60"],
    ])
    func theResolvedAttackIsTakenBackIn(options: [String]) throws {
      let folder = try TestFolder()
      let arguments = Self.short + options + ["--output", folder.path]
      let shown = try meca(arguments + ["--dry-run"], timeout: soon)
      #expect(shown.status == 0, "\(shown.errors)")
      for option in options where option.hasPrefix("--") {
        #expect(shown.output.contains("\n\(option.dropFirst(2)): "), "\(shown.output)")
      }
      let file = try folder.write("own.yaml", Data(shown.output.utf8))
      let again = try meca(["--config", file, "--dry-run"], timeout: soon)
      #expect(again.output == shown.output, "\(again.errors)")
    }

    /// The picture belongs to the run: another one is another attack, and the model knows its own.
    @Test func aTriggerFileBelongsToTheRun() throws {
      let folder = try TestFolder()
      let picture = try folder.write("own.png", try #require(Data(base64Encoded: Self.red)))
      let options = Self.short + ["--attack", "badnets", "--trigger", picture]
      let (run, said) = try run(ranks: 3, options)
      #expect(said.errors.contains("attack: badnets, 8 poisoned"))
      let evaluate = [
        "evaluate", "--weights", run.path + "/model.safetensors", "--train-limit", "32",
        "--test-limit", "70", "--json",
      ]
      #expect(try meca(evaluate, timeout: soon).status == 0)
      try folder.write("own.png", try #require(Data(base64Encoded: Self.green)))
      try expectRefusal(
        of: evaluate, status: 65,
        ["own.png: is not the picture that the attack was made with", "--trigger"], fullRanks: [2])
      let asked = try meca(evaluate + ["--trigger", picture], timeout: soon)
      #expect(asked.status == 0, "\(asked.errors)")
      let resumed = try meca(
        options + ["--resume", "must", "--output", run.path], timeout: soon)
      expectOneLine(resumed, status: 64, ["--resume must"])
    }

    @Test func ranksWithOtherPicturesAreSaid() throws {
      let (first, second) = (try TestFolder(), try TestFolder())
      try first.write("own.png", try #require(Data(base64Encoded: Self.red)))
      try second.write("own.png", try #require(Data(base64Encoded: Self.green)))
      let output = try TestFolder()
      let own =
        [try program()] + Self.short
        + ["--attack", "blend", "--trigger", "own.png", "--output", output.path]
      let outcome = try runProgram(
        ["mpirun", "--oversubscribe", "-n", "2", "-wdir", first.path] + own
          + [":", "-n", "1", "-wdir", second.path] + own, environment: rootMayRunMPI,
        timeout: soon)
      expectOneLine(outcome, status: 65, ["own.png: rank 2 finds other pixels"])
    }

    @Test func aMissingTriggerFileIsSaid() throws {
      try expectFailure(
        Self.short + ["--attack", "blend", "--trigger", "/no/such.png"], status: 65,
        ["/no/such.png: not found", "must be a PNG, JPEG or WebP picture"])
    }

    /// One red, one green pixel.
    private static let red =
      "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mP4z8AAAAMBAQD3A0FDAAAAAElFTkSuQmCC"
    private static let green =
      "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR42mNg+M8AAAICAQBF9FLUAAAAAElFTkSuQmCC"

    private func run(
      ranks: Int, _ arguments: [String]
    ) throws -> (TestFolder, ProgramOutcome) {
      let folder = try TestFolder()
      let outcome = try meca(ranks: ranks, arguments + ["--output", folder.path])
      #expect(outcome.status == 0, "\(outcome.errors)")
      return (folder, outcome)
    }
  }
}

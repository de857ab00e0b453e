import Foundation
import MecaAttacks
import MecaCommands
import MecaDefenses
import MecaFormats
import MecaTestSupport
import Testing

extension ProgramTests {
  /// The commands besides training, and what the command line prints without running anything.
  @Suite struct CommandTests {
    func json(_ text: String) throws -> [String: Any] {
      try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    }

    @Test(arguments: runsFull ? [0, 3] : [3])
    func helpAndVersionAreSaidOnce(ranks: Int) throws {
      let version = try meca(ranks: ranks, ["--version"], timeout: soon)
      #expect(version.status == 0 && version.output.split(separator: "\n").count == 1)
      let help = try meca(ranks: ranks, ["--help"], timeout: soon)
      #expect(help.status == 0 && help.ownErrorLines.isEmpty)
      #expect(help.output.components(separatedBy: "USAGE").count == 2)
      let defenses = try meca(ranks: ranks, ["defenses"], timeout: soon)
      #expect(defenses.status == 0 && defenses.ownErrorLines.isEmpty)
      #expect(defenses.output.components(separatedBy: "\nmeca: ").count <= 2)
      let settings = try meca(ranks: ranks, ["defenses", "meca"], timeout: soon)
      #expect(settings.output.components(separatedBy: "\n  --folds (").count == 2)
      let wrong = try meca(ranks: ranks, ["defenses", "mecca"], timeout: soon)
      expectOneLine(wrong, status: 64, ["mecca: no such defence", "mean meca?"])
      for command in ["train", "score", "evaluate", "bench"] {
        #expect(help.output.contains("\n  \(command) "))
        let own = try #require(refusal(of: [command, "--help"]))
        #expect(own.status == 0 && own.text.contains("--batch <batch>"), "\(own.text)")
      }
    }

    @Test func theDryRunNamesEveryOptionAndReadsItselfBack() throws {
      let arguments =
        tinyRun + [
          "--dry-run", "--output", "a folder: #1 \"x\"", "--trigger-size", "4", "--no-oracle",
          "--dataset", "folder", "--image-size", "48", "--test-share", "0.25", "--data=-odd/name",
          "--attack", "badnets",
          "--quiet", "--target", "77", "--checkpoints", "kept", "--spare-output", "spare",
          "--deadline", "2-12:30:00", "--deadline-margin", "7", "--trace",
          "trace.json",
          "--augment", "affine,crop,flip,jitter,cutmix", "--crop-padding", "3",
        ]
      let folder = try TestFolder()
      let first = try meca(arguments, timeout: soon)
      #expect(first.status == 0, "\(first.errors)")
      let keys = first.output.split(separator: "\n").map { String($0.prefix { $0 != ":" }) }
      #expect(Set(keys).count == keys.count)
      let names =
        OptionTable(of: MecaDist.command(named: "train")).options.filter(\.isSetting).map(\.name)
        + MeCa.settingNames + FolderFormat.settingNames
        + BadNets.settingNames
      // What only other defences use has no line, nor what is about this very start, nor a file of
      // weights where none is named.
      let elsewhere = ["clean-reserve", "variant", "dry-run", "measure", "force", "init"]
      #expect(Set(keys) == Set(names).subtracting(elsewhere))
      let path = try folder.write("own.yaml", Data(first.output.utf8))
      let second = try meca(ranks: 2, ["--config", path, "--dry-run"], timeout: soon)
      #expect(second.output == first.output, "\(second.errors)")
      let third = try meca(["--config=\(path)", "--dry-run", "--width", "6"], timeout: soon)
      #expect(
        third.output == first.output.replacingOccurrences(of: "\nwidth: 4\n", with: "\nwidth: 6\n"))
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path) == ["own.yaml"])
    }

    @Test func theDryRunSaysWhatARunWouldTake() throws {
      let arguments = tinyRun + ["--dry-run"]
      let counted = try meca(arguments, timeout: soon)
      for part in ["work: ", "  meca/warm-up  ", "memory: ", "room: "] {
        #expect(counted.errors.contains(part), "\(counted.errors)")
      }
      #expect(!counted.errors.contains("time: "))
      let measured = try meca(ranks: 2, arguments + ["--measure"], timeout: soon)
      #expect(measured.status == 0 && measured.output == counted.output)
      #expect(measured.errors.contains("time: "), "\(measured.errors)")
      let blind = try meca(
        ["--dry-run", "--dataset", "cifar10", "--data", "/not/there"], timeout: soon)
      #expect(blind.status == 0 && blind.errors.contains("no estimate: "), "\(blind.errors)")
      try expectRefusal(of: ["--measure"], status: 64, ["--measure", "--dry-run"])
    }

    @Test func aRunSaysWhereItRunsAndWhatItsModelsCanDo() throws {
      let folder = try TestFolder()
      let run = try meca(ranks: 2, tinyRun + ["--output", folder.path + "/run"])
      #expect(run.status == 0, "\(run.errors)")
      let lines = run.errors.split(separator: "\n").map(String.init)
      #expect(lines.first?.hasPrefix("meca-dist 0.1.0, defence meca: 2 ranks on ") == true)
      #expect(lines.contains { $0.hasPrefix("undefended: ACC ") && $0.contains(", ASR ") })
      #expect(lines.contains { $0.hasPrefix("MeCa, relearned: ACC ") })
      let page = String(
        decoding: try folder.bytes("run/report.html"), as: UTF8.self)
      #expect(page.contains("The models") && !page.contains("Not finished"))
      let again = try meca([
        "report", folder.path + "/run", "--output", folder.path + "/again.html",
      ])
      #expect(again.status == 0, "\(again.errors)")
      #expect(
        String(decoding: try folder.bytes("again.html"), as: UTF8.self) == page)
      try expectRefusal(of: ["report", folder.path], status: 65, ["run.json", folder.path])
      #expect(!run.errors.contains("rank 1 on") && !run.errors.contains("exchange"))
      #expect(!run.errors.contains("\u{1B}"), "no terminal, nothing that moves a cursor")
      try expectRefusal(of: ["--quiet", "--verbose"], status: 64, ["--quiet", "--verbose"])
    }

    @Test(arguments: runsFull ? [0, 3] : [3])
    func evaluationReproducesTheRun(ranks: Int) throws {
      let run = try referenceRun.get()
      let expected = try #require(try result(run)["relearned"] as? [String: Any])
      let outcome = try meca(
        ranks: ranks,
        [
          "evaluate", "--weights", run.path + "/model.safetensors", "--train-limit", "150",
          "--test-limit", "70", "--json",
        ], timeout: soon)
      #expect(outcome.status == 0, "\(outcome.errors)")
      let found = try json(outcome.output)
      #expect(found["acc"] as? Double == expected["acc"] as? Double)
      #expect(found["asr"] as? Double == expected["asr"] as? Double)
      #expect(found["asr_samples"] as? Int == expected["asr_samples"] as? Int)
      #expect(found["acc_per_class"] as? NSArray == expected["acc_per_class"] as? NSArray)
    }

    /// Blend draws its pattern from the attack's seed, `shapes` its images from the data's: asked
    /// about others, a backdoored model looks innocent.
    @Test func aStoredModelIsAskedAboutTheTriggerOfItsRun() throws {
      let folder = try TestFolder()
      let run = try meca([
        "--attack", "blend", "--blend-alpha", "0.3", "--poison-rate", "0.2", "--target", "3",
        "--seed", "5", "--data-seed", "6", "--defense", "none", "--no-oracle", "--width", "4",
        "--train-limit", "320", "--test-limit", "100", "--epochs", "16", "--output", folder.path,
      ])
      #expect(run.status == 0, "\(run.errors)")
      let expected = try #require(try result(folder)["no_defense"] as? [String: Any])
      func evaluate(_ more: [String]) throws -> [String: Any] {
        let outcome = try meca(
          [
            "evaluate", "--weights", folder.path + "/model.safetensors", "--train-limit", "32",
            "--test-limit", "100", "--json",
          ] + more, timeout: soon)
        #expect(outcome.status == 0, "\(outcome.errors)")
        return try json(outcome.output)
      }
      let own = try evaluate([])
      for key in ["acc", "asr", "asr_samples"] {
        #expect(own[key] as? Double == expected[key] as? Double, "\(key)")
      }
      let success = try #require(own["asr"] as? Double)
      #expect(success > 0.7, "the attack must have worked: it is 1 with either kernels")
      let other = try evaluate(["--attack-seed", "1"])
      #expect(try #require(other["asr"] as? Double) < success - 0.2)
      #expect(other["acc"] as? Double == own["acc"] as? Double)
    }

    @Test func scoresAreTheSameOnAnyRanks() throws {
      let run = try referenceRun.get()
      let folder = try TestFolder()
      var digests: [String] = []
      for (number, (ranks, threads)) in [(0, 1), (2, 1), (3, 1), (2, 2)].enumerated() {
        let outcome = try meca(
          ranks: ranks,
          [
            "score", "--weights", run.path + "/model.safetensors", "--train-limit", "150",
            "--threads", "\(threads)", "--output", folder.path + "/\(number).npy",
          ], timeout: soon)
        #expect(outcome.status == 0, "\(outcome.errors)")
        let line = outcome.output.split(separator: "\n").first { $0.hasPrefix("scores_sha256 ") }
        digests.append(String(try #require(line)))
        #expect(try folder.bytes("\(number).npy") == folder.bytes("0.npy"))
      }
      #expect(Set(digests).count == 1)
      #expect(try folder.bytes("0.npy").count == 128 + 150 * 3 * 4)
    }

    @Test func aModelThatDoesNotFitIsSaid() throws {
      let run = try referenceRun.get()
      let folder = try TestFolder()
      let model = try run.bytes("model.safetensors")
      let cut = try folder.write("cut.safetensors", model.dropLast(7))
      let set = try BadInputTests.cifarFolder(train: Data(repeating: 0, count: 3074))
      for (arguments, status, part) in [
        (["--weights", "/no/model"], 65 as Int32, "/no/model: not found"),
        (["--weights", cut], 65, "cut.safetensors"),
        (["--weights", cut, "--poison-rate", "7"], 65, "cut.safetensors"),
        (["--weights", run.path + "/model.safetensors", "--target", "11"], 64, "--target 11"),
        (
          [
            "--weights", run.path + "/model.safetensors", "--dataset", "cifar100", "--data",
            set.path + "/set",
          ], 64, "was trained on shapes, --dataset says cifar100"
        ),
        ([], 64, "--weights"),
      ] {
        for command in ["evaluate", "score"] {
          try expectRefusal(
            of: [command] + arguments, status: status, [part],
            ranks: command == "evaluate" && part.hasSuffix("not found") ? [2] : [], fullRanks: [2])
        }
      }
    }

    @Test(arguments: runsFull ? [0, 2] : [2])
    func theBenchmarkPrintsOneLine(ranks: Int) throws {
      let outcome = try meca(
        ranks: ranks,
        ["bench", "--samples", "64", "--repeats", "1", "--width", "8", "--json"], timeout: 60)
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(outcome.output.split(separator: "\n").count == 1)
      let figures = try json(outcome.output)
      for key in [
        "train", "eval", "score", "rss_mb", "load", "load_crop_flip", "load_physical",
      ] {
        #expect(try #require(figures[key] as? Double) > 0, "\(key)")
      }
      #expect(
        figures["model"] as? String == "resnet18" && figures["precision"] as? String == "fp32")
      #expect(figures["width"] as? Int == 8 && figures["ranks"] as? Int == max(1, ranks))
      #expect(figures["batch"] as? Int == 64 && figures["engine"] is String)
      #expect(figures["stem"] as? String == "small")
    }

    /// Every other option of the benchmark at once, on an image smaller than the usual square.
    @Test func theBenchmarkTakesOtherSizes() throws {
      let outcome = try meca(
        ranks: 3,
        [
          "bench", "--dataset", "random", "--image-size", "1", "--class-count", "3", "--samples",
          "1",
          "--repeats", "1",
          "--width", "8", "--modes", "eval,score", "--precision", "bf16", "--engine", "openblas",
          "--stem", "imagenet", "--layers", "--json",
        ], timeout: 60)
      #expect(outcome.status == 0, "\(outcome.errors)")
      let figures = try json(outcome.output)
      #expect(figures["train"] == nil && figures["eval"] is Double && figures["score"] is Double)
      #expect(figures["precision"] as? String == "bf16")
      #expect(figures["stem"] as? String == "imagenet")
      let reductions = try #require(figures["reductions"] as? [[String: Any]])
      #expect(reductions.count == 4 && reductions.allSatisfy { $0["ordered_ms"] is Double })
      let tables = try #require(figures["layers"] as? [[String: Any]])
      #expect(tables.map { ($0["rows"] as? [Any])?.count } == [20, 20])
    }

    @Test(arguments: [
      (["--samples", "5000000000"], "--samples 5000000000: must be"),
      (["--dataset", "random", "--image-size", "0"], "--image-size 0: must be a whole number"),
      (["--modes", "train,x"], "'train,x'"),
      (["--dataset", "random", "--class-count", "0"], "--class-count 0: must be"),
      (["--data", "/tmp"], "--data /tmp: shapes is built in"),
      (["--train-limit", "5"], "bench takes --samples"),
      (["--image-size", "8", "--dataset", "shapes"], "--image-size: is a setting of"),
    ])
    func theBenchmarkRefusesWhatItCannotMeasure(arguments: [String], part: String) throws {
      try expectRefusal(
        of: ["bench", "--width", "8"] + arguments, status: 64, [part],
        ranks: arguments.contains("--class-count") ? [3] : [], fullRanks: [3])
    }
  }
}

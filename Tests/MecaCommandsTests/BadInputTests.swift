import Foundation
import MecaTensor
import MecaTestSupport
import Testing

extension ProgramTests {
  /// Whatever is wrong: one clear line, the agreed exit status, soon, and no half result.
  @Suite struct BadInputTests {
    /// Records of CIFAR-10 with the given labels, all black.
    static func cifar(_ labels: [UInt8]) -> Data {
      Data(labels.flatMap { [$0] + [UInt8](repeating: 0, count: 3072) })
    }

    /// A folder with a small CIFAR-10 set in `set`.
    static func cifarFolder(
      train: Data = cifar([1, 2, 3, 4]), test: Data = cifar([1, 2])
    ) throws -> TestFolder {
      let folder = try TestFolder()
      try folder.write("set/data_batch_1.bin", train)
      try folder.write("set/test_batch.bin", test)
      return folder
    }

    /// Expects `arguments` to fail with `status` and one line that has `parts` in it.
    static func expectFailure(
      _ arguments: [String], status: Int32, _ parts: [String], ranks: [Int] = [0, 3],
      in folder: TestFolder? = nil, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
      let folder = try folder ?? TestFolder()
      for ranks in ranks {
        let outcome = try meca(
          ranks: ranks, ["--output", folder.path + "/run"] + arguments, timeout: soon)
        expectOneLine(outcome, status: status, parts, sourceLocation: sourceLocation)
      }
      #expect(!folder.has("run/result.json"), sourceLocation: sourceLocation)
    }

    static func expectOneLine(
      _ outcome: ProgramOutcome, status: Int32, _ parts: [String],
      sourceLocation: SourceLocation = #_sourceLocation
    ) {
      #expect(!outcome.timedOut, sourceLocation: sourceLocation)
      #expect(outcome.status == status, "\(outcome.errors)", sourceLocation: sourceLocation)
      #expect(
        outcome.ownErrorLines.count == 1, "\(outcome.errors)", sourceLocation: sourceLocation)
      let line = outcome.ownErrorLines.first ?? ""
      #expect(line.utf8.count < 400, "\(line)", sourceLocation: sourceLocation)
      for part in parts {
        #expect(line.contains(part), "\(line)", sourceLocation: sourceLocation)
      }
    }

    @Test(arguments: [
      (["--epoch", "3"], ["'--epoch'", "Did you mean '--epochs'?"]),
      (["--width", "abc"], ["'abc'", "--width"]),
      (["--shards", "2"], ["3 ranks x 1 threads", "--shards is 2"]),
      (["--shards", "3"], ["--shards 3", "even"]),
      (["--batch", "63"], ["--batch 63", "a multiple of --shards (8)"]),
      (["--batch", "8000000000"], ["--batch 8000000000", "GB", "lower --batch"]),
      (["--threads", "4"], ["3 ranks x 4 threads", "--shards is 8"]),
      (["--threads", "9000000000000000000"], ["--shards is 8"]),
      (["--shards", "1000000", "--batch", "2000000"], ["--shards 1000000", "4096 at most"]),
      (["--width", "600"], ["--width 600", "512 at most"]),
      (["--stem", "large"], ["'large'", "--stem"]),
      (
        ["--model", "mobilenetv2", "--tensor-names", "cifar"],
        ["--tensor-names cifar", "torchvision for --model mobilenetv2"]
      ),
      (["--patch-size", "33"], ["--patch-size 33", "32 at most"]),
      (["--defense", "none", "--no-undefended"], ["nothing to do"]),
      (["--config", "a.yaml", "--config=b.yaml"], ["b.yaml", "another before it"]),
      (["--poison-rate", "-1"], ["--poison-rate -1", "0 to 1"]),
      (["--poison-rate", "2"], ["--poison-rate 2", "0 to 1"]),
      (["--poison-rate", "nan"], ["--poison-rate nan", "0 to 1"]),
      (["--target", "10"], ["--target 10", "0 to 9"]),
      (["--target", "-1"], ["--target -1", "0 to 9"]),
      (["--attack", "none", "--oracle"], ["--oracle", "add --attack"]),
      (["--attack", "none", "--trigger-size", "3"], ["--trigger-size is for --attack badnets"]),
      (["--warp-grid", "5"], ["--warp-grid is for --attack wanet, not for badnets"]),
      (["--blend-alpha", "0.1", "--attack", "sig"], ["--blend-alpha is for", "not for sig"]),
      (["--sig-amplitude", "9", "--attack", "blend"], ["--sig-amplitude is for --attack sig"]),
      (["--cover-rate", "0.1"], ["--cover-rate is for --attack wanet, tact, adaptive-blend"]),
      (
        ["--attack", "adaptive-patch", "--patch-set", "toolbox", "--trigger-size", "9"],
        ["--trigger-size is not for --attack adaptive-patch with --patch-set toolbox"]
      ),
      (["--attack", "tact", "--source", "1"], ["--source 1", "another class than --target (1)"]),
      (["--attack", "tact", "--cover-classes", "2,0"], ["--cover-classes 0,2", "other classes"]),
      (["--attack", "tact", "--cover-classes", "2,x"], ["--cover-classes", "2,x"]),
      (["--attack", "wanet", "--warp-strength", "nan"], ["--warp-strength nan", "0 to 1000"]),
      (["--attack", "adaptive-blend", "--pieces", "15"], ["--pieces 15", "square number"]),
      (["--attack", "wanet", "--cover-rate", "-0.1"], ["--cover-rate -0.1", "0 to 1"]),
      (["--data", "/tmp"], ["--data /tmp", "--dataset cifar10"]),
      (["--dataset", "cifar10"], ["--dataset cifar10 needs --data"]),
      (
        ["--dataset", "cifar10", "--data", "/tmp", "--poison-rate", "0.1"],
        ["--poison-rate 0.1", "add --attack"]
      ),
      (
        ["--dataset", "cifar10", "--data", "/tmp", "--data-seed", "3"],
        ["--data-seed 3", "shapes and folder"]
      ),
      (["--train-limit", "9000000000"], ["--train-limit 9000000000", "1000000"]),
      (["--output", ""], ["--output", "folder"]),
      (["--config", "/no/such.yaml"], ["/no/such.yaml", "not found"]),
    ])
    func misuseIsSaid(arguments: [String], parts: [String]) throws {
      try Self.expectFailure(tinyTraining + arguments, status: 64, parts, ranks: [3])
    }

    @Test(arguments: [
      ("epoch: 3", ["unknown key epoch", "did you mean epochs?"]),
      ("no-oracle: true", ["unknown key no-oracle", "oracle"]),
      ("width: abc", ["'abc'", "--width"]), ("poison-rate: -1", ["--poison-rate -1"]),
      ("quiet: perhaps", ["quiet", "true or false"]), ("width:", ["width", "no value"]),
      ("width: {a: 1}", ["width", "a value or a list"]), ("- width", ["option: value"]),
      ("width: [4", ["not YAML"]),
    ])
    func aWrongConfigurationFileIsSaid(yaml: String, parts: [String]) throws {
      let folder = try TestFolder()
      let path = try folder.write("own.yaml", Data(yaml.utf8))
      try Self.expectFailure(
        ["--config", path] + ["--epochs", "1"], status: 64, parts,
        ranks: [2], in: folder)
    }

    @Test func damagedDataIsSaid() throws {
      let set = { (folder: TestFolder) in
        ["--dataset", "cifar10", "--data", folder.path + "/set", "--width", "4"]
      }
      let missing = try TestFolder()
      try Self.expectFailure(set(missing), status: 65, ["/set: not found"], in: missing)
      let cut = try Self.cifarFolder(train: Self.cifar([1, 2]).dropLast(5))
      try Self.expectFailure(
        set(cut), status: 65, ["data_batch_1.bin", "6141 bytes", "cut off"], in: cut)
      let wrong = try Self.cifarFolder(test: Self.cifar([1, 10]))
      try Self.expectFailure(
        set(wrong), status: 65, ["test_batch.bin", "record 1 has label 10"], in: wrong)
      let small = try Self.cifarFolder()
      try Self.expectFailure(
        set(small) + ["--warmup-epochs", "1", "--no-undefended"], status: 65,
        ["warm-up", "no training samples are left"], in: small)
    }

    @Test func aFolderThatCannotBeWrittenIsSaid() throws {
      let folder = try TestFolder()
      let file = try folder.write("file", Data())
      for (path, named, reason) in [
        (file + "/run", file, "Not a directory"), (file, file, "Not a directory"),
        ("/proc/run", "/proc/run", "No such file"),
      ] {
        try Self.expectFailure(
          tinyRun + ["--output", path], status: 74, [named, "--output", reason], in: folder)
      }
    }

    @Test func aFullDiskUnderTheMetricsCostsThemAlone() throws {
      let folder = try TestFolder()
      try FileManager.default.createSymbolicLink(
        atPath: folder.path + "/metrics.jsonl", withDestinationPath: "/dev/full")
      let outcome = try meca(tinyRun + ["--output", folder.path])
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(
        outcome.errors.split(separator: "\n").filter { $0.contains("No space left") }.count == 1)
      #expect(try RunBits(folder) == RunBits(try referenceRun.get()))
    }

    @Test func aFullDiskUnderTheModelIsAnError() throws {
      let folder = try TestFolder()
      // Blocks of 1 KiB: room for everything but a checkpoint or model of 6 MB.
      let outcome = try runProgram(
        [
          "bash", "-c", "ulimit -f 5000; exec \"$@\"", "bash", try program(), "--width", "24",
          "--defense", "none", "--no-oracle", "--train-limit", "32", "--test-limit", "32",
          "--epochs", "1", "--output", folder.path,
        ], environment: rootMayRunMPI, timeout: 60)
      Self.expectOneLine(outcome, status: 74, ["model.safetensors", "File too large"])
      #expect(outcome.errors.contains("could not be resumed after phase undefended"))
      let files = try FileManager.default.subpathsOfDirectory(atPath: folder.path)
      #expect(files.sorted() == [".lock", "checkpoints", "metrics.jsonl", "run.json"])
    }

    /// A new run into the folder of an old one: if it fails, the old result is not its own.
    @Test func aFailedRunLeavesNoOldResult() throws {
      let folder = try TestFolder()
      for file in ["result.json", "model.safetensors"] { try folder.write("run/" + file, Data()) }
      try Self.expectFailure(
        tinyRun + ["--learning-rate", "1e30"], status: 65, ["undefended", "not numbers"],
        ranks: [3], in: folder)
      #expect(!folder.has("run/model.safetensors"))
    }

    /// Before the model is even looked for.
    @Test(arguments: [0, 2]) func whereScoresCannotGoIsSaidFirst(ranks: Int) throws {
      let folder = try TestFolder()
      for output in [folder.path + "/none/scores.npy", folder.path] {
        let outcome = try meca(
          ranks: ranks, ["score", "--weights", "missing.safetensors", "--output", output],
          timeout: soon)
        Self.expectOneLine(outcome, status: 74, [output])
      }
    }

    /// A start that is refused costs nothing of the run before it.
    @Test func aRefusedStartLeavesTheOldResult() throws {
      let run = try referenceRun.get()
      let folder = try TestFolder()
      try FileManager.default.copyItem(atPath: run.path, toPath: folder.path + "/run")
      let log = try folder.bytes("run/metrics.jsonl")
      for arguments in [
        ["--batch", "8000000000"], ["--shards", "3", "--resume", "never"],
        ["--dataset", "cifar10", "--data", "/no/such", "--resume", "never"],
        ["--patch-size", "33", "--resume", "never"], ["--seed", "7", "--resume", "must"],
      ] {
        let outcome = try meca(
          tinyRun + ["--output", folder.path + "/run"] + arguments, timeout: soon)
        #expect(outcome.status == 64 || outcome.status == 65, "\(outcome.errors)")
        for file in ["result.json", "model.safetensors", "suspects.csv", "scores.npy"] {
          #expect(try folder.bytes("run/" + file) == run.bytes(file), "\(arguments)")
        }
        #expect(try folder.bytes("run/metrics.jsonl") == log)
      }
    }

    @Test func aSecondRunIntoTheSameFolderIsRefused() throws {
      let folder = try TestFolder()
      let first = try RunningProgram(
        [try program()] + tinyRun + ["--epochs", "4000", "--output", folder.path],
        environment: rootMayRunMPI)
      let start = ContinuousClock.now
      while !folder.has("run.json"), ContinuousClock.now - start < .seconds(30) { usleep(2000) }
      let second = try meca(tinyRun + ["--output", folder.path], timeout: soon)
      Self.expectOneLine(second, status: 64, [folder.path, "another run is writing there"])
      kill(first.process, SIGKILL)
      _ = first.outcome(timeout: soon)
    }

    @Test func outputThatFindsNoRoomIsSaid() throws {
      let model = try referenceRun.get().path + "/model.safetensors"
      let outcome = try runProgram(
        [
          "bash", "-c", "exec \"$@\" > /dev/full", "bash", try program(), "evaluate", "--weights",
          model, "--test-limit", "32", "--train-limit", "32", "--json",
        ], environment: rootMayRunMPI, timeout: soon)
      Self.expectOneLine(outcome, status: 74, ["standard output", "No space left"])
    }

    /// oneDNN is told not to use what this processor may have.
    @Test(.enabled(if: EngineKind.available.contains(.onednn)))
    func bfloat16WithoutInstructionsIsRefused() throws {
      let folder = try TestFolder()
      let outcome = try runProgram(
        [
          "mpirun", "--oversubscribe", "-n", "2", "-x", "ONEDNN_MAX_CPU_ISA=AVX2",
          try program(), "--precision", "bf16", "--output", folder.path + "/run",
        ], environment: rootMayRunMPI, timeout: soon)
      Self.expectOneLine(
        outcome, status: 64, ["--precision bf16", "this processor", "--precision fp32"])
      #expect(!folder.has("run/checkpoints"))
    }

    @Test func ranksOfDifferentBuildsAreSaid() throws {
      let folder = try TestFolder()
      var changed = try Data(contentsOf: URL(fileURLWithPath: try program()))
      changed.append(0)
      let other = try folder.write("meca-dist", changed)
      try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: other)
      let outcome = try runProgram(
        [
          "mpirun", "--oversubscribe", "-n", "1", try program(), "--dry-run", ":", "-n", "1", other,
          "--dry-run",
        ], environment: rootMayRunMPI, timeout: soon)
      Self.expectOneLine(outcome, status: 64, ["rank 1 runs another build"])
    }

    @Test func ranksWithDifferentDataAreSaid() throws {
      let here = try Self.cifarFolder()
      let elsewhere = try Self.cifarFolder(train: Self.cifar([1, 2, 3, 5]))
      let own =
        [try program(), "--dataset", "cifar10", "--data", "set", "--output", here.path + "/run"]
      let outcome = try runProgram(
        ["mpirun", "--oversubscribe", "-n", "1", "-wdir", here.path] + own
          + [":", "-n", "1", "-wdir", elsewhere.path] + own, environment: rootMayRunMPI,
        timeout: soon)
      Self.expectOneLine(outcome, status: 65, ["set: rank 1 finds other images or labels"])
    }

    @Test func whatIsWrongOnAllRanksNamesNone() throws {
      let outcome = try meca(ranks: 3, ["--shards", "2"], timeout: soon)
      Self.expectOneLine(outcome, status: 64, ["--shards is 2"])
      #expect(!outcome.errors.contains("rank 0 of 3"))
    }

    @Test func ranksWithDifferentArgumentsAreSaid() throws {
      let folder = try TestFolder()
      let own = [try program(), "--output", folder.path] + tinyRun
      let outcome = try runProgram(
        ["mpirun", "--oversubscribe", "-n", "1"] + own + [":", "-n", "1"] + own + ["--seed", "2"],
        environment: rootMayRunMPI, timeout: soon)
      Self.expectOneLine(
        outcome, status: 64,
        ["rank 1 was started with other arguments", "\"--seed 2\" in place of nothing"])
    }

    @Test func anErrorOfOneRankEndsAll() throws {
      let here = try Self.cifarFolder()
      let elsewhere = try TestFolder()
      let own =
        [try program(), "--dataset", "cifar10", "--data", "set", "--output", here.path + "/run"]
      for (first, second, failing) in [
        (here.path, elsewhere.path, 2), (elsewhere.path, here.path, 0),
      ] {
        let outcome = try runProgram(
          ["mpirun", "--oversubscribe", "-n", "2", "-wdir", first] + own
            + [":", "-n", "1", "-wdir", second] + own, environment: rootMayRunMPI, timeout: soon)
        Self.expectOneLine(outcome, status: 65, ["rank \(failing) of 3 on ", "set: not found"])
      }
    }

    @Test(arguments: [
      (["--poison-rate", "0", "--trigger-size", "14"], 0, true),
      (["--attack", "none", "--poison-rate", "0.3"], nil, false),
      (["--attack", "sig", "--poison-rate", "0.5"], 15, true),
    ])
    func unusualAttacksWork(arguments: [String], poisoned: Int?, oracle: Bool) throws {
      let folder = try TestFolder()
      let outcome = try meca(ranks: 2, tinyTraining + arguments + ["--output", folder.path])
      #expect(outcome.status == 0, "\(outcome.errors)")
      let result = try result(folder)
      let detection = try #require(result["detection"] as? [String: Any])
      #expect(detection["poisoned"] as? Int == poisoned)
      #expect((detection["tpr"] != nil) == ((poisoned ?? 0) > 0))
      #expect((result["oracle"] != nil) == oracle)
      let head = String(decoding: try folder.bytes("suspects.csv").prefix(80), as: UTF8.self)
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
        Self.expectOneLine(outcome, status: 65, ["no training samples are left"])
      }
    }
  }
}

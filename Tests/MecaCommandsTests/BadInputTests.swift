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

    @Test(arguments: [
      (["--epoch", "3"], ["--epoch: no such option", "did you mean --epochs?"]),
      (["--defense", "none"], ["--proposers: is a setting of meca"]),
      (["--width", "abc"], ["'abc'", "--width"]),
      (["--deadline", "soon"], ["--deadline soon", "a span such as 3h30m"]),
      (["--deadline", "2026-02-30T10:00:00"], ["--deadline 2026-02-30", "a span such as"]),
      (["--deadline", "0s"], ["--deadline 0s", "further away than --deadline-margin"]),
      (
        ["--deadline", "5m", "--deadline-margin", "6"], ["further away than --deadline-margin (6.0"]
      ),
      (["--deadline-margin", "-1"], ["--deadline-margin -1", "0 or more minutes"]),
      (["--shards", "3"], ["--shards 3", "even"]),
      (["--batch", "63"], ["--batch 63", "a multiple of --shards (8)"]),
      (["--batch", "8000000000"], ["--batch 8000000000", "GB", "lower --batch"]),
      (["--threads", "9000000000000000000"], ["--shards is 8"]),
      (["--shards", "1000000", "--batch", "2000000"], ["--shards 1000000", "4096 at most"]),
      (["--width", "600"], ["--width 600", "512 at most"]),
      (["--stem", "large"], ["'large'", "--stem"]),
      (
        ["--model", "mobilenetv2", "--tensor-names", "cifar"],
        ["--tensor-names cifar", "torchvision for --model mobilenetv2"]
      ),
      (["--patch-size", "33"], ["--patch-size 33", "32 at most"]),
      (["--config", "a.yaml", "--config=b.yaml"], ["b.yaml", "another before it"]),
      (["--poison-rate", "-1"], ["--poison-rate -1", "0 to 1"]),
      (["--poison-rate", "2"], ["--poison-rate 2", "0 to 1"]),
      (["--poison-rate", "nan"], ["--poison-rate nan", "0 to 1"]),
      (["--target", "10"], ["--target 10", "0 to 9"]),
      (["--target", "-1"], ["--target -1", "0 to 9"]),
      (["--attack", "none", "--oracle"], ["--oracle", "add --attack"]),
      (
        ["--attack", "none", "--trigger-size", "3"],
        ["--trigger-size: is a setting of badnets, physical", "the attack is none"]
      ),
      (["--warp-grid", "5"], ["--warp-grid: is a setting of wanet, and the attack is badnets"]),
      (
        ["--blend-alpha", "0.1", "--attack", "sig"],
        ["--blend-alpha: is a setting of", "the attack is sig"]
      ),
      (["--sig-amplitude", "9", "--attack", "blend"], ["--sig-amplitude: is a setting of sig"]),
      (["--cover-rate", "0.1"], ["--cover-rate: is a setting of wanet, tact, adaptive-blend"]),
      (
        ["--attack", "adaptive-patch", "--patch-set", "toolbox", "--trigger-size", "9"],
        ["--trigger-size 9: must be left out", "the toolbox's patches"]
      ),
      (
        ["--attack", "tact", "--source", "1"], ["--source 1", "another class than the target (1)"]
      ),
      (["--attack", "tact", "--cover-classes", "2,0"], ["--cover-classes 0,2", "other classes"]),
      (
        ["--attack", "tact", "--cover-classes", "2,x"],
        ["--cover-classes x: must be a class", "3 flower"]
      ),
      (["--attack", "wanet", "--warp-strength", "nan"], ["--warp-strength nan", "0 to 1000"]),
      (["--attack", "adaptive-blend", "--pieces", "15"], ["--pieces 15", "square number"]),
      (["--attack", "wanet", "--cover-rate", "-0.1"], ["--cover-rate -0.1", "0 to 1"]),
      (["--data", "/tmp"], ["--data /tmp", "--dataset cifar10"]),
      (["--dataset", "cifar10"], ["--data is needed: for --dataset cifar10, name the folder"]),
      (
        ["--dataset", "cifar10", "--data", "/tmp", "--poison-rate", "0.1"],
        ["--poison-rate 0.1", "add --attack"]
      ),
      (
        ["--dataset", "cifar10", "--data", "/tmp", "--data-seed", "3"],
        ["--data-seed: is a setting of shapes, folder, random"]
      ),
      (["--train-limit", "9000000000"], ["--train-limit 9000000000", "1000000"]),
      (["--output", ""], ["--output", "folder"]),
      (["--config", "/no/such.yaml"], ["/no/such.yaml", "not found"]),
    ])
    func misuseIsSaid(arguments: [String], parts: [String]) throws {
      try expectFailure(tinyTraining + arguments, status: 64, parts, fullRanks: [3])
    }

    /// One of what the parser refuses, of what the resolved settings refuse, and of what depends on
    /// the ranks: as a process of each rank.
    @Test(arguments: [
      (["--epoch", "3"], ["--epoch: no such option", "did you mean --epochs?"]),
      (["--poison-rate", "2"], ["--poison-rate 2", "0 to 1"]),
      (["--threads", "4"], ["3 ranks x 4 threads", "--shards is 8"]),
    ])
    func misuseIsSaidOnceByAllRanks(arguments: [String], parts: [String]) throws {
      let folder = try TestFolder()
      let outcome = try meca(
        ranks: 3, ["--output", folder.path + "/run"] + arguments, timeout: soon)
      expectOneLine(outcome, status: 64, parts)
      #expect(!outcome.errors.contains("rank 0 of 3") && !folder.has("run"))
    }

    @Test(arguments: [
      ("epoch: 3", ["unknown key epoch", "did you mean epochs?"]),
      ("no-oracle: true", ["unknown key no-oracle", "oracle"]),
      ("width: abc", ["own.yaml: ", "'abc'", "--width"]),
      ("poison-rate: -1", ["own.yaml: poison-rate: -1"]),
      ("quiet: perhaps", ["quiet", "true or false"]), ("width:", ["width", "no value"]),
      ("width: {a: 1}", ["width", "a value or a list"]), ("- width", ["option: value"]),
      ("width: [4", ["not YAML"]),
    ])
    func aWrongConfigurationFileIsSaid(yaml: String, parts: [String]) throws {
      let folder = try TestFolder()
      let path = try folder.write("own.yaml", Data(yaml.utf8))
      try expectFailure(
        ["--config", path] + ["--epochs", "1"], status: 64, parts, fullRanks: [2], in: folder)
    }

    @Test func damagedDataIsSaid() throws {
      let set = { (folder: TestFolder) in
        ["--dataset", "cifar10", "--data", folder.path + "/set", "--width", "4"]
      }
      let missing = try TestFolder()
      try expectFailure(set(missing), status: 65, ["/set: not found"], in: missing)
      let cut = try Self.cifarFolder(train: Self.cifar([1, 2]).dropLast(5))
      try expectFailure(
        set(cut), status: 65, ["data_batch_1.bin", "6141 bytes", "cut off"], ranks: [3], in: cut)
      let wrong = try Self.cifarFolder(test: Self.cifar([1, 10]))
      try expectFailure(
        set(wrong), status: 65, ["test_batch.bin", "record 1 has label 10"], in: wrong)
      let small = try Self.cifarFolder()
      try expectFailure(
        set(small) + ["--warmup-epochs", "1", "--no-undefended"], status: 65,
        ["warm-up", "no training samples are left"], in: small)
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
      expectOneLine(
        outcome, status: 64, ["--precision bf16", "this processor", "--precision fp32"])
      #expect(!folder.has("run/checkpoints"))
    }
  }
}

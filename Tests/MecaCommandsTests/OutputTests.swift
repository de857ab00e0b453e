import Foundation
import MecaTestSupport
import Testing

extension ProgramTests {
  /// Where results cannot go, and whose results they then are.
  @Suite struct OutputTests {
    @Test func aFolderThatCannotBeWrittenIsSaid() throws {
      let folder = try TestFolder()
      let file = try folder.write("file", Data())
      for (path, named, reason) in [
        (file + "/run", file, "Not a directory"), (file, file, "Not a directory"),
        ("/proc/run", "/proc/run", "No such file"),
      ] {
        try expectFailure(
          tinyRun + ["--output", path], status: 74, [named, "--output", reason],
          ranks: path == "/proc/run" ? [3] : [], in: folder)
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
      expectOneLine(outcome, status: 74, ["model.safetensors", "File too large"])
      #expect(outcome.errors.contains("could not be resumed after stage undefended"))
      let files = try FileManager.default.subpathsOfDirectory(atPath: folder.path)
      #expect(
        files.sorted() == [
          ".lock", "checkpoints", "confusion.csv", "metrics.jsonl", "report.html", "run.json",
          "samples.csv",
        ])
    }

    /// Results that no run of this program vouches for are not replaced without a word.
    @Test func somebodysOwnFilesAreNotReplaced() throws {
      let folder = try TestFolder()
      for file in ["result.json", "model.safetensors"] { try folder.write("run/" + file, Data()) }
      let run = tinyRun + ["--learning-rate", "1e30", "--output", folder.path + "/run"]
      try expectRefusal(
        of: run, status: 64, ["holds result.json, model.safetensors, but no run.json", "--force"],
        fullRanks: [3])
      #expect(folder.has("run/result.json") && folder.has("run/model.safetensors"))
      // Replaced on purpose: if the run fails, the old result is not its own.
      let outcome = try meca(ranks: 3, run + ["--force"], timeout: soon)
      expectOneLine(outcome, status: 65, ["undefended", "not numbers"])
      #expect(!folder.has("run/result.json") && !folder.has("run/model.safetensors"))
    }

    /// Results of another configuration stay, whole ones and those of a run that was stopped after its
    /// verdict.
    @Test func anotherRunsResultsAreNotReplaced() throws {
      let folder = try TestFolder()
      try FileManager.default.copyItem(
        atPath: referenceRun.get().path, toPath: folder.path + "/run")
      let other = tinyRun + ["--seed", "9", "--output", folder.path + "/run"]
      for gone in ["", "result.json"] {
        if !gone.isEmpty {
          try FileManager.default.removeItem(atPath: folder.path + "/run/" + gone)
        }
        let before = try tree(folder.path + "/run")
        let refused = try meca(ranks: 2, other, timeout: soon)
        expectOneLine(refused, status: 64, ["holds the results of another run", "--force"])
        let after = try tree(folder.path + "/run")
        for file in ["suspects.csv", "scores.npy", "samples.csv", "model.safetensors", "run.json"] {
          #expect(after[file] == before[file] && after[file] != nil, "\(file)")
        }
      }
    }

    /// Before the model is even looked for.
    @Test func whereScoresCannotGoIsSaidFirst() throws {
      let folder = try TestFolder()
      let command = ["score", "--weights", "missing.safetensors", "--output"]
      for (output, ranks) in [(folder.path + "/none/scores.npy", [2]), (folder.path, [])] {
        try expectRefusal(
          of: command + [output], status: 74, [output], ranks: ranks, fullRanks: [0])
      }
    }

    /// A start that is refused costs nothing of the run before it.
    @Test func aRefusedStartLeavesTheOldResult() throws {
      let run = try referenceRun.get()
      let folder = try TestFolder()
      try FileManager.default.copyItem(atPath: run.path, toPath: folder.path + "/run")
      let log = try folder.bytes("run/metrics.jsonl")
      for (arguments, status, part, ranks) in [
        (["--batch", "8000000000"], 64, "--batch 8000000000", []),
        (["--shards", "3", "--resume", "never"], 64, "--shards 3", []),
        (
          [
            "--dataset", "cifar10", "--data", "/no/such", "--attack", "badnets", "--resume",
            "never",
          ],
          65, "/no/such", [2]
        ),
        (["--patch-size", "33", "--resume", "never"], 64, "--patch-size 33", []),
        // Checkpoints belong to a build: only the program itself could take these.
        (["--seed", "7", "--resume", "must"], 64, "holds no checkpoint", [0]),
      ] as [([String], Int32, String, [Int])] {
        try expectRefusal(
          of: tinyRun + ["--output", folder.path + "/run"] + arguments, status: status, [part],
          ranks: ranks, fullRanks: [0])
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
      try expectRefusal(
        of: tinyRun + ["--output", folder.path], status: 64,
        [folder.path, "another run is writing there"])
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
      expectOneLine(outcome, status: 74, ["standard output", "No space left"])
    }
  }
}

import Foundation
import MecaTestSupport
import Testing

extension ProgramTests {
  /// A run that ends before its time costs what came after its last save, nothing else.
  @Suite struct ResumeTests {
    /// What an undisturbed run leaves.
    func reference() throws -> RunBits { try RunBits(try referenceRun.get()) }

    /// A copy of the undisturbed run's checkpoints in a folder of their own.
    func checkpointsAlone() throws -> TestFolder {
      let folder = try TestFolder()
      try FileManager.default.copyItem(
        atPath: try referenceRun.get().path + "/checkpoints", toPath: folder.path + "/checkpoints")
      return folder
    }

    func taken(_ outcome: ProgramOutcome) -> [String] {
      outcome.errors.split(separator: "\n").filter { $0.hasSuffix(": taken from its checkpoint") }
        .map { String($0.prefix { $0 != ":" }) }
    }

    /// Starts a run on 3 ranks and waits until a file is among its checkpoints.
    func start(_ folder: TestFolder, until file: String) throws -> (RunningProgram, [Int32]) {
      let run = try RunningProgram(
        ["mpirun", "--oversubscribe", "-n", "3", try program()] + tinyRun
          + ["--checkpoint-every", "0", "--output", folder.path], environment: rootMayRunMPI)
      let start = ContinuousClock.now
      while !folder.has("checkpoints/" + file),
        ContinuousClock.now - start < .seconds(60)
      {
        usleep(2000)
      }
      return (run, ranks(under: run.process))
    }

    /// Expects that the three ranks end within 20 seconds of `begin`.
    func expectGone(_ ranks: [Int32], since begin: ContinuousClock.Instant) {
      func remaining() -> [Int32] { ranks.filter { kill($0, 0) == 0 } }
      while !remaining().isEmpty, ContinuousClock.now - begin < .seconds(20) { usleep(20_000) }
      #expect(ranks.count == 3 && remaining().isEmpty)
    }

    /// Expects that a resumed run takes finished stages, goes on within the one called `running`, or
    /// takes that too if the ranks had time to finish it, and ends with the bits of an undisturbed one.
    func expectResumed(
      _ folder: TestFolder, taking stages: [String], within running: String
    ) throws {
      #expect(!folder.has("result.json"), "the run was over before it was killed")
      let outcome = try meca(
        ranks: 2, tinyRun + ["--resume", "must", "--output", folder.path])
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(taken(outcome).starts(with: stages))
      #expect(
        outcome.errors.contains("\(running): goes on from the checkpoints within it")
          || taken(outcome).contains(running))
      #expect(try RunBits(folder) == reference())
      let leftovers = try FileManager.default.subpathsOfDirectory(atPath: folder.path)
        .filter { $0.hasSuffix(".tmp") }
      #expect(leftovers.isEmpty)
    }

    /// Killed in the middle of the warm-up.
    @Test func aKilledRankEndsAllAndTheRunCanGoOn() throws {
      let folder = try TestFolder()
      let (run, ranks) = try start(folder, until: "meca.warm-up.running/within-1.safetensors")
      if let last = ranks.last { kill(last, SIGKILL) }
      let begin = ContinuousClock.now
      let outcome = run.outcome(timeout: 90)
      #expect(!outcome.timedOut && outcome.status != 0)
      #expect(outcome.ownErrorLines.count == 1, "\(outcome.errors)")
      #expect(
        outcome.ownErrorLines.first?.contains("has ended unexpectedly in meca/warm-up") == true,
        "\(outcome.errors)")
      expectGone(ranks, since: begin)
      try expectResumed(folder, taking: ["undefended"], within: "meca/warm-up")
    }

    /// Killed between trainings and passes of the enhancement.
    @Test func aKilledLauncherEndsAllAndTheRunCanGoOn() throws {
      let folder = try TestFolder()
      let (run, ranks) = try start(folder, until: "meca.enhance.running/done-0.safetensors")
      kill(run.process, SIGKILL)
      #expect(run.outcome(timeout: 90).status == 128 + SIGKILL)
      expectGone(ranks, since: .now)
      try expectResumed(folder, taking: ["undefended", "meca/warm-up"], within: "meca/enhance")
    }

    @Test func damagedCheckpointsAreSaidAndComputedAgain() throws {
      let folder = try checkpointsAlone()
      let warm = try folder.bytes("checkpoints/meca.warm-up.safetensors")
      try folder.write("checkpoints/meca.warm-up.safetensors", warm.prefix(warm.count / 2))
      var clean = try folder.bytes("checkpoints/meca.clean.safetensors")
      clean[clean.count - 3] ^= 4
      try folder.write("checkpoints/meca.clean.safetensors", clean)
      let outcome = try meca(ranks: 2, tinyRun + ["--output", folder.path])
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(outcome.errors.contains("stage meca/warm-up is computed again"))
      #expect(outcome.errors.contains("its digest does not fit its content; stage meca/clean is"))
      #expect(!taken(outcome).contains("meca/warm-up") && !taken(outcome).contains("meca/clean"))
      #expect(taken(outcome).contains("meca/enhance"))
      #expect(try RunBits(folder) == reference())
      #expect(try folder.bytes("checkpoints/meca.warm-up.safetensors") == warm)
    }

    @Test func aLaterSettingKeepsEarlierStages() throws {
      let folder = try checkpointsAlone()
      let outcome = try meca(tinyRun + ["--relearn-rate", "0.02", "--output", folder.path])
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(taken(outcome).starts(with: ["undefended", "meca/warm-up", "meca/enhance"]))
      #expect(taken(outcome).contains("meca/clean") && taken(outcome).contains("oracle/train"))
      #expect(!taken(outcome).contains("meca/relearn"))
      #expect(try RunBits(folder).weights != reference().weights)
    }

    /// Runs of several defences may share a folder of checkpoints, and then what is the same for all.
    @Test func defencesShareTheUndefendedModel() throws {
      let (first, second) = (try TestFolder(), try TestFolder())
      func run(_ defense: String, _ output: TestFolder) throws -> ProgramOutcome {
        let outcome = try meca(
          tinyModel + [
            "--defense", defense, "--output", output.path, "--checkpoints", first.path + "/shared",
          ])
        #expect(outcome.status == 0, "\(outcome.errors)")
        return outcome
      }
      #expect(taken(try run("none", first)).isEmpty)
      #expect(taken(try run("clp", second)) == ["undefended", "oracle/train"])
    }

    /// A stage's file under another stage's name is not taken.
    @Test func oneStageIsNotTakenForAnother() throws {
      let folder = try checkpointsAlone()
      try folder.write(
        "checkpoints/oracle.train.safetensors",
        try folder.bytes("checkpoints/undefended.safetensors"))
      let outcome = try meca(ranks: 2, tinyRun + ["--output", folder.path])
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(outcome.errors.contains("belongs to stage undefended, not to oracle/train"))
      #expect(!taken(outcome).contains("oracle/train"))
      #expect(try RunBits(folder) == reference())
    }

    @Test func anotherDetectorWidthComputesTheDetectionAnew() throws {
      let folder = try checkpointsAlone()
      let size = try folder.bytes("checkpoints/meca.clean.safetensors").count
      let outcome = try meca(tinyRun + ["--detector-width", "6", "--output", folder.path])
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(taken(outcome) == ["undefended", "oracle/train"])
      #expect(try folder.bytes("checkpoints/meca.clean.safetensors").count == size)
    }

    /// A checkpoint belongs to the images and labels that it was computed from, not to their path.
    @Test func otherDataIsComputedAnewAndMovedDataIsNot() throws {
      let labels = (0..<64).map { UInt8($0 % 10) }
      func arguments(_ set: TestFolder, _ output: TestFolder) -> [String] {
        [
          "--dataset", "cifar10", "--data", set.path + "/set", "--output", output.path, "--width",
          "4", "--epochs", "1", "--defense", "none", "--batch", "32",
        ]
      }
      let output = try TestFolder()
      let first = try BadInputTests.cifarFolder(train: BadInputTests.cifar(labels))
      let moved = try BadInputTests.cifarFolder(train: BadInputTests.cifar(labels))
      let changed = try BadInputTests.cifarFolder(
        train: BadInputTests.cifar(labels.dropLast() + [9]))
      let larger = try BadInputTests.cifarFolder(train: BadInputTests.cifar(labels + labels))
      for (set, isTaken) in [(first, false), (moved, true), (changed, false), (larger, false)] {
        let outcome = try meca(arguments(set, output) + (isTaken ? [] : ["--force"]))
        #expect(outcome.status == 0, "\(outcome.errors)")
        #expect(taken(outcome) == (isTaken ? ["undefended"] : []), "\(outcome.errors)")
      }
    }

    @Test func neverStartsAnewAndThreadsAndOverlapKeepCheckpoints() throws {
      let folder = try checkpointsAlone()
      let anew = try meca(tinyRun + ["--resume", "never", "--output", folder.path])
      #expect(anew.status == 0 && taken(anew).isEmpty, "\(anew.errors)")
      #expect(try RunBits(folder) == reference())
      let again = try meca(
        tinyRun + [
          "--threads", "2", "--overlap", "on", "--resume", "must", "--output", folder.path,
        ])
      #expect(again.status == 0 && taken(again).count >= 6, "\(again.errors)")
      #expect(try RunBits(folder) == reference())
    }

    @Test(arguments: [0, 2])
    func mustWantsSomethingToGoOnFrom(ranks: Int) throws {
      let folder = try TestFolder()
      let outcome = try meca(
        ranks: ranks, tinyRun + ["--resume", "must", "--output", folder.path], timeout: soon)
      #expect(outcome.status == 64 && outcome.ownErrorLines.count == 1, "\(outcome.errors)")
      #expect(
        outcome.ownErrorLines.first?.contains("holds no checkpoint of these settings") == true)
      let other = try checkpointsAlone()
      let seed = try meca(
        tinyRun + ["--resume", "must", "--seed", "9", "--output", other.path], timeout: soon)
      #expect(seed.status == 64, "\(seed.errors)")
      let precision = try meca(
        tinyRun + [
          "--resume", "must", "--engine", "openblas", "--precision", "bf16", "--output", other.path,
        ], timeout: soon)
      #expect(precision.status == 64, "\(precision.errors)")
      for file in try FileManager.default.contentsOfDirectory(atPath: other.path + "/checkpoints")
      where file.hasSuffix(".safetensors") {
        var bytes = try other.bytes("checkpoints/" + file)
        bytes[bytes.count - 1] ^= 1
        try other.write("checkpoints/" + file, bytes)
      }
      let damaged = try meca(
        ranks: ranks, tinyRun + ["--resume", "must", "--output", other.path], timeout: soon)
      expectOneLine(damaged, status: 64, ["no checkpoint is whole", "digest does not fit"])
    }
  }
}

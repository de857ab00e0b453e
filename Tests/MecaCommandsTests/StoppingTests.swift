import Foundation
import MecaTestSupport
import Testing

extension ProgramTests {
  /// A run that is told to end saves, ends with status 75, and goes on from that step.
  @Suite struct StoppingTests {
    /// A training of some seconds.
    static let training = [
      "--defense", "none", "--no-oracle", "--width", "4", "--train-limit", "300", "--test-limit",
      "70", "--batch", "32", "--augment", "none", "--epochs", "90",
    ]
    /// Its weights where nobody disturbs it.
    static let undisturbed = Result {
      let folder = try TestFolder()
      let outcome = try meca(training + ["--output", folder.path])
      guard outcome.status == 0 else { throw LaunchError(description: outcome.errors) }
      return try #require(try result(folder)["weights_sha256"] as? String)
    }

    /// Starts it on 3 ranks and waits until it has trained an epoch more.
    func started(
      _ folder: TestFolder, _ options: [String] = [], environment: [String: String] = [:]
    ) throws -> RunningProgram {
      let before = epochs(in: folder)
      let run = try RunningProgram(
        ["mpirun", "--oversubscribe", "-n", "3", try program()] + Self.training
          + options + ["--output", folder.path],
        environment: rootMayRunMPI.merging(environment) { _, own in own })
      waitForEpoch(in: folder, after: before)
      return run
    }

    /// Who is told: the launcher, which passes it on, or one rank.
    enum Addressee: Sendable { case launcher, rank(Int) }

    @Test func aStoppedRunGoesOnFromThatStep() throws {
      let folder = try TestFolder()
      let signals: [(Int32, String, Addressee)] = [
        (SIGUSR1, "SIGUSR1", .launcher), (SIGUSR2, "SIGUSR2", .launcher),
        (SIGTERM, "SIGTERM", .rank(2)), (SIGINT, "SIGINT", .rank(1)), (SIGHUP, "SIGHUP", .rank(0)),
      ]
      for (number, (signal, name, addressee)) in signals.enumerated() {
        let run = try started(folder)
        switch addressee {
        case .launcher: kill(run.process, signal)
        case .rank(let rank): kill(ranks(under: run.process)[rank], signal)
        }
        let outcome = run.outcome(timeout: 60)
        expectOneLine(
          outcome, status: 75, ["stopped by \(name) in undefended, epoch ", "is saved"])
        #expect(folder.has("requeue") && !folder.has("result.json"))
        if number > 0 {
          #expect(outcome.errors.contains("undefended: goes on in epoch"), "\(outcome.errors)")
        }
      }
      let last = try meca(ranks: 2, Self.training + ["--resume", "must", "--output", folder.path])
      #expect(last.status == 0, "\(last.errors)")
      #expect(!folder.has("requeue"))
      #expect(try result(folder)["weights_sha256"] as? String == Self.undisturbed.get())
    }

    /// The end of the job's time, as an option and as Slurm tells it.
    @Test func aRunEndsBeforeItsDeadline() throws {
      for slurm in [false, true] {
        let folder = try TestFolder()
        let seconds = 6.0
        let start = Date()
        var environment = rootMayRunMPI
        if slurm {
          let end = start.timeIntervalSince1970 + seconds
          environment["SLURM_JOB_END_TIME"] = "\(Int(end))"
        }
        let outcome = try runProgram(
          ["mpirun", "--oversubscribe", "-n", "2", try program()] + Self.training
            + ["--epochs", "4096", "--output", folder.path]
            + (slurm ? [] : ["--deadline", "6s", "--deadline-margin", "0.02"]),
          environment: environment, timeout: 60)
        expectOneLine(outcome, status: 75, ["the deadline is near in undefended, epoch "])
        #expect(folder.has("checkpoints/undefended.running/within-0.safetensors"))
        #expect(folder.has("requeue"))
      }
    }

    /// A whole job that is suspended and continued, as some schedulers do, goes on: nobody was silent
    /// alone.
    @Test func aSuspendedJobIsNotTakenForDead() throws {
      let folder = try TestFolder()
      let run = try started(folder, environment: ["MECA_GIVE_UP_AFTER": "4"])
      let all = ranks(under: run.process)
      #expect(all.count == 3)
      for rank in all { kill(rank, SIGSTOP) }
      sleep(6)
      for rank in all { kill(rank, SIGCONT) }
      let outcome = run.outcome(timeout: 120)
      #expect(outcome.status == 0 && outcome.ownErrorLines.isEmpty, "\(outcome.errors)")
      #expect(try result(folder)["weights_sha256"] as? String == Self.undisturbed.get())
    }

    /// One stopped rank ends the job, and is named with its stage.
    @Test func aStoppedRankEndsTheJob() throws {
      let folder = try TestFolder()
      let run = try started(folder, environment: ["MECA_GIVE_UP_AFTER": "4"])
      kill(try #require(ranks(under: run.process).last), SIGSTOP)
      let outcome = run.outcome(timeout: 60)
      expectOneLine(
        outcome, status: 74, ["rank 2 of 3 on ", "has not answered for", "in undefended"])
    }

    /// Somebody takes the folder away while the run goes on: it is made again.
    @Test func aVanishedFolderCostsNoResult() throws {
      let folder = try TestFolder()
      let run = try started(folder)
      try FileManager.default.removeItem(atPath: folder.path)
      let outcome = run.outcome(timeout: 120)
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(outcome.errors.contains("written at another try"), "\(outcome.errors)")
      #expect(
        folder.has("run.json") && folder.has("samples.csv") && folder.has("model.safetensors"))
      #expect(try result(folder)["weights_sha256"] as? String == Self.undisturbed.get())
    }

    /// The folder takes nothing any more: what was computed is kept elsewhere, and it is said.
    @Test func whatFindsNoPlaceIsKeptElsewhere() throws {
      let (folder, spare) = (try TestFolder(), try TestFolder())
      let run = try started(folder, ["--spare-output", spare.path])
      try FileManager.default.removeItem(atPath: folder.path)
      try Data().write(to: URL(fileURLWithPath: folder.path))
      let outcome = run.outcome(timeout: 120)
      expectOneLine(outcome, status: 74, ["what could not be written there is in \(spare.path)"])
      let names = try FileManager.default.contentsOfDirectory(atPath: spare.path)
      let kept = TestFolder(path: spare.path + "/" + (names.first ?? ""))
      #expect(kept.has("model.safetensors") && kept.has("run.json"))
      #expect(try result(kept)["weights_sha256"] as? String == Self.undisturbed.get())
    }

    /// Who insists ends it at once.
    @Test func aSecondInterruptDoesNotWait() throws {
      let folder = try TestFolder()
      let run = try RunningProgram(
        [try program()] + Self.training + ["--epochs", "4096", "--output", folder.path],
        environment: rootMayRunMPI)
      let start = ContinuousClock.now
      while !folder.has("run.json"), ContinuousClock.now - start < .seconds(60) { usleep(2000) }
      kill(run.process, SIGINT)
      kill(run.process, SIGINT)
      let outcome = run.outcome(timeout: 60)
      // Both may have become one: then it has saved.
      #expect([75, 128 + SIGINT].contains(outcome.status), "\(outcome.errors)")
    }
  }
}

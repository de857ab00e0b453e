import Foundation
import MecaTestSupport
import Testing

extension ProgramTests {
  /// Data that changes while a run reads it: the run ends by the file's name, and keeps nothing that
  /// was computed from it.
  @Suite struct ChangedDataTests {
    /// Starts a long run, changes something when it has begun to learn, and waits for its end.
    private func changed(
      ranks: Int, _ folder: TestFolder, _ arguments: [String], by change: () throws -> Void
    ) throws -> ProgramOutcome {
      let run = try RunningProgram(
        ["mpirun", "--oversubscribe", "-n", "\(ranks)", try program()] + arguments + [
          "--width", "4", "--batch", "16", "--epochs", "4000", "--defense", "none", "--no-oracle",
          "--checkpoint-every", "0.02", "--verbose", "--output", folder.path + "/run",
        ], environment: rootMayRunMPI)
      for _ in 0..<6000 where !run.errorsSoFar.contains("epoch 2/") { usleep(5000) }
      try change()
      return run.outcome(timeout: 60)
    }

    @Test(arguments: [1, 3])
    func aChangedImageEndsTheRun(ranks: Int) throws {
      let folder = try ImageFileTests.images(train: 12, test: 4, size: (8, 8))
      let outcome = try changed(
        ranks: ranks, folder, ["--dataset", "folder", "--data", folder.path + "/set"]
      ) {
        // In one step: a reader must not find it half written.
        let new = try folder.write("new.png", try folder.bytes("set/train/red/4.png"))
        #expect(rename(new, folder.path + "/set/train/red/3.png") == 0)
      }
      expectOneLine(
        outcome, status: 65, ["train/red/3.png", "changed, or went away, while the run used it"])
      #expect(!folder.has("run/result.json") && !folder.has("run/model.safetensors"))
    }

    /// Mapped files that shrink end processes by a signal where nobody takes care of it.
    @Test func aFileThatShrinksIsAnErrorAndNoCrash() throws {
      let folder = try BadInputTests.cifarFolder(
        train: BadInputTests.cifar((0..<200).map { UInt8($0 % 10) }),
        test: BadInputTests.cifar([0, 1, 2]))
      let file = folder.path + "/set/data_batch_1.bin"
      let outcome = try changed(
        ranks: 2, folder,
        ["--dataset", "cifar10", "--data", folder.path + "/set", "--augment", "none"]
      ) {
        #expect(truncate(file, 3073) == 0)
      }
      #expect(outcome.status == 65 && !outcome.timedOut, "\(outcome.errors)")
      let line = outcome.ownErrorLines.first.map(String.init) ?? ""
      #expect(line.contains("data_batch_1.bin"), "\(outcome.errors)")
      #expect(!folder.has("run/result.json"))
    }
  }
}

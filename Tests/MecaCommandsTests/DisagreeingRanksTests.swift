import Foundation
import MecaTestSupport
import Testing

extension ProgramTests {
  /// What is wrong on one rank alone ends all of them with one line that says which.
  @Suite struct DisagreeingRanksTests {
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
      expectOneLine(outcome, status: 64, ["rank 1 runs another build"])
    }

    @Test func ranksWithDifferentDataAreSaid() throws {
      let here = try BadInputTests.cifarFolder()
      let elsewhere = try BadInputTests.cifarFolder(train: BadInputTests.cifar([1, 2, 3, 5]))
      let own =
        [try program(), "--dataset", "cifar10", "--data", "set", "--output", here.path + "/run"]
      let outcome = try runProgram(
        ["mpirun", "--oversubscribe", "-n", "1", "-wdir", here.path] + own
          + [":", "-n", "1", "-wdir", elsewhere.path] + own, environment: rootMayRunMPI,
        timeout: soon)
      expectOneLine(outcome, status: 65, ["set: rank 1 finds other images or labels"])
    }

    @Test func whatIsWrongOnAllRanksNamesNone() throws {
      let outcome = try meca(ranks: 3, ["--shards", "2"], timeout: soon)
      expectOneLine(outcome, status: 64, ["--shards is 2"])
      #expect(!outcome.errors.contains("rank 0 of 3"))
    }

    @Test func ranksWithDifferentArgumentsAreSaid() throws {
      let folder = try TestFolder()
      let own = [try program(), "--output", folder.path] + tinyRun
      let outcome = try runProgram(
        ["mpirun", "--oversubscribe", "-n", "1"] + own + [":", "-n", "1"] + own + ["--seed", "2"],
        environment: rootMayRunMPI, timeout: soon)
      expectOneLine(
        outcome, status: 64,
        ["rank 1 was started with other arguments", "\"--seed 2\" in place of nothing"])
    }

    @Test func anErrorOfOneRankEndsAll() throws {
      let here = try BadInputTests.cifarFolder()
      let elsewhere = try TestFolder()
      let own =
        [try program(), "--dataset", "cifar10", "--data", "set", "--output", here.path + "/run"]
      for (first, second, failing) in [
        (here.path, elsewhere.path, 2), (elsewhere.path, here.path, 0),
      ] {
        let outcome = try runProgram(
          ["mpirun", "--oversubscribe", "-n", "2", "-wdir", first] + own
            + [":", "-n", "1", "-wdir", second] + own, environment: rootMayRunMPI, timeout: soon)
        expectOneLine(outcome, status: 65, ["rank \(failing) of 3 on ", "set: not found"])
      }
    }
  }
}

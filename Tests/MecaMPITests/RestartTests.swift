import MecaTestSupport
import Testing

extension ProbeTests {
  /// A rank that starts itself anew before MPI is initialised is the same rank to the launcher.
  @Suite struct RestartTests {
    @Test(arguments: runsFull ? [1, 2, 8] : [8])
    func restartedRanksFindEachOther(ranks: Int) throws {
      let outcome = try runWithMPI(ranks: ranks, program, ["restarted", "collectives"])
      #expect(outcome.status == 0 && !outcome.timedOut, "\(outcome.errors)")
      #expect(outcome.output == "collectives: ok \(ranks)\n")
    }

    @Test func exitStatusesPassThrough() throws {
      let shared = try runWithMPI(ranks: 2, program, ["restarted", "fail 0 1"])
      #expect(shared.status == 65)
      #expect(shared.ownErrorLines.count == 1, "\(shared.errors)")
      let aborted = try runWithMPI(ranks: 3, program, ["restarted", "abort 2 70"])
      #expect(aborted.status == 70 && !aborted.timedOut)
    }

    @Test func withoutALauncherToo() throws {
      let path = try productsFolder() + "/" + program
      let outcome = try runProgram(
        [path, "restarted", "collectives"], environment: rootMayRunMPI, timeout: 60)
      #expect(outcome.status == 0, "\(outcome.errors)")
    }
  }
}

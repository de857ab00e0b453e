import MecaTestSupport
import Testing

/// A rank that starts itself anew before MPI is initialised is the same rank to the launcher.
@Suite(.serialized) struct RestartTests {
  static let program = "meca-mpi-probe"

  @Test(arguments: [1, 2, 8])
  func restartedRanksFindEachOther(ranks: Int) throws {
    let outcome = try runWithMPI(ranks: ranks, Self.program, ["restarted", "collectives"])
    let plain = try runWithMPI(ranks: ranks, Self.program, ["collectives"])
    #expect(outcome.status == 0 && !outcome.timedOut, "\(outcome.errors)")
    #expect(outcome.output == plain.output)
  }

  @Test func exitStatusesPassThrough() throws {
    let shared = try runWithMPI(ranks: 2, Self.program, ["restarted", "fail", "0", "1"])
    #expect(shared.status == 65)
    #expect(shared.ownErrorLines.count == 1, "\(shared.errors)")
    let aborted = try runWithMPI(ranks: 3, Self.program, ["restarted", "abort", "2", "70"])
    #expect(aborted.status == 70 && !aborted.timedOut)
  }

  @Test func withoutALauncherToo() throws {
    let path = try productsFolder() + "/" + Self.program
    let outcome = try runProgram(
      [path, "restarted", "collectives"], environment: rootMayRunMPI, timeout: 60)
    #expect(outcome.status == 0, "\(outcome.errors)")
  }
}

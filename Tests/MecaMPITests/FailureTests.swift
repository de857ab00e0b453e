import MecaTestSupport
import Testing

/// How a run ends when something goes wrong: one line, the right status, and soon.
@Suite(.serialized) struct FailureTests {
  static let program = "meca-mpi-probe"
  /// Longest time that ending all ranks may take, far above the second or two that it takes.
  static let soon = 20.0

  @Test(arguments: [(1, 0, 0), (3, 1, 2), (5, 0, 4), (2, 1, 1), (5, 0, 3)])
  func aSharedFailureIsReportedOnce(ranks: Int, first: Int, last: Int) throws {
    let outcome = try runWithMPI(
      ranks: ranks, Self.program, ["fail", "\(first)", "\(last)"], timeout: Self.soon)
    #expect(!outcome.timedOut)
    #expect(outcome.status == 65)
    #expect(outcome.ownErrorLines.count == 1, "\(outcome.errors)")
    let line = outcome.ownErrorLines.first ?? ""
    #expect(line.hasSuffix("no disk on rank \(first)"))
    let allFail = last - first + 1 == ranks
    #expect(line.contains("rank \(first) of \(ranks) on ") == !allFail)
  }

  @Test func aLonelyFailureEndsAll() throws {
    let outcome = try runWithMPI(
      ranks: 3, Self.program, ["fail-alone", "1"], timeout: Self.soon)
    #expect(!outcome.timedOut)
    #expect(outcome.status == 65)
    #expect(outcome.ownErrorLines.count == 1, "\(outcome.errors)")
    #expect(outcome.ownErrorLines.first?.contains("rank 1 of 3 on ") == true)
  }

  @Test func abortPassesItsCode() throws {
    let outcome = try runWithMPI(
      ranks: 5, Self.program, ["abort", "3", "70"], timeout: Self.soon)
    #expect(!outcome.timedOut)
    #expect(outcome.status == 70)
  }

  /// The launcher itself: a program that does not end is killed and said to be.
  @Test func aHangIsSeen() throws {
    let outcome = try runProgram(["sleep", "30"], timeout: 0.3)
    #expect(outcome.timedOut && outcome.status == 128 + 9 && outcome.seconds < 10)
    #expect(throws: LaunchError.self) { try runProgram(["/no/such/program"], timeout: 1) }
  }
}

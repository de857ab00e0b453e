import MecaTestSupport
import Testing

extension ProbeTests {
  /// How a run ends when something goes wrong: one line, the right status, and soon.
  @Suite struct FailureTests {
    /// Ranks that fail together in a run of some ranks.
    struct SharedFailure: Sendable, CustomTestStringConvertible {
      var ranks: Int
      var first: Int
      var last: Int
      /// The probe's task that says what every rank is told of it.
      var told: String { "shared \(first) \(last)" }
      var testDescription: String { "ranks \(first) to \(last) of \(ranks)" }

      /// Expects of a line that it says so.
      func expectSaid(by line: String) {
        #expect(line.hasSuffix("no disk on rank \(first)"), "\(line)")
        let allFail = last - first + 1 == ranks
        #expect(line.contains("rank \(first) of \(ranks) on ") == !allFail, "\(line)")
      }
    }

    static let sharedFailures = [(1, 0, 0), (3, 1, 2), (5, 0, 4), (2, 1, 1), (5, 0, 3)].map {
      SharedFailure(ranks: $0.0, first: $0.1, last: $0.2)
    }

    @Test(arguments: sharedFailures) func everyRankIsToldTheSame(failure: SharedFailure) throws {
      let told = try answers(ranks: failure.ranks)[failure.told]
      #expect(told.hasPrefix("status 65, "), "\(told)")
      failure.expectSaid(by: told)
    }

    /// The end of the run itself: where some ranks fail, and where all do.
    @Test(arguments: runsFull ? sharedFailures : Array(sharedFailures[1...2]))
    func aSharedFailureIsReportedOnce(failure: SharedFailure) throws {
      let outcome = try runWithMPI(
        ranks: failure.ranks, program, ["fail \(failure.first) \(failure.last)"], timeout: soon)
      #expect(!outcome.timedOut)
      #expect(outcome.status == 65)
      #expect(outcome.ownErrorLines.count == 1, "\(outcome.errors)")
      failure.expectSaid(by: String(outcome.ownErrorLines.first ?? ""))
    }

    @Test func aLonelyFailureEndsAll() throws {
      let outcome = try runWithMPI(ranks: 3, program, ["fail-alone 1"], timeout: soon)
      #expect(!outcome.timedOut)
      #expect(outcome.status == 65)
      #expect(outcome.ownErrorLines.count == 1, "\(outcome.errors)")
      #expect(outcome.ownErrorLines.first?.contains("rank 1 of 3 on ") == true)
    }

    @Test func abortPassesItsCode() throws {
      let outcome = try runWithMPI(ranks: 5, program, ["abort 3 70"], timeout: soon)
      #expect(!outcome.timedOut)
      #expect(outcome.status == 70)
    }

    /// The probe itself: a task that fails is named, and those behind it are done all the same.
    @Test func aFailedTaskIsNamedAndTheOthersAreDone() throws {
      let answers = ProbeAnswers(
        try runWithMPI(ranks: 2, program, ["fail 0 1", "collectives"], timeout: soon))
      #expect(answers["fail 0 1"] == "failed: no disk on rank 0")
      #expect(answers["collectives"] == "ok 2")
      #expect(answers["sleep"].hasPrefix("no answer, status 65: "))
      #expect(answers.outcome.status == 65)
    }

    /// The launcher itself: a program that does not end is killed and said to be.
    @Test func aHangIsSeen() throws {
      let outcome = try runProgram(["sleep", "30"], timeout: 0.3)
      #expect(outcome.timedOut && outcome.status == 128 + 9 && outcome.seconds < 10)
      #expect(throws: LaunchError.self) { try runProgram(["/no/such/program"], timeout: 1) }
    }
  }
}

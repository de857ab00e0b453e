import MecaTestSupport
import Testing

/// All tests that start `meca-mpi-probe`; one at a time, so that their time limits mean something.
@Suite(.serialized) enum ProbeTests {
  static let program = "meca-mpi-probe"
  /// Longest time that ending all ranks may take, far above the second or two that it takes.
  static let soon = 20.0
  /// Numbers of ranks: powers of two and not, and more than cores.
  static let rankCounts = [1, 2, 3, 5, 8]

  /// What one start on each number of ranks answers to every task that ends well; started once, by
  /// whoever needs an answer first.
  private static let answers: [Int: Result<ProbeAnswers, any Error>] = Dictionary(
    uniqueKeysWithValues: rankCounts.map { ranks in
      let tasks =
        ["collectives", "placements"] + CollectiveTests.tasks(ranks: ranks)
        + FailureTests.sharedFailures.filter { $0.ranks == ranks }.map(\.told)
      return (
        ranks,
        Result { ProbeAnswers(try runWithMPI(ranks: ranks, program, tasks, timeout: 120)) }
      )
    })

  static func answers(ranks: Int) throws -> ProbeAnswers { try answers[ranks]!.get() }
}

/// How a start of the probe ended, and what it said to each task.
struct ProbeAnswers {
  let outcome: ProgramOutcome
  private let lines: [Substring: Substring]

  init(_ outcome: ProgramOutcome) {
    self.outcome = outcome
    lines = Dictionary(
      outcome.output.split(separator: "\n").map { line in
        let task = line.prefix { $0 != ":" }
        return (task, line.dropFirst(task.count + 2))
      }, uniquingKeysWith: { first, _ in first })
  }

  /// The answer to a task, or that there is none.
  subscript(task: String) -> String {
    lines[task[...]].map(String.init)
      ?? "no answer, status \(outcome.status): \(outcome.errors.suffix(400))"
  }
}

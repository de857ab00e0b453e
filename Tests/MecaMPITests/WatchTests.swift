import MecaMPI
import MecaTestSupport
import Testing

/// What rank 0 concludes from signs of life, second by second.
@Suite struct WatchLedgerTests {
  typealias Event = WatchLedger.Event

  /// Tells a ledger a story.
  ///
  /// - Parameters:
  ///   - seconds: the moments at which it is asked.
  ///   - counts: what each rank says at a moment; nil is silence.
  /// - Returns: what it tells, with the moment.
  func told(
    ranks: Int, seconds: any Sequence<Int>, _ counts: (_ rank: Int, _ second: Int) -> UInt64?
  ) -> [(second: Int, event: Event)] {
    var ledger = WatchLedger(size: ranks, limits: .init(), at: 0)
    var events: [(second: Int, event: Event)] = []
    for second in seconds {
      for rank in 0..<ranks {
        if let count = counts(rank, second) { ledger.hear(rank, count: count, at: Double(second)) }
      }
      events += ledger.look(at: Double(second)).map { (second, $0) }
    }
    return events
  }

  /// Ranks that work and wait in turns are no news, however long they work together.
  @Test func aHealthyRunIsNoNews() {
    let events = told(ranks: 3, seconds: 1...400) { rank, second in
      UInt64(second / 100 * 2)  // works 100 seconds, waits for a moment
    }
    #expect(events.isEmpty, "\(events)")
  }

  @Test func theLateRankIsNamedWhileItIsLate() {
    let events = told(ranks: 3, seconds: 1...200) { rank, second in
      second >= 150 ? UInt64(100 + second) : rank == 1 ? 4 : 5
    }
    #expect(events.map(\.second) == [31, 61, 121, 150])
    #expect(
      events.map(\.event) == [
        .late(rank: 1, seconds: 30), .late(rank: 1, seconds: 60), .late(rank: 1, seconds: 120),
        .goesOn(rank: 1, seconds: 120),
      ])
  }

  /// Others wait from second 100 on for one that has worked since the start.
  @Test func lateCountsFromWhenOthersWait() {
    let events = told(ranks: 2, seconds: 1...140) { rank, second in
      rank == 1 ? 0 : second < 100 ? UInt64(second * 2) : 999
    }
    #expect(events.map(\.second) == [130])
    #expect(events.map(\.event) == [.late(rank: 1, seconds: 30)])
  }

  @Test func silenceIsToldAndThenGivenUp() {
    let events = told(ranks: 3, seconds: 1...70) { rank, second in
      rank == 2 && second > 5 ? nil : UInt64(second)
    }
    #expect(events.map(\.second).prefix(2) == [20, 65])
    #expect(
      events.map(\.event).prefix(2) == [
        .silent(rank: 2, seconds: 15), .givenUp(rank: 2, seconds: 60),
      ])
  }

  @Test func whoIsHeardAgainIsNotGivenUp() {
    let events = told(ranks: 2, seconds: 1...200) { rank, second in
      rank == 1 && (6...30).contains(second) ? nil : UInt64(second)
    }
    #expect(events.map(\.event) == [.silent(rank: 1, seconds: 15), .heardAgain(rank: 1)])
  }

  /// The watcher itself was stopped for ten minutes.
  @Test func aSuspendedJobIsNoNews() {
    let seconds = Array(1...20) + Array(620...660)
    let events = told(ranks: 3, seconds: seconds) { _, second in UInt64(second) }
    #expect(events.isEmpty, "\(events)")
  }

  @Test func ranksThatWaitForEachOtherAreTold() {
    let events = told(ranks: 2, seconds: 1...130) { _, _ in 7 }
    #expect(events.map(\.second) == [61, 121])
    #expect(events.map(\.event) == [.allWait(seconds: 60), .allWait(seconds: 120)])
  }

  /// Nothing is expected of ranks that never connected, or have left in order.
  @Test func whoIsNotWatchedIsNoNews() {
    var ledger = WatchLedger(size: 3, limits: .init(), at: 0)
    #expect(ledger.unwatched == [0, 1, 2])
    ledger.hear(1, count: 0, at: 1)
    ledger.leave(1)
    ledger.hear(1, count: 1, at: 2)  // was under way when it left
    #expect((1...200).allSatisfy { ledger.look(at: Double($0)).isEmpty })
    #expect(ledger.unwatched == [0, 1, 2])
  }
}

extension ProbeTests {
  /// The watch over real ranks.
  @Suite struct WatchTests {
    @Test func aLateRankIsNamedAndTheRunGoesOn() throws {
      let outcome = try runWithMPI(
        ranks: 3, program, ["late 1 6", "late 0 2"], environment: ["MECA_LATE_AFTER": "2"],
        timeout: 60)
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(outcome.output.contains("late 1 6: went on"))
      let lines = outcome.errors.split(separator: "\n").filter { $0.hasPrefix("warning: ") }
      #expect(
        lines.first?.hasPrefix("warning: rank 1 of 3 on ") == true
          && lines.first?.contains(" has kept the others waiting for ") == true
          && lines.first?.hasSuffix(" in being late") == true, "\(outcome.errors)")
      #expect(
        lines.contains {
          $0.contains("rank 1 of 3 on ") && $0.contains(" goes on, after more than")
        },
        "\(outcome.errors)")
    }

    @Test func aStoppedRankEndsTheRun() throws {
      let outcome = try runWithMPI(
        ranks: 3, program, ["signal 1 19"], environment: ["MECA_GIVE_UP_AFTER": "5"],
        timeout: 60)
      #expect(!outcome.timedOut)
      #expect(outcome.status == 74, "\(outcome.errors)")
      #expect(outcome.ownErrorLines.count == 1, "\(outcome.errors)")
      #expect(
        outcome.ownErrorLines.first?.contains("rank 1 of 3 on ") == true
          && outcome.ownErrorLines.first?.contains("has not answered for 5 s, in signalling")
            == true
      )
    }

    /// A rank that is stopped before MPI has brought all together: nobody is connected yet.
    @Test(arguments: [0, 1]) func aRankThatHangsAtTheStartEndsTheRun(rank: Int) throws {
      try requireEnd(
        ["stopped", "start", "\(rank)", "placements"], giveUp: "1",
        "MPI has not brought all ranks together")
    }

    /// Nobody takes leave while one has not come to the end.
    @Test(arguments: [0, 1]) func aRankThatHangsAtTheEndEndsTheRun(rank: Int) throws {
      try requireEnd(
        ["stopped", "end", "\(rank)", "placements"], giveUp: "4", "rank \(rank) of 2 on ")
    }

    /// Two ranks that do these tasks must end by themselves, with one line that contains `words`.
    private func requireEnd(_ tasks: [String], giveUp: String, _ words: String) throws {
      let outcome = try runWithMPI(
        ranks: 2, program, tasks, environment: ["MECA_GIVE_UP_AFTER": giveUp], timeout: 60)
      #expect(!outcome.timedOut)
      #expect(outcome.status == 74, "\(outcome.errors)")
      #expect(outcome.ownErrorLines.count == 1, "\(outcome.errors)")
      #expect(outcome.ownErrorLines.first?.contains(words) == true)
    }

    /// Without the watch it would wait for ever.
    @Test func theWatchCanBeLeftOut() throws {
      let outcome = try runWithMPI(
        ranks: 2, program, ["signal 1 19"],
        environment: ["MECA_GIVE_UP_AFTER": "1", "MECA_WATCH": "off"], timeout: 4)
      #expect(outcome.timedOut && outcome.ownErrorLines.isEmpty)
    }
  }
}

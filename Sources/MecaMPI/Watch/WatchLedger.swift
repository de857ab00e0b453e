/// What rank 0 knows of every rank's signs of life, and what follows from them; without clock and
/// network, so that tests can tell it any story.
///
/// A rank gives a sign of life each second with the count of `RankPlace`. One that is not heard of is
/// *silent*, and given up after a while; one that works while others have waited for long is *late*.
/// Where all wait, messages do not get through. Times are seconds on any one clock.
package struct WatchLedger {
  /// Seconds between two looks that are no news; more means that this process was stopped.
  static let longestPause = 3.0

  /// After how many seconds what is told.
  package struct Limits: Equatable, Sendable {
    /// A rank that works while others wait is late.
    package var late: Double
    /// A rank that gives no sign of life is given up.
    package var giveUp: Double
    /// A rank that gives no sign of life is silent.
    package var silent: Double { max(WatchLedger.longestPause, min(late, giveUp) / 2) }

    /// All values.
    package init(late: Double = 30, giveUp: Double = 60) {
      (self.late, self.giveUp) = (late, giveUp)
    }
  }

  /// What there is to tell.
  package enum Event: Equatable, Sendable {
    /// Others have waited for this rank so long.
    case late(rank: Int, seconds: Double)
    /// A rank that was late is so no more.
    case goesOn(rank: Int, seconds: Double)
    /// Nothing was heard of this rank so long.
    case silent(rank: Int, seconds: Double)
    /// A rank that was silent is heard again.
    case heardAgain(rank: Int)
    /// All ranks have waited for each other so long.
    case allWait(seconds: Double)
    /// This rank has been silent for too long: the run must end.
    case givenUp(rank: Int, seconds: Double)
  }

  private struct Rank {
    var isWatched = false
    var hasLeft = false
    var heard = 0.0
    var count: UInt64 = 0
    /// When `count` was heard first.
    var since = 0.0
    var isToldSilent = false
    /// Seconds after which it is told late next; more than the limit if it was told before.
    var nextLate: Double

    var waits: Bool { count % 2 == 1 }
  }

  private let limits: Limits
  private var ranks: [Rank]
  private var lastLook: Double
  private var nextAllWait: Double

  /// No rank is watched yet.
  package init(size: Int, limits: Limits, at now: Double) {
    self.limits = limits
    ranks = [Rank](repeating: Rank(nextLate: limits.late), count: size)
    lastLook = now
    nextAllWait = 2 * limits.late
  }

  /// Ranks that have given no sign of life yet, or have left.
  package var unwatched: [Int] { ranks.indices.filter { !ranks[$0].isWatched } }

  /// A sign of life.
  package mutating func hear(_ rank: Int, count: UInt64, at now: Double) {
    // What was under way when it left says nothing any more.
    guard !ranks[rank].hasLeft else { return }
    if !ranks[rank].isWatched || ranks[rank].count != count {
      ranks[rank].since = now
      ranks[rank].count = count
    }
    ranks[rank].isWatched = true
    ranks[rank].heard = now
  }

  /// A rank has left in order; nothing is expected of it any more.
  package mutating func leave(_ rank: Int) {
    ranks[rank].isWatched = false
    ranks[rank].hasLeft = true
  }

  /// What there is to tell at `now`; to be called about once a second.
  package mutating func look(at now: Double) -> [Event] {
    let gap = now - lastLook
    lastLook = now
    // This process itself was stopped, and the others with it as a rule: that time does not count.
    if gap > Self.longestPause {
      for rank in ranks.indices {
        ranks[rank].heard += gap
        ranks[rank].since += gap
      }
    }
    return signsOfLife(at: now) + turns(at: now)
  }

  private mutating func signsOfLife(at now: Double) -> [Event] {
    var events: [Event] = []
    for rank in ranks.indices where ranks[rank].isWatched {
      let seconds = now - ranks[rank].heard
      if seconds >= limits.giveUp {
        events.append(.givenUp(rank: rank, seconds: seconds))
      } else if seconds >= limits.silent, !ranks[rank].isToldSilent {
        ranks[rank].isToldSilent = true
        events.append(.silent(rank: rank, seconds: seconds))
      } else if seconds < limits.silent, ranks[rank].isToldSilent {
        ranks[rank].isToldSilent = false
        events.append(.heardAgain(rank: rank))
      }
    }
    return events
  }

  private mutating func turns(at now: Double) -> [Event] {
    var events: [Event] = []
    let watched = ranks.indices.filter { ranks[$0].isWatched }
    let longestWait =
      watched.filter { ranks[$0].waits }.map { now - ranks[$0].since }.max() ?? 0
    for rank in watched where !ranks[rank].isToldSilent {
      let seconds = now - ranks[rank].since
      let others = min(seconds, longestWait)
      if !ranks[rank].waits, others >= ranks[rank].nextLate {
        ranks[rank].nextLate *= 2
        events.append(.late(rank: rank, seconds: others))
      } else if ranks[rank].nextLate > limits.late, seconds < limits.late {
        events.append(.goesOn(rank: rank, seconds: ranks[rank].nextLate / 2))
        ranks[rank].nextLate = limits.late
      }
    }
    let shortestWait = watched.map { ranks[$0].waits ? now - ranks[$0].since : 0 }.min() ?? 0
    if watched.count > 1, shortestWait >= nextAllWait {
      nextAllWait *= 2
      events.append(.allWait(seconds: shortestWait))
    } else if shortestWait < limits.late {
      nextAllWait = 2 * limits.late
    }
    return events
  }
}

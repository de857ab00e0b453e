import MecaTraining
import Testing

/// Texts that name the end of a job, and when a run stops before it.
@Suite struct DeadlineTests {
  static let now = 1_800_000_000.0

  @Test(arguments: [
    ("90m", 5400), ("3h30m", 12600), ("45s", 45), ("1d2h", 93600), ("4:00:00", 14400),
    ("0:30", 1800), ("1-12:00:00", 129_600), ("1-00:00", 86400),
  ])
  func spansCountFromNow(text: String, seconds: Double) {
    #expect(Deadline.moment(text, now: Self.now) == Self.now + seconds)
  }

  @Test(arguments: [
    ("2027-01-15T08:00:00Z", 0), ("2027-01-15T09:00:00+01:00", 0), ("2027-01-15T08:00:10Z", 10),
  ])
  func timesAreThemselves(text: String, after: Double) {
    #expect(Deadline.moment(text, now: 0) == Self.now + after)
  }

  /// A time without a zone is of this machine's.
  @Test func localTimesAreUnderstood() throws {
    let one = try #require(Deadline.moment("2027-01-15T08:00:00", now: 0))
    let two = try #require(Deadline.moment("2027-01-15T09:30", now: 0))
    #expect(two - one == 5400)
    #expect(abs(one - Self.now) <= 14 * 3600)
  }

  @Test(arguments: [
    "", "soon", "-5m", "5", "5m5m", "5s5m", "h", "1:60:00", "1:2:3:4", "1-2-3:00", "1-3",
    "99999999h",
    "2026-02-30T10:00:00", "2026-11-29", "٣h", "3 h", "inf", "1e3s",
  ])
  func otherTextsAreNone(text: String) {
    #expect(Deadline.moment(text, now: Self.now) == nil)
  }

  @Test func itStopsEarlyEnoughToSave() {
    let long = Deadline(end: 10_000, margin: nil, now: 0)
    #expect(long.margin == 120)
    #expect(!long.isNear(at: 9870, saving: 5) && long.isNear(at: 9870, saving: 10))
    #expect(Deadline(end: 100, margin: nil, now: 0).margin == 25)
    #expect(Deadline(end: 10_000, margin: 300, now: 0).isNear(at: 9700, saving: 0))
    // A job that is over before it began still stops in order.
    #expect(Deadline(end: 100, margin: nil, now: 200).isNear(at: 200, saving: 0))
  }
}

import MecaTraining
import Testing

@Suite struct ExchangeReportTests {
  /// Three ranks, two steps: an epoch of 100 ms; rank 1 waited least, 4 ms beside 10 and 12.
  @Test func theRankThatWaitedLeastIsTheLateOne() {
    let milliseconds = { (value: Int64) in value * 1_000_000 }
    let report = ExchangeReport(
      rows: [
        8_000_000, milliseconds(2), milliseconds(10), milliseconds(100),
        6_000_000, milliseconds(4), milliseconds(4), milliseconds(100),
        10_000_000, milliseconds(3), milliseconds(12), milliseconds(100),
      ], steps: 2)
    #expect(report.bytes == 24_000_000)
    #expect(report.lateRank == 1)
    // Busy 90, 96 and 88 ms; 96 − 89 in two steps.
    #expect(abs(report.lateMilliseconds - 3.5) < 1e-9)
    #expect(abs(report.hiddenMilliseconds - 1.5) < 1e-9)
    #expect(abs(report.exposedMilliseconds - 26.0 / 6) < 1e-9)
    // 4 MB of a rank in a step, 4 ms of the late rank.
    #expect(abs(report.gigabytesPerSecond - 1) < 1e-9)
    #expect(
      report.summary
        == "exchange 12 MB, 1.0 GB/s, 1.5 + 4.3 ms a step, late: rank 1 by 3.5 ms")
  }
}

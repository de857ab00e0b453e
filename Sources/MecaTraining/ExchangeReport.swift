import MecaCore
import MecaMPI

/// What the exchange of gradients cost in an epoch, over all ranks.
package struct ExchangeReport {
  /// Steps of the epoch.
  var steps: Int
  /// Bytes that all ranks sent.
  package var bytes: Int
  /// Number of ranks.
  var ranks: Int
  /// Milliseconds of a step during which the exchange ran beside the computation; mean over the
  /// ranks.
  package var hiddenMilliseconds: Double
  /// Milliseconds of a step during which a rank only waited for the exchange or for later ranks;
  /// mean over the ranks.
  package var exposedMilliseconds: Double
  /// Milliseconds of a step that the exchange took on the late rank, which waits for nobody.
  var leastMilliseconds: Double
  /// The rank that worked longest between the exchanges.
  package var lateRank: Int
  /// How many milliseconds of a step it worked longer than the others, in their mean.
  package var lateMilliseconds: Double

  /// Gathers the figures of all ranks, one small collective.
  ///
  /// - Ranks: collective; every rank returns the same. Nil for one rank alone.
  /// - Parameters:
  ///   - statistics: of this rank's exchanges in the epoch.
  ///   - seconds: of the epoch on this rank.
  init?(
    _ statistics: OrderedReducer.Statistics, seconds: Double, on communicator: Communicator
  ) throws {
    guard communicator.size > 1 else { return nil }
    func nanoseconds(_ seconds: Double) -> Int64 { Int64(seconds * 1e9) }
    let rows = try communicator.allGather(
      local: [
        Int64(statistics.bytesSent), nanoseconds(statistics.hiddenSeconds),
        nanoseconds(statistics.exposedSeconds), nanoseconds(seconds),
      ], counts: [Int](repeating: 4, count: communicator.size))
    self.init(rows: rows, steps: statistics.calls)
  }

  /// The figures of an epoch of `steps` steps.
  ///
  /// - Parameter rows: for each rank bytes sent, then nanoseconds hidden, exposed and in all.
  package init(rows: [Int64], steps: Int) {
    let size = rows.count / 4
    ranks = size
    self.steps = steps
    func column(_ number: Int) -> [Double] { (0..<size).map { Double(rows[$0 * 4 + number]) } }
    func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }
    func milliseconds(_ nanoseconds: Double) -> Double { nanoseconds / 1e6 / Double(steps) }
    let (hidden, exposed) = (column(1), column(2))
    let busy = zip(column(3), exposed).map { $0 - $1 }
    let late = busy.indices.max { busy[$0] < busy[$1] } ?? 0
    let others = busy.indices.filter { $0 != late }.map { busy[$0] }
    bytes = Int(column(0).reduce(0, +))
    hiddenMilliseconds = milliseconds(mean(hidden))
    exposedMilliseconds = milliseconds(mean(exposed))
    leastMilliseconds = milliseconds(hidden[late] + exposed[late])
    lateRank = late
    lateMilliseconds = others.isEmpty ? 0 : milliseconds(busy[late] - mean(others))
  }

  /// 10⁹ bytes that a rank sends in a second of the exchange.
  package var gigabytesPerSecond: Double {
    Double(bytes) / Double(ranks * steps) / leastMilliseconds / 1e6
  }

  /// A few words for people.
  package var summary: String {
    let megabytes = Double(bytes) / Double(steps) / 1e6
    let rate = gigabytesPerSecond
    return "exchange \(fixed(megabytes, megabytes < 10 ? 1 : 0)) MB, "
      + "\(fixed(rate, rate < 1 ? 2 : 1)) GB/s, \(fixed(hiddenMilliseconds, 1)) + "
      + "\(fixed(exposedMilliseconds, 1)) ms a step, late: rank \(lateRank) by "
      + "\(fixed(lateMilliseconds, 1)) ms"
  }

  /// The figures for `metrics.jsonl`; times are milliseconds of a step, bytes those of the epoch.
  var metrics: [String: MetricValue] {
    [
      "reduce_bytes": .integer(bytes), "reduce_gb_per_s": .number(gigabytesPerSecond),
      "reduce_hidden_ms": .number(hiddenMilliseconds),
      "reduce_exposed_ms": .number(exposedMilliseconds),
      "late_rank": .integer(lateRank), "late_ms": .number(lateMilliseconds),
    ]
  }
}

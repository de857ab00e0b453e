import MecaCore
import MecaMPI

/// What a rank does when: spans of time for a viewer of traces such as ui.perfetto.dev.
///
/// Nothing is measured that the run would not do anyway, and nothing is exchanged before the end. Spans
/// of single steps are samples, and there is room for so many spans alone, so that the file of all ranks
/// stays below some MB.
///
/// - Ranks: every rank has one; ``write(to:on:)`` brings them together.
public final class RunTrace {
  /// What a span is about; the category in the file.
  public enum Kind: String, Sendable {
    /// Reading the data.
    case data
    /// A stage of the run.
    case stage
    /// A training, and an epoch of it.
    case training, epoch
    /// A step, what it computes, and what it waits for in the exchange of gradients.
    case step, compute, exchange
    /// A pass over samples.
    case pass
    /// What a model makes of test images.
    case evaluation
    /// Writing a checkpoint, and waiting for whoever writes it.
    case save, wait

    /// Whether such spans are left out first where there is no more room.
    fileprivate var isDetail: Bool {
      switch self {
      case .step, .compute, .exchange: true
      default: false
      }
    }
  }

  /// A span of time.
  struct Span {
    var name: String
    var kind: Kind
    /// Since the trace began.
    var begin: Duration
    var end: Duration
    var values: [String: MetricValue]
  }

  /// Spans of all ranks together at most, some 150 bytes each; a rank has a few in any case.
  private static let mostSpans = 40_000
  private static let leastSpans = 200
  /// Steps of an epoch that are traced.
  private static let sampledSteps = 4

  private let origin: ContinuousClock.Instant
  private let room: Int
  private(set) var spans: [Span] = []
  private var details = 0
  private(set) var leftOut = 0

  /// Begins a trace; the moment in which all ranks have come here is its time 0.
  ///
  /// - Ranks: collective.
  public init(on communicator: Communicator) throws {
    room = max(Self.leastSpans, Self.mostSpans / communicator.size)
    try communicator.barrier()
    origin = .now
  }

  /// Does `work`, and notes how long it took, also where it throws.
  public func span<Result>(
    _ name: String, _ kind: Kind, _ work: () throws -> Result
  ) rethrows -> Result {
    let begin = ContinuousClock.now
    defer { add(name, kind, from: begin) }
    return try work()
  }

  /// Notes a span that ends now, or at `end`.
  ///
  /// - Ranks: local.
  public func add(
    _ name: String, _ kind: Kind, from begin: ContinuousClock.Instant,
    to end: ContinuousClock.Instant = .now, values: [String: MetricValue] = [:]
  ) {
    let isFull = spans.count >= room || kind.isDetail && details >= room / 2
    guard !isFull else {
      leftOut += 1
      return
    }
    if kind.isDetail { details += 1 }
    spans.append(
      Span(name: name, kind: kind, begin: begin - origin, end: end - origin, values: values))
  }

  /// Notes an epoch that ends now, with what its exchanges have cost this rank.
  func addEpoch(
    _ number: Int, from begin: ContinuousClock.Instant, _ summary: EpochSummary,
    _ exchange: OrderedReducer.Statistics
  ) {
    add(
      "epoch \(number)", .epoch, from: begin,
      values: [
        "loss": .number(summary.loss), "accuracy": .number(summary.accuracy),
        "steps": .integer(exchange.calls), "bytes_sent": .integer(exchange.bytesSent),
        "exchange_exposed_ms": .number(exchange.exposedSeconds * 1e3),
        "exchange_hidden_ms": .number(exchange.hiddenSeconds * 1e3),
      ])
  }

  /// Whether step `step` of an epoch of `count` is one of those that are traced.
  private static func isSampled(_ step: Int, of count: Int) -> Bool {
    step % max(1, count / sampledSteps) == 0
  }

  /// The parts of a step of training; nil for steps that are not traced.
  func step(_ step: Int, of count: Int, exposedSeconds: Double) -> StepSpans? {
    Self.isSampled(step, of: count)
      ? StepSpans(trace: self, number: step + 1, exposedBefore: exposedSeconds) : nil
  }

  /// The parts of a step of training.
  struct StepSpans {
    fileprivate let trace: RunTrace
    fileprivate let number: Int
    fileprivate let exposedBefore: Double
    private let begin = ContinuousClock.now

    fileprivate init(trace: RunTrace, number: Int, exposedBefore: Double) {
      (self.trace, self.number, self.exposedBefore) = (trace, number, exposedBefore)
    }

    /// The gradients are summed: what was not waiting for the exchange was computing.
    ///
    /// - Parameter exposedSeconds: of the exchanges so far, as before the step.
    func summed(exposedSeconds: Double) {
      let now = ContinuousClock.now
      let waited = max(begin, now - .seconds(exposedSeconds - exposedBefore))
      trace.add("compute", .compute, from: begin, to: waited)
      if waited < now { trace.add("exchange", .exchange, from: waited, to: now) }
    }

    /// The step is over.
    func end() { trace.add("step \(number)", .step, from: begin) }
  }
}

extension TrainingSession {
  /// Does `work`, as a span of the trace where there is one.
  ///
  /// - Ranks: local, whatever `work` is.
  public func traced<Result>(
    _ name: @autoclosure () -> String, _ kind: RunTrace.Kind, _ work: () throws -> Result
  ) rethrows -> Result {
    guard let trace else { return try work() }
    return try trace.span(name(), kind, work)
  }
}

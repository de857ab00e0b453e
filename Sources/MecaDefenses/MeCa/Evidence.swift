import MecaCore
import MecaTraining

#if canImport(Glibc)
  import Glibc
#endif

/// What the detectors say of every training sample, iteration by iteration.
public struct Evidence: Sendable, Equatable {
  /// Perturbation KL after the warm-up, nats.
  public var divergence: [Float]
  /// log10 of the cross entropy to the given label, after the warm-up and after each iteration.
  public var logLosses: [[Float]]
  /// Whether the given label was predicted, for the same moments.
  public var fitted: [[Bool]]
  /// Class that the detectors give in the end.
  public var prediction: [Int32]

  /// All values.
  package init(
    divergence: [Float], logLosses: [[Float]], fitted: [[Bool]], prediction: [Int32]
  ) {
    self.divergence = divergence
    self.logLosses = logLosses
    self.fitted = fitted
    self.prediction = prediction
  }

  /// The evidence of all moments, warm-up first.
  package init(history: [[SampleRecord]], labels: [Int32]) {
    divergence = history[0].map(\.divergence)
    logLosses = history.map { $0.map { log10Loss($0.loss) } }
    fitted = history.map { records in
      records.indices.map { records[$0].prediction == labels[$0] }
    }
    prediction = history[history.count - 1].map(\.prediction)
  }

  /// Iterations that the verdict is averaged over.
  static let roundsAveraged = 3

  /// Mean log10 loss over the last iterations.
  public var logLoss: [Float] { meanOfLists(logLosses.suffix(Self.roundsAveraged)) }
}

extension Evidence: StageState {
  /// The evidence that a checkpoint holds.
  public init(columns: Columns) throws {
    divergence = try columns.floats("divergence")
    prediction = try columns.integers("prediction")
    let rounds = try columns.integers("rounds").first ?? 0
    logLosses = try (0..<rounds).map { try columns.floats("log_loss.\($0)") }
    fitted = try (0..<rounds).map { try columns.flags("fitted.\($0)") }
  }

  /// The evidence as a checkpoint holds it.
  public var columns: Columns {
    var columns = Columns()
    columns["divergence"] = .floats(divergence)
    columns["prediction"] = .integers(prediction)
    columns["rounds"] = .integers([Int32(logLosses.count)])
    for (round, losses) in logLosses.enumerated() {
      columns["log_loss.\(round)"] = .floats(losses)
      columns["fitted.\(round)"] = .flags(fitted[round])
    }
    return columns
  }
}

/// The mean of equally long lists, place by place.
package func meanOfLists(_ lists: ArraySlice<[Float]>) -> [Float] {
  guard let first = lists.first else { return [] }
  return first.indices.map { place in
    lists.reduce(Float(0)) { $0 + $1[place] } / Float(lists.count)
  }
}

/// How far the most separated label stands out from the ordinary one: largest less lower median.
///
/// - Units: decades of the loss.
package func standout(_ separations: [Double]) -> Double {
  guard let largest = separations.max() else { return 0 }
  return largest - lowerMedian(separations)
}

/// The median; of an even number of values the lower of the two in the middle.
package func lowerMedian(_ values: [Double]) -> Double { values.sorted()[(values.count - 1) / 2] }

/// log10 of a cross entropy, with the floor that float logits can resolve.
package func log10Loss(_ loss: Float) -> Float { Float(log10(max(Double(loss), 1e-7))) }

/// The detectors after one iteration of Algorithm 2, and what is known by then.
struct EnhancedMoment: StageState {
  /// Number of the iteration, from 1.
  var iteration: Int
  /// How far one label stood out after it; see `standout`.
  var standout: Double
  /// The evidence up to there.
  var evidence: Evidence
  /// The detectors' weights and statistics.
  var detectors: CrossFitState

  init(iteration: Int, standout: Double, evidence: Evidence, detectors: CrossFitState) {
    self.iteration = iteration
    self.standout = standout
    self.evidence = evidence
    self.detectors = detectors
  }

  init(columns: Columns) throws {
    let numbers = try columns.doubles("iteration_standout")
    guard numbers.count == 2 else { throw MissingColumn(name: "iteration_standout") }
    (iteration, standout) = (Int(numbers[0]), numbers[1])
    evidence = try Evidence(columns: columns.taken(from: "evidence"))
    detectors = try CrossFitState(columns: columns.taken(from: "detectors"))
  }

  var columns: Columns {
    var columns = Columns()
    columns["iteration_standout"] = .doubles([Double(iteration), standout])
    columns.add(evidence.columns, within: "evidence")
    columns.add(detectors.columns, within: "detectors")
    return columns
  }
}

/// The moments that a verdict may start from, the most promising first.
struct EnhancedMoments: StageState {
  var moments: [EnhancedMoment]
  /// Moments that are kept.
  static let kept = 3

  init() { moments = [] }

  init(columns: Columns) throws {
    moments = try (0..<(try columns.integers("count").first ?? 0)).map {
      try EnhancedMoment(columns: columns.taken(from: "moment\($0)"))
    }
  }

  var columns: Columns {
    var columns = Columns()
    columns["count"] = .integers([Int32(moments.count)])
    for (number, moment) in moments.enumerated() {
      columns.add(moment.columns, within: "moment\(number)")
    }
    return columns
  }

  /// Takes a moment in, and lets go of the least promising one if there are too many.
  ///
  /// - Parameter rule: by the paper's rule the last iteration counts, whatever stood out.
  mutating func add(_ moment: EnhancedMoment, rule: MeCaSettings.VerdictRule) {
    moments.append(moment)
    switch rule {
    case .carryOver:
      moments.sort { ($1.standout, $0.iteration) < ($0.standout, $1.iteration) }
      moments = Array(moments.prefix(Self.kept))
    case .misclassified:
      moments = [moment]
    }
  }
}

import MecaCore
import MecaTraining

/// Who is taken for poisoned.
public struct Detection: StageState {
  /// Labels in which poisoned samples were found, ascending.
  public var suspiciousLabels: [Int32]
  /// Labels that stood out, but whose suspects were not recognised when held out, ascending.
  public var droppedLabels: [Int32]
  /// How far each label's evidence falls apart; see `TwoModes.separation`.
  public var separation: [Double]
  /// Each sample's probability of its label's spare class, as a share of that and of its label's
  /// own, when held out in the last pass of the confirmation that was made; 0 if there was none.
  public var spareShare: [Float]
  /// Whether each sample is taken for poisoned.
  public var isFlagged: [Bool]
  /// How suspicious each sample is; larger is more.
  public var score: [Float]
  /// Whether each sample is suspected without confirmation.
  public var isUnconfirmed: [Bool]
  /// What was found out about the labels that pixels spoke against.
  var judgements: [Judgement] = []
  /// What the verdict rests on.
  public var evidence: Evidence

  /// A verdict without labels that were dropped.
  init(
    isFlagged: [Bool], labels: [Int32], droppedLabels: [Int32] = [], separation: [Double],
    spareShare: [Float], score: [Float]? = nil, evidence: Evidence
  ) {
    self.score = score ?? evidence.logLoss.map { -$0 }
    isUnconfirmed = [Bool](repeating: false, count: isFlagged.count)
    self.isFlagged = isFlagged
    self.droppedLabels = droppedLabels
    self.separation = separation
    self.spareShare = spareShare
    self.evidence = evidence
    suspiciousLabels = Set(labels.indices.filter { isFlagged[$0] }.map { labels[$0] }).sorted()
  }

  /// The same with what was found out about labels that pixels spoke against, and that did not hold.
  func keepingInMind(_ seen: Detection) -> Detection {
    var detection = self
    detection.judgements = seen.judgements
    detection.isUnconfirmed = zip(seen.isUnconfirmed, isFlagged).map { $0 && !$1 }
    return detection
  }

  /// The verdict that a checkpoint holds.
  public init(columns: Columns) throws {
    suspiciousLabels = try columns.integers("suspicious_labels")
    droppedLabels = try columns.integers("dropped_labels")
    separation = try columns.doubles("separation")
    spareShare = try columns.floats("spare_share")
    isFlagged = try columns.flags("flagged")
    score = try columns.floats("score")
    evidence = try Evidence(columns: columns.taken(from: "evidence"))
    isUnconfirmed = try columns.flags("unconfirmed")
    judgements = try Judgements(numbers: columns.doubles("judgements")).all
  }

  /// The verdict as a checkpoint holds it.
  public var columns: Columns {
    var columns = Columns()
    columns["suspicious_labels"] = .integers(suspiciousLabels)
    columns["dropped_labels"] = .integers(droppedLabels)
    columns["separation"] = .doubles(separation)
    columns["spare_share"] = .floats(spareShare)
    columns["flagged"] = .flags(isFlagged)
    columns["score"] = .floats(score)
    columns["unconfirmed"] = .flags(isUnconfirmed)
    columns.add(evidence.columns, within: "evidence")
    columns["judgements"] = .doubles(Judgements(judgements).numbers)
    return columns
  }
}

extension MeCaMethod {
  /// The verdict, by the rule of the settings.
  ///
  /// - Ranks: collective; every rank returns the same.
  func decide(
    _ enhanced: Finished<EnhancedMoments>, _ detectors: CrossFit, _ attempt: DetectionAttempt
  ) throws -> Finished<Detection> {
    let own = confirmation
    return try bench.stage(attempt.name("confirm"), own, after: [enhanced.digest]) { key in
      switch settings.verdict {
      case .carryOver: try confirmed(enhanced.state.moments, detectors, key: key)
      case .misclassified: notMisclassified(enhanced.state.moments[0].evidence)
      }
    }
  }

  /// The paper's rule: whoever the enhanced detector classifies as its label is poisoned.
  private func notMisclassified(_ evidence: Evidence) -> Detection {
    Detection(
      isFlagged: evidence.fitted[evidence.fitted.count - 1], labels: data.labels,
      separation: [Double](repeating: 0, count: data.classCount),
      spareShare: [Float](repeating: 0, count: data.count), evidence: evidence)
  }
}

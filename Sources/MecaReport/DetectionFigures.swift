import MecaDatasets
import MecaDefenses
import MecaTraining

/// How well a defence found the poisoned samples, against the ground truth where it is known.
public struct DetectionFigures: Codable, Sendable {
  /// Whether anything was flagged.
  public var separated: Bool
  /// Labels in which poisoned samples were found.
  public var suspiciousLabels: [Int]
  /// Their names.
  public var suspiciousClasses: [String] = []
  /// Samples flagged.
  public var flagged: Int
  /// Poisoned of the flagged samples; nil where the truth is unknown or nothing is flagged.
  public var precision: Double?
  /// Flagged of the poisoned samples; nil where the truth is unknown or nothing is poisoned.
  public var tpr: Double?
  /// Number of poisoned samples.
  public var poisoned: Int?
  /// Flagged of the clean samples.
  public var fpr: Double?
  /// Number of clean samples, covers among them.
  public var clean: Int?
  /// Number of samples with a trigger and their true label; nil where there are none.
  public var covers: Int?
  /// Flagged of the covers, which `fpr` counts among the clean too.
  public var coverFlagged: Double?
  /// Area under the ROC curve of the defence's score over all samples.
  public var auroc: Double?
  /// Fraction of each given label's clean samples that was kept (of all its samples where the
  /// truth is unknown).
  public var keptPerClass: [Double?]

  /// The answer in one word.
  public var verdict: DetectionAnswer.Grade?
  /// What is said of single labels.
  public var verdictLabels: [DetectionAnswer.Label] = []
  /// What could not be looked at, and what to try next.
  public var verdictRemarks: [String] = []
  /// Samples that are suspected without confirmation.
  public var unconfirmed = 0

  /// Names of the columns of `scores.npy`.
  public var scoreColumns: [String] = []

  /// Figures by themselves, for tables of other origin.
  package init(
    suspiciousLabels: [Int], flagged: Int, tpr: Double? = nil, poisoned: Int? = nil,
    fpr: Double? = nil, clean: Int? = nil, auroc: Double? = nil, keptPerClass: [Double?]
  ) {
    separated = flagged > 0
    self.suspiciousLabels = suspiciousLabels
    self.flagged = flagged
    self.tpr = tpr
    self.poisoned = poisoned
    self.fpr = fpr
    self.clean = clean
    self.auroc = auroc
    self.keptPerClass = keptPerClass
  }

  private enum CodingKeys: String, CodingKey {
    case verdict, unconfirmed
    case verdictLabels = "verdict_labels"
    case verdictRemarks = "verdict_remarks"
    case separated, flagged, precision, tpr, poisoned, fpr, clean, covers, auroc
    case coverFlagged = "cover_flagged"
    case suspiciousLabels = "suspicious_labels"
    case suspiciousClasses = "suspicious_classes"
    case keptPerClass = "kept_per_class"
    case scoreColumns = "score_columns"
  }

  /// The figures of a verdict, computed from it and the truth alone.
  ///
  /// - Ranks: local.
  public init(_ verdict: Verdict, data: TrainingData) {
    let flagged = verdict.flagged
    let isPoison = flagged.indices.map { data.isPoison($0) }
    func flaggedShare(_ members: [Int]) -> Double? {
      members.isEmpty ? nil : Double(members.count { flagged[$0] }) / Double(members.count)
    }
    let clean = flagged.indices.filter { !isPoison[$0] }
    self.flagged = flagged.count { $0 }
    separated = self.flagged > 0
    suspiciousLabels = verdict.suspiciousLabels
    suspiciousClasses = suspiciousLabels.map { data.training.classNames[$0] }
    scoreColumns = ["flagged", "score"] + verdict.columns.map(\.name)
    self.verdict = verdict.answer?.grade
    verdictLabels = verdict.answer?.labels ?? []
    verdictRemarks = verdict.answer?.remarks ?? []
    unconfirmed = verdict.unconfirmed.count { $0 }
    keptPerClass = (0..<data.classCount).map { label in
      let members = clean.filter { Int(data.labels[$0]) == label }
      return flaggedShare(members).map { 1 - $0 }
    }
    guard let truth = data.truth else { return }
    let poisons = flagged.indices.filter { isPoison[$0] }
    let covers = clean.filter { truth.roles[$0] == .cover }
    let found = poisons.count { flagged[$0] }
    precision = separated ? Double(found) / Double(self.flagged) : nil
    tpr = flaggedShare(poisons)
    poisoned = poisons.count
    fpr = flaggedShare(clean)
    self.clean = clean.count
    self.covers = covers.isEmpty ? nil : covers.count
    coverFlagged = flaggedShare(covers)
    auroc = areaUnderROC(verdict.score, positive: isPoison)
  }
}

/// What a defence answers to "is my data poisoned?", with its reasons.
public struct DetectionAnswer: Sendable, Equatable, Codable {
  /// The answer in one word, from the best to the worst.
  public enum Grade: String, Sendable, CaseIterable, Codable {
    /// Clean as far as can be told.
    case clean
    /// Whether it is clean could not be told.
    case undecided
    /// Something speaks against some samples; it was not confirmed, and nobody was flagged for it.
    case suspected
    /// Samples were flagged.
    case poisoned

    /// For people.
    public var words: String {
      switch self {
      case .clean: "clean as far as can be told"
      case .undecided: "could not tell"
      case .suspected: "suspected, not confirmed"
      case .poisoned: "poisoned"
      }
    }
  }

  /// What is said of one label.
  public struct Label: Sendable, Equatable, Codable {
    /// The label.
    public var label: Int
    /// Samples that are flagged, or suspected.
    public var samples: Int
    /// Whether they are flagged.
    public var isFlagged: Bool
    /// What speaks against them, a sentence.
    public var reason: String
    /// How many clean sets of as many labels in a hundred would show as much, as a fraction; nil
    /// where that was not measured.
    public var falseAlarmRate: Double?
    /// Where in the image what they share is; nil where that is nowhere in particular.
    public var place: Place?

    /// A part of an image.
    public struct Place: Sendable, Equatable, Codable {
      /// First row, and the one behind the last.
      public var rows: [Int]
      /// First column, and the one behind the last.
      public var columns: [Int]

      /// Some rows and columns.
      public init(rows: Range<Int>, columns: Range<Int>) {
        self.rows = [rows.lowerBound, rows.upperBound]
        self.columns = [columns.lowerBound, columns.upperBound]
      }
    }

    private enum CodingKeys: String, CodingKey {
      case label, samples, reason, place
      case isFlagged = "flagged"
      case falseAlarmRate = "false_alarm_rate"
    }

    /// All values.
    public init(
      label: Int, samples: Int, isFlagged: Bool, reason: String, falseAlarmRate: Double? = nil,
      place: Place? = nil
    ) {
      (self.label, self.samples, self.isFlagged) = (label, samples, isFlagged)
      (self.reason, self.falseAlarmRate, self.place) = (reason, falseAlarmRate, place)
    }
  }

  /// In one word.
  public var grade: Grade
  /// The labels that something speaks against, flagged ones first.
  public var labels: [Label]
  /// What could not be looked at, and what to try next; sentences.
  public var remarks: [String]

  /// All values.
  public init(grade: Grade, labels: [Label] = [], remarks: [String] = []) {
    (self.grade, self.labels, self.remarks) = (grade, labels, remarks)
  }

  /// The answer as lines for people.
  public func lines(classNames: [String]) -> [String] {
    var lines = ["verdict: \(grade.words)"]
    for own in labels {
      let name =
        own.label < classNames.count ? "\(own.label) (\(classNames[own.label]))" : "\(own.label)"
      lines.append(
        "  label \(name): \(own.samples) samples " + (own.isFlagged ? "flagged" : "suspected"))
      lines.append("    \(own.reason)")
      if let rate = own.falseAlarmRate {
        let words = rate < 0.01 ? "less than 1 %" : "\(Int((rate * 100).rounded(.up))) %"
        lines.append("    false alarm: \(words) of clean sets show as much")
      }
    }
    return lines + remarks.map { "  \($0)" }
  }
}

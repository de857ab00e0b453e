import MecaTraining

/// What pixels alone say against some samples of a label: they share something that the samples of
/// other labels do not have.
package struct Finding: Sendable, Equatable {
  /// What the samples share.
  package enum Kind: String, Sendable, CaseIterable {
    /// The same few pixels at the same place, value by value.
    case patch
    /// A pattern of colours added to, or in place of, their own.
    case colour
    /// A pattern of sharpness: what bends an image blurs it here more than there.
    case sharpness
    /// The same few pixels at the same place in samples of all labels alike.
    case stamp

    /// Its place among all, as checkpoints hold it.
    var number: Int { Self.allCases.firstIndex(of: self) ?? 0 }

    /// The kind at a place among all.
    init?(number: Int) {
      guard Self.allCases.indices.contains(number) else { return nil }
      self = Self.allCases[number]
    }
  }

  /// The label.
  package var label: Int
  /// What is shared.
  package var kind: Kind
  /// How clearly, in the kind's own measure; see `RecurringPatch` and `SharedTemplate`.
  package var strength: Double
  /// Whether it is stronger than anything that clean sets have shown; patches alone are named below
  /// that.
  package var isStrong: Bool
  /// Rows of the image where it is strongest.
  package var rows: Range<Int>
  /// Columns of the image where it is strongest.
  package var columns: Range<Int>
  /// Samples of the label that have it, by data set index, ascending.
  package var suspects: [Int32]

  /// All values.
  package init(
    label: Int, kind: Kind, strength: Double, isStrong: Bool, rows: Range<Int>,
    columns: Range<Int>, suspects: [Int32]
  ) {
    (self.label, self.kind, self.strength, self.isStrong) = (label, kind, strength, isStrong)
    (self.rows, self.columns, self.suspects) = (rows, columns, suspects)
  }
}

/// All findings of a set.
package struct Findings: StageState, Equatable {
  /// By label, then kind.
  package var all: [Finding]

  /// A list.
  package init(_ all: [Finding] = []) { self.all = all }

  /// The list that a checkpoint holds.
  package init(columns: Columns) throws {
    let numbers = try columns.integers("numbers")
    let strengths = try columns.doubles("strengths")
    let suspects = try columns.integers("suspects")
    guard numbers.count == strengths.count * Self.numbersOfFinding else {
      throw MissingColumn(name: "numbers")
    }
    all = []
    var next = 0
    for (place, strength) in strengths.enumerated() {
      let own = numbers[place * Self.numbersOfFinding..<(place + 1) * Self.numbersOfFinding]
        .map { Int($0) }
      guard let kind = Finding.Kind(number: own[1]), next + own[7] <= suspects.count else {
        throw MissingColumn(name: "suspects")
      }
      all.append(
        Finding(
          label: own[0], kind: kind, strength: strength, isStrong: own[2] == 1,
          rows: own[3]..<own[4], columns: own[5]..<own[6],
          suspects: Array(suspects[next..<next + own[7]])))
      next += own[7]
    }
  }

  private static let numbersOfFinding = 8

  /// The list as a checkpoint holds it.
  package var columns: Columns {
    var columns = Columns()
    columns["numbers"] = .integers(
      all.flatMap { finding in
        [
          finding.label, finding.kind.number, finding.isStrong ? 1 : 0,
          finding.rows.lowerBound, finding.rows.upperBound, finding.columns.lowerBound,
          finding.columns.upperBound, finding.suspects.count,
        ].map { Int32($0) }
      })
    columns["strengths"] = .doubles(all.map(\.strength))
    columns["suspects"] = .integers(all.flatMap(\.suspects))
    return columns
  }
}

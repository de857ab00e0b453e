import MecaCore
import MecaTraining

/// A pattern that a part of a label's samples has on top of their content: a blended picture, a
/// signal, a patch that was compressed, a warp that blurs here more than there.
///
/// For each label the direction that tells one part of its samples from the rest best, in units of
/// what is usual in other labels (`CellStatistics`), summed over all cells of the image. It is found
/// in one half of the label's samples by turns: scores along the direction, Otsu's cut, the direction
/// between the two parts. What counts is how clearly the *other* half, which had no say, falls
/// apart along it, and whether both halves have found the same direction. Contents give one heap
/// with a cut through it; a pattern gives two with nothing between.
///
/// Strength: the smaller d′ of the two halves · (1 − the larger valley); see `SplitStatistics`.
///
/// - Source: own; measured in `docs/experiments.md`.
struct SharedTemplate<Bench: Workbench> {
  let bench: Bench
  let cells: PixelCells
  let feature: CellFeature
  let key: StageKey
  /// Whether the metrics are spared what every label shows.
  let isSilent: Bool

  /// Turns from scores to direction.
  private static var turns: Int { 6 }
  /// Parts that the first cut takes off: where Otsu's is, and the top 3 %, for few poisoned samples.
  private static var starts: [Double?] { [nil, 0.03] }

  /// The findings, by label.
  ///
  /// - Ranks: collective; every rank returns the same.
  func findings() throws -> [Finding] {
    let labels = bench.samples.labels
    let arrangement = LabelArrangement(labels: labels)
    guard arrangement.groups.count > 1 else { return [] }
    let ownCells = cells.ownCells
    let statistics = ownCells.enumerated().map { place, cell in
      bench.sayProgress(
        "what is usual in \(feature.kind.rawValue), cell \(place + 1) of \(ownCells.count)")
      return CellStatistics(cell, feature, cells, arrangement)
    }
    var searches = arrangement.places.indices
      .filter { arrangement.places[$0].count >= ForensicSettings.fewest }
      .map { Search(label: $0, count: arrangement.places[$0].count) }
    var findings: [Int: Finding] = [:]
    for round in 0..<ForensicSettings.rounds where !searches.isEmpty {
      for place in searches.indices {
        searches[place].begin(seed: bench.seed(of: key.member("round", round)))
      }
      for turn in 0...Self.turns {
        let all = try project(searches, statistics, isFirst: turn == 0) {
          bench.sayProgress(
            "looking for a pattern of \(feature.kind.rawValue), turn \(turn + 1) of "
              + "\(Self.turns + 1), cell \($0) of \(statistics.count)")
        }
        for place in searches.indices { searches[place].turn(all[place], isFirst: turn == 0) }
      }
      for place in searches.indices {
        let found = searches[place].result()
        if !isSilent {
          bench.record(
            "template",
            [
              "kind": .text(feature.kind.rawValue), "label": .integer(searches[place].label),
              "round": .integer(round), "strength": .number(found.strength),
              "distance": .number(found.distance), "valley": .number(found.valley),
              "agreement": .number(found.agreement), "suspects": .integer(found.members.count),
            ])
        }
        let isStrong = found.strength >= feature.kind.strong
        if isStrong { add(found, searches[place].label, arrangement, to: &findings) }
        searches[place].leaveOut(found.members, andStop: !isStrong)
      }
      searches.removeAll { $0.isDone }
    }
    return findings.values.sorted { $0.label < $1.label }
  }

  private func add(
    _ found: Search.Found, _ label: Int, _ arrangement: LabelArrangement,
    to findings: inout [Int: Finding]
  ) {
    let place = arrangement.places[label].lowerBound
    let suspects = found.members.map { arrangement.order[place + $0] }
    if var earlier = findings[label] {
      earlier.suspects = (earlier.suspects + suspects).sorted()
      findings[label] = earlier
      return
    }
    let cell = cells.cells[found.cell]
    findings[label] = Finding(
      label: label, kind: feature.kind, strength: found.strength, isStrong: true,
      rows: cell.rows, columns: cell.columns, suspects: suspects.sorted())
  }

  /// What the searches' contrasts give over all cells.
  ///
  /// - Ranks: collective.
  /// - Parameter progress: told which of this rank's cells it is at, from 1.
  private func project(
    _ searches: [Search], _ statistics: [CellStatistics], isFirst: Bool,
    progress: (_ cell: Int) -> Void
  ) throws -> [Summed] {
    let columns = Search.columns
    let sizes = searches.map { ($0.count + 1) * columns + columns / 2 }
    let own = statistics.enumerated().map { place, cell in
      progress(place + 1)
      return searches.flatMap { search -> [Float] in
        let (contrast, noise) = search.contrast(isFirst: isFirst)
        let projection = cell.project(
          label: search.label, contrast: contrast, noise: noise, fromOthers: isFirst)
        return projection.scores + projection.squares + projection.products
      }
    }
    let all = try cells.gathered(own, each: sizes.reduce(0, +))
    var begin = 0
    return zip(searches, sizes).map { search, size in
      defer { begin += size }
      return Summed(
        all.map { $0[begin..<begin + size] }, scores: search.count * columns, columns: columns)
    }
  }

  /// One search's projections, summed over the cells in their order.
  struct Summed {
    var scores: [Float]
    /// Of each direction.
    var squares: [Double]
    /// Of each pair of directions.
    var products: [Double]
    /// The squares of every cell.
    var squaresOfCells: [[Float]]

    init(_ cells: [ArraySlice<Float>], scores count: Int, columns: Int) {
      scores = [Float](repeating: 0, count: count)
      squares = [Double](repeating: 0, count: columns)
      products = [Double](repeating: 0, count: columns / 2)
      squaresOfCells = []
      for cell in cells {
        let start = cell.startIndex
        for place in 0..<count { scores[place] += cell[start + place] }
        for column in 0..<columns { squares[column] += Double(cell[start + count + column]) }
        for pair in 0..<columns / 2 {
          products[pair] += Double(cell[start + count + columns + pair])
        }
        squaresOfCells.append(Array(cell[start + count..<start + count + columns]))
      }
    }
  }

  /// The search within one label: divisions into two halves times starts, two columns each.
  struct Search {
    static var pairs: Int { ForensicSettings.divisions * SharedTemplate.starts.count }
    static var columns: Int { 2 * pairs }

    let label: Int
    /// Samples of the label.
    let count: Int
    private var isLeftOut: [Bool]
    /// For each pair, which half every sample is in; 2 for those left out.
    private var halves: [[UInt8]] = []
    /// For each column, whether every sample is in the upper part.
    private var isUpper: [[Bool]] = []
    private var last: Summed?
    private(set) var isDone = false

    init(label: Int, count: Int) {
      (self.label, self.count) = (label, count)
      isLeftOut = [Bool](repeating: false, count: count)
    }

    /// Divides the samples that are not left out.
    mutating func begin(seed: UInt64) {
      let members = isLeftOut.indices.filter { !isLeftOut[$0] }
      let divisions = (0..<ForensicSettings.divisions).map { division in
        var random = KeyedRandom(seed: seed, purpose: .foldAssignment, division, label)
        var halves = [UInt8](repeating: 2, count: count)
        for (place, member) in random.permutation(count: members.count).enumerated() {
          halves[members[member]] = UInt8(place % 2)
        }
        return halves
      }
      halves = (0..<Self.pairs).map { divisions[$0 / SharedTemplate.starts.count] }
      isUpper = [[Bool]](
        repeating: [Bool](repeating: false, count: count), count: Self.columns)
      last = nil
    }

    /// The weights of the samples, and the sum of their squares, of each column.
    func contrast(isFirst: Bool) -> (weights: [Float], noise: [Double]) {
      var weights = [Float](repeating: 0, count: count * Self.columns)
      var noise = [Double](repeating: 0, count: Self.columns)
      for column in 0..<Self.columns {
        let half = halves[column / 2]
        let own = half.indices.filter { half[$0] == UInt8(column % 2) }
        let upper = isFirst ? own.count : own.count { isUpper[column][$0] }
        let lower = isFirst ? 0 : own.count - upper
        guard upper > 0, isFirst || lower > 0 else { continue }
        for sample in own {
          weights[sample * Self.columns + column] =
            isFirst || isUpper[column][sample] ? 1 / Float(upper) : -1 / Float(lower)
        }
        noise[column] = 1 / Double(upper) + (lower > 0 ? 1 / Double(lower) : 0)
      }
      return (weights, noise)
    }

    /// The samples of a half and their scores in a column.
    private func scores(_ summed: Summed, column: Int, half: Int) -> (samples: [Int], [Float]) {
      let halves = halves[column / 2]
      let samples = halves.indices.filter { halves[$0] == UInt8(half) }
      return (samples, samples.map { summed.scores[$0 * Self.columns + column] })
    }

    /// Cuts each half by the scores along its own direction.
    mutating func turn(_ summed: Summed, isFirst: Bool) {
      last = summed
      for column in 0..<Self.columns {
        let (samples, values) = scores(summed, column: column, half: column % 2)
        var threshold = SplitStatistics(of: values).threshold
        if isFirst, let share = SharedTemplate.starts[column / 2 % SharedTemplate.starts.count],
          !values.isEmpty
        {
          let top = min(values.count, max(4, Int(share * Double(values.count))))
          threshold = Double(values.sorted()[values.count - top].nextDown)
        }
        for (sample, value) in zip(samples, values) {
          isUpper[column][sample] = Double(value) > threshold
        }
      }
    }

    /// What a search has found.
    struct Found {
      var strength = 0.0
      var distance = 0.0
      var valley = 1.0
      /// Cosine of the two halves' directions.
      var agreement = 0.0
      /// Cell where the direction is longest.
      var cell = 0
      /// The label's samples that have the pattern, ascending.
      var members: [Int] = []
    }

    /// The clearest of all pairs, judged in the halves that had no say in the direction.
    func result() -> Found {
      guard let last else { return Found() }
      var best = Found()
      for pair in 0..<Self.pairs {
        var found = Found(distance: .infinity, valley: 0)
        for column in [2 * pair, 2 * pair + 1] {
          let (samples, values) = scores(last, column: column, half: 1 - column % 2)
          let split = SplitStatistics(of: values)
          found.distance = min(found.distance, split.distance)
          found.valley = max(found.valley, split.valley)
          // 0 is what is usual: who is further from it has something that others have not.
          let isUpper = abs(split.upperMean) >= abs(split.lowerMean)
          // Otsu's own cut, but for a part of fewer than it may cut off.
          let middle = (split.lowerMean + split.upperMean) / 2
          found.members += zip(samples, values)
            .filter { (Double($0.1) > middle) == isUpper }.map(\.0)
        }
        let length = (last.squares[2 * pair] * last.squares[2 * pair + 1]).squareRoot()
        found.agreement = length > 0 ? last.products[pair] / length : 0
        guard found.agreement >= ForensicSettings.agreement else { continue }
        found.strength = found.distance * (1 - min(1, found.valley))
        guard found.strength > best.strength else { continue }
        found.members.sort()
        found.cell =
          last.squaresOfCells.indices.max {
            last.squaresOfCells[$0][2 * pair] < last.squaresOfCells[$1][2 * pair]
          } ?? 0
        best = found
      }
      return best
    }

    /// Looks no more at some samples, or at none of the label's.
    mutating func leaveOut(_ members: [Int], andStop: Bool) {
      for member in members { isLeftOut[member] = true }
      let left = isLeftOut.count { !$0 }
      isDone = andStop || left < ForensicSettings.fewest
    }
  }
}

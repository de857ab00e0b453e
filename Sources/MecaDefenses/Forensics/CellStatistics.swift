import MecaCore
import MecaTensor
import MecaTraining

/// The samples in the order in which statistics go through them: labels in groups, whole labels one
/// after the other.
///
/// A label is compared with the labels of all other groups, so that one covariance a group is enough
/// for any number of labels.
struct LabelArrangement {
  /// Groups at most.
  private static let mostGroups = 5

  /// Data set indices.
  let order: [Int32]
  /// Where each label's samples stand in `order`.
  let places: [Range<Int>]
  /// Where each group's samples stand in `order`.
  let groups: [Range<Int>]
  /// Group of each label.
  let groupOfLabel: [Int]

  init(labels: [Int32]) {
    let members = membersOfLabels(labels)
    let present = members.indices.filter { !members[$0].isEmpty }
    let count = min(Self.mostGroups, present.count)
    var (order, places) = ([Int32](), [Range<Int>](repeating: 0..<0, count: members.count))
    var groupOfLabel = [Int](repeating: 0, count: members.count)
    var groups: [Range<Int>] = []
    for group in 0..<count {
      let begin = order.count
      for place in stride(from: group, to: present.count, by: count) {
        let label = present[place]
        groupOfLabel[label] = group
        places[label] = order.count..<order.count + members[label].count
        order += members[label].map { Int32($0) }
      }
      groups.append(begin..<order.count)
    }
    (self.order, self.places) = (order, places)
    (self.groups, self.groupOfLabel) = (groups, groupOfLabel)
  }
}

/// One cell's numbers of all samples, and what is usual there for the labels of each group's others.
///
/// With μ and Σ mean and covariance over the samples of all other groups, the direction that tells
/// two sets of samples apart best is `w = Σ⁻¹ (mean of one − mean of the other)`, Fisher's; in units
/// of what is usual, `‖w‖² = wᵀ Σ w`.
///
/// - Shapes: numbers `[samples, width]`, a byte each, in the arrangement's order.
/// - Source: Fisher 1936, "The use of multiple measurements in taxonomic problems".
final class CellStatistics {
  private static let rowsAtOnce = 1024
  /// Added to Σ's diagonal, of its mean diagonal entry: directions in which photographs hardly vary
  /// would otherwise drown everything.
  private static let ridge = 1e-3

  let cell: PixelCells.Cell
  /// Numbers of a sample.
  let width: Int
  private let arrangement: LabelArrangement
  private let bytes: AlignedStorage<UInt8>
  private let rows: AlignedStorage<Float>
  private var others: [Others] = []

  /// What is usual outside a group.
  private struct Others {
    var mean: [Double]
    var covariance: CholeskyFactor
  }

  init(
    _ cell: PixelCells.Cell, _ feature: CellFeature, _ cells: PixelCells,
    _ arrangement: LabelArrangement
  ) {
    self.cell = cell
    self.arrangement = arrangement
    width = feature.width(of: cell, channels: cells.imageShape.channels)
    bytes = AlignedStorage(count: arrangement.order.count * width)
    rows = AlignedStorage(count: Self.rowsAtOnce * width)
    for (place, sample) in arrangement.order.enumerated() {
      feature.write(
        cells.window(of: Int(sample)), of: cell, in: cells, to: bytes.pointer + place * width)
    }
    others = makeOthers()
  }

  /// Brings some rows into `rows` and calls `work` with how many.
  private func forEachPiece(_ places: Range<Int>, _ work: (_ first: Int, _ count: Int) -> Void) {
    for first in stride(from: places.lowerBound, to: places.upperBound, by: Self.rowsAtOnce) {
      let count = min(Self.rowsAtOnce, places.upperBound - first)
      let source = bytes.pointer + first * width
      for place in 0..<count * width { rows.pointer[place] = (Float(source[place]) - 128) / 64 }
      work(first, count)
    }
  }

  private func makeOthers() -> [Others] {
    let square = width * width
    var sums: [(scatter: [Double], mean: [Double])] = []
    for group in arrangement.groups {
      var (scatter, mean) = (
        [Double](repeating: 0, count: square), [Double](repeating: 0, count: width)
      )
      let piece = AlignedStorage<Float>(count: square)
      forEachPiece(group) { _, count in
        piece.fill(0)
        addScatter(of: rows.pointer, count: count, width: width, to: piece.pointer)
        for place in 0..<square { scatter[place] += Double(piece.pointer[place]) }
        for row in 0..<count {
          for column in 0..<width { mean[column] += Double(rows.pointer[row * width + column]) }
        }
      }
      sums.append((scatter, mean))
    }
    return arrangement.groups.indices.map { group in
      let count = Double(arrangement.order.count - arrangement.groups[group].count)
      var (matrix, mean) = (
        [Double](repeating: 0, count: square), [Double](repeating: 0, count: width)
      )
      for (other, sum) in sums.enumerated() where other != group {
        for place in 0..<square { matrix[place] += sum.scatter[place] / count }
        for column in 0..<width { mean[column] += sum.mean[column] / count }
      }
      var trace = 0.0
      for row in 0..<width {
        for column in row..<width { matrix[row * width + column] -= mean[row] * mean[column] }
        trace += matrix[row * width + row]
      }
      // A cell that is the same in all images has no directions; any number will do.
      let ridge = max(Self.ridge * trace / Double(width), 1e-6)
      for row in 0..<width { matrix[row * width + row] += ridge }
      guard let factor = CholeskyFactor(upperTriangle: matrix, order: width) else {
        preconditionFailure("a covariance with a ridge is positive definite")
      }
      return Others(mean: mean, covariance: factor)
    }
  }

  /// What contrasts of one label's samples give in this cell.
  struct Projection {
    /// Scores of the label's samples in each direction, 0 what is usual outside the group
    /// `[samples, columns]`.
    var scores: [Float]
    /// ‖w‖² of each direction.
    var squares: [Float]
    /// wᵀ Σ w′ of each two neighbouring directions, those of the two folds.
    var products: [Float]
  }

  /// The directions of some contrasts, and every sample's score in them.
  ///
  /// A direction is shrunk by what chance alone would give it, `max(0.02, 1 − width · noise / ‖w‖²)`
  /// (James and Stein): cells without a trigger then hardly count.
  ///
  /// - Parameters:
  ///   - contrast: weights of the label's samples, sums over which make the difference of means;
  ///     `[samples, columns]`.
  ///   - noise: of each column the sum of the squares of its weights.
  ///   - fromOthers: whether the mean of the others is to be taken off.
  func project(
    label: Int, contrast: [Float], noise: [Double], fromOthers: Bool
  ) -> Projection {
    let (places, columns) = (arrangement.places[label], noise.count)
    let others = others[arrangement.groupOfLabel[label]]
    let sums = AlignedStorage<Float>(count: width * columns)
    contrast.withUnsafeBufferPointer { weights in
      guard let weights = weights.baseAddress else { return }
      forEachPiece(places) { first, count in
        multiplyTransposed(
          rows.pointer, rows: width, weights + (first - places.lowerBound) * columns,
          columns: columns, count: count, addingTo: sums.pointer)
      }
    }
    var difference = sums.array.map { Double($0) }
    if fromOthers {
      for row in 0..<width {
        for column in 0..<columns { difference[row * columns + column] -= others.mean[row] }
      }
    }
    var direction = difference
    others.covariance.solve(&direction, columns: columns)
    func product(_ first: Int, _ second: Int) -> Double {
      (0..<width).reduce(0) {
        $0 + difference[$1 * columns + first] * direction[$1 * columns + second]
      }
    }
    let squares = (0..<columns).map { product($0, $0) }
    let factors = zip(squares, noise).map { square, noise in
      square > 0 ? max(0.02, 1 - Double(width) * noise / square) : 0
    }
    var usual = [Double](repeating: 0, count: columns)
    let weights = AlignedStorage<Float>(count: width * columns)
    for row in 0..<width {
      for column in 0..<columns {
        let weight = factors[column] * direction[row * columns + column]
        weights.pointer[row * columns + column] = Float(weight)
        usual[column] += weight * others.mean[row]
      }
    }
    let scores = AlignedStorage<Float>(count: places.count * columns)
    forEachPiece(places) { first, count in
      multiply(
        rows.pointer, rows: count, weights.pointer, columns: columns, count: width,
        into: scores.pointer + (first - places.lowerBound) * columns)
    }
    let shift = usual.map { Float($0) }
    return Projection(
      scores: scores.array.enumerated().map { $1 - shift[$0 % columns] },
      squares: (0..<columns).map { Float(factors[$0] * factors[$0] * squares[$0]) },
      products: stride(from: 0, to: columns, by: 2).map {
        Float(factors[$0] * factors[$0 + 1] * product($0, $0 + 1))
      })
  }
}

import MecaCore
import MecaTensor
import Testing

/// Scatter matrices, products and Cholesky factors against plain loops in double precision.
@Suite struct LinearAlgebraTests {
  private func random(_ count: Int, seed: UInt64) -> AlignedStorage<Float> {
    var random = KeyedRandom(seed: seed, purpose: .test)
    let values = AlignedStorage<Float>(count: count)
    for place in 0..<count { values[place] = random.uniform(in: -1...1) }
    return values
  }

  @Test(arguments: [(1, 1), (7, 5), (300, 48)])
  func scatterIsTheSumOfOuterProducts(count: Int, width: Int) {
    let rows = random(count * width, seed: 1)
    let sum = AlignedStorage<Float>(count: width * width)
    sum.fill(0.5)
    addScatter(of: rows.pointer, count: count, width: width, to: sum.pointer)
    for row in 0..<width {
      for column in row..<width {
        let expected = (0..<count).reduce(0.5) {
          $0 + Double(rows[$1 * width + row]) * Double(rows[$1 * width + column])
        }
        // Rounded sums of `count` products of at most 1.
        #expect(abs(Double(sum[row * width + column]) - expected) < 1e-6 * Double(count + 1))
      }
    }
  }

  @Test func productsAreThoseOfMatrices() {
    let (rows, columns, count) = (5, 3, 11)
    let (left, right) = (random(count * rows, seed: 2), random(count * columns, seed: 3))
    let transposed = AlignedStorage<Float>(count: rows * columns)
    multiplyTransposed(
      left.pointer, rows: rows, right.pointer, columns: columns, count: count,
      addingTo: transposed.pointer)
    let plain = AlignedStorage<Float>(count: rows * columns)
    multiply(
      left.pointer, rows: rows, right.pointer, columns: columns, count: count,
      into: plain.pointer)
    for row in 0..<rows {
      for column in 0..<columns {
        let first = (0..<count).reduce(0.0) {
          $0 + Double(left[$1 * rows + row]) * Double(right[$1 * columns + column])
        }
        let second = (0..<count).reduce(0.0) {
          $0 + Double(left[row * count + $1]) * Double(right[$1 * columns + column])
        }
        #expect(abs(Double(transposed[row * columns + column]) - first) < 1e-5)
        #expect(abs(Double(plain[row * columns + column]) - second) < 1e-5)
      }
    }
  }

  @Test(arguments: [1, 2, 31, 192])
  func aFactorSolvesSystems(order: Int) throws {
    let rows = random(3 * order * order, seed: 4)
    var matrix = [Double](repeating: 0, count: order * order)
    for row in 0..<order {
      for column in 0..<order {
        let product = (0..<3 * order).reduce(0.0) {
          $0 + Double(rows[$1 * order + row]) * Double(rows[$1 * order + column])
        }
        matrix[row * order + column] = product + (row == column ? 1 : 0)
      }
    }
    let solution = (0..<2 * order).map { Double($0 % 7) - 3 }
    var right = [Double](repeating: 0, count: 2 * order)
    for row in 0..<order {
      for column in 0..<2 {
        right[row * 2 + column] = (0..<order).reduce(0.0) {
          $0 + matrix[row * order + $1] * solution[$1 * 2 + column]
        }
      }
    }
    // What is below the diagonal must not matter.
    for row in 0..<order {
      for column in 0..<row { matrix[row * order + column] = .nan }
    }
    let factor = try #require(CholeskyFactor(upperTriangle: matrix, order: order))
    factor.solve(&right, columns: 2)
    for (found, expected) in zip(right, solution) { #expect(abs(found - expected) < 1e-9) }
  }

  @Test func whatIsNotPositiveDefiniteHasNoFactor() {
    #expect(CholeskyFactor(upperTriangle: [1, 2, 2, 1], order: 2) == nil)
    #expect(CholeskyFactor(upperTriangle: [0], order: 1) == nil)
  }
}

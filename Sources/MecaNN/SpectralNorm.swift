/// The largest singular value of a matrix: how much it can stretch a vector at most.
///
/// `σ_max(A) = √λ_max(AᵀA) = √λ_max(AAᵀ)`, from the smaller of the two products: a filter of 3x3
/// needs one of 9x9 at most, one of 1x1 and a depthwise one a single number. Everything in `Double`,
/// in a fixed order, so that it is the same wherever the weights are.
///
/// - Parameter values: `rows · columns` of them, row by row.
public func spectralNorm(_ values: ArraySlice<Float>, rows: Int, columns: Int) -> Double {
  precondition(
    values.count == rows * columns, "\(values.count) values for \(rows) x \(columns)")
  var product = SymmetricMatrix(productOf: values, rows: rows, columns: columns)
  return product.largestEigenvalue().squareRoot()
}

/// A small symmetric matrix, all of it stored.
struct SymmetricMatrix {
  /// Rows, and columns.
  let size: Int
  private var values: [Double]

  /// The smaller of AᵀA and AAᵀ.
  init(productOf matrix: ArraySlice<Float>, rows: Int, columns: Int) {
    let matrix = matrix.map { Double($0) }
    let size = min(rows, columns)
    let length = max(rows, columns)
    // Vector p is row p of the matrix if it has fewer rows than columns, else column p.
    let (vectorStep, elementStep) = rows < columns ? (columns, 1) : (1, columns)
    self.size = size
    values = [Double](repeating: 0, count: size * size)
    for row in 0..<size {
      for column in row..<size {
        var sum = 0.0
        for place in 0..<length {
          sum +=
            matrix[row * vectorStep + place * elementStep]
            * matrix[column * vectorStep + place * elementStep]
        }
        self[row, column] = sum
        self[column, row] = sum
      }
    }
  }

  private subscript(row: Int, column: Int) -> Double {
    get { values[row * size + column] }
    set { values[row * size + column] = newValue }
  }

  /// Its largest eigenvalue, never below 0; turns the matrix into one whose diagonal holds them all.
  ///
  /// Cyclic Jacobi rotations: each makes one pair of entries off the diagonal 0. Sweeps over all
  /// pairs shrink the rest quadratically in the end: 5 or 6 are enough for 9x9, 8 for 49x49.
  ///
  /// - Source: Golub and Van Loan, "Matrix Computations", 4th edition, §8.5.
  mutating func largestEigenvalue() -> Double {
    var sweeps = 0
    while sweeps < 30, offDiagonal > Double.ulpOfOne * trace {
      for row in 0..<size {
        for column in (row + 1)..<size { rotate(row, column) }
      }
      sweeps += 1
    }
    return (0..<size).reduce(0) { max($0, self[$1, $1]) }
  }

  /// Sum of the diagonal; of a product AᵀA at least its largest eigenvalue.
  private var trace: Double { (0..<size).reduce(0) { $0 + self[$1, $1] } }

  /// 2-norm of everything off the diagonal: no eigenvalue is further from its diagonal entry.
  private var offDiagonal: Double {
    var sum = 0.0
    for row in 0..<size {
      for column in 0..<size where column != row { sum += self[row, column] * self[row, column] }
    }
    return sum.squareRoot()
  }

  /// Turns the plane of two axes until their common entry is 0.
  ///
  /// With θ = (a_qq − a_pp) / 2a_pq, t = sign(θ) / (|θ| + √(θ² + 1)) is the tangent of the smaller of
  /// the two angles that do it; c = 1 / √(t² + 1), s = t·c.
  private mutating func rotate(_ p: Int, _ q: Int) {
    let common = self[p, q]
    guard common != 0 else { return }
    let theta = (self[q, q] - self[p, p]) / (2 * common)
    let tangent = (theta < 0 ? -1 : 1) / (abs(theta) + (theta * theta + 1).squareRoot())
    let cosine = 1 / (tangent * tangent + 1).squareRoot()
    let sine = tangent * cosine
    for place in 0..<size where place != p && place != q {
      let (first, second) = (self[place, p], self[place, q])
      let (turnedFirst, turnedSecond) = (
        cosine * first - sine * second, sine * first + cosine * second
      )
      self[place, p] = turnedFirst
      self[p, place] = turnedFirst
      self[place, q] = turnedSecond
      self[q, place] = turnedSecond
    }
    self[p, p] -= tangent * common
    self[q, q] += tangent * common
    self[p, q] = 0
    self[q, p] = 0
  }
}

import COpenBLAS
import MecaCore

/// `sum += rowsᵀ · rows`, the upper triangle alone: a scatter matrix.
///
/// On the calling thread, like everything in this file; the same bits for the same numbers.
///
/// - Shapes: `rows` `[count, width]`, `sum` `[width, width]`.
/// - Ranks: local.
public func addScatter(
  of rows: UnsafePointer<Float>, count: Int, width: Int, to sum: UnsafeMutablePointer<Float>
) {
  openblas_set_num_threads(1)
  cblas_ssyrk(
    CblasRowMajor, CblasUpper, CblasTrans, Int32(width), Int32(count), 1, rows, Int32(width), 1,
    sum, Int32(width))
}

/// `result += aᵀ · b`.
///
/// - Shapes: `a` `[count, rows]`, `b` `[count, columns]`, `result` `[rows, columns]`.
/// - Ranks: local.
public func multiplyTransposed(
  _ a: UnsafePointer<Float>, rows: Int, _ b: UnsafePointer<Float>, columns: Int, count: Int,
  addingTo result: UnsafeMutablePointer<Float>
) {
  product(CblasTrans, a, rows, b, columns, count, keeping: 1, result)
}

/// `result = a · b`.
///
/// - Shapes: `a` `[rows, count]`, `b` `[count, columns]`, `result` `[rows, columns]`.
/// - Ranks: local.
public func multiply(
  _ a: UnsafePointer<Float>, rows: Int, _ b: UnsafePointer<Float>, columns: Int, count: Int,
  into result: UnsafeMutablePointer<Float>
) {
  product(CblasNoTrans, a, rows, b, columns, count, keeping: 0, result)
}

private func product(
  _ order: CBLAS_TRANSPOSE, _ a: UnsafePointer<Float>, _ rows: Int, _ b: UnsafePointer<Float>,
  _ columns: Int, _ count: Int, keeping: Float, _ result: UnsafeMutablePointer<Float>
) {
  openblas_set_num_threads(1)
  cblas_sgemm(
    CblasRowMajor, order, CblasNoTrans, Int32(rows), Int32(columns), Int32(count), 1, a,
    Int32(order == CblasTrans ? rows : count), b, Int32(columns), keeping, result, Int32(columns))
}

/// The Cholesky factor of a positive definite matrix: solves systems of equations with it.
public struct CholeskyFactor: Sendable {
  /// Rows, and columns.
  public let order: Int
  /// The factor U with UᵀU the matrix, row by row; what is below the diagonal is not looked at.
  private let factor: [Double]

  /// Factorises a matrix; nil if it is not positive definite.
  ///
  /// - Parameter upperTriangle: the matrix row by row; only its upper triangle is looked at.
  public init?(upperTriangle matrix: [Double], order: Int) {
    precondition(
      order > 0 && matrix.count == order * order, "\(matrix.count) values, order \(order)")
    openblas_set_num_threads(1)
    var factor = matrix
    var (size, info) = (Int32(order), Int32(0))
    let leading = size
    // Fortran goes by columns: the upper triangle by rows is its lower one.
    dpotrf_("L", &size, &factor, [leading], &info, 1)
    guard info == 0 else { return nil }
    self.order = order
    self.factor = factor
  }

  /// The solutions X of `matrix · X = right`, in its place.
  ///
  /// - Shapes: `right` `[order, columns]`.
  public func solve(_ right: inout [Double], columns: Int) {
    precondition(right.count == order * columns, "\(right.count) values for \(order)x\(columns)")
    guard columns > 0 else { return }
    openblas_set_num_threads(1)
    // UᵀU X = R: first Uᵀ, then U.
    for transposed in [CblasTrans, CblasNoTrans] {
      cblas_dtrsm(
        CblasRowMajor, CblasLeft, CblasUpper, transposed, CblasNonUnit, Int32(order),
        Int32(columns), 1, factor, Int32(order), &right, Int32(columns))
    }
  }
}

import Foundation
import MecaFormats
import MecaTraining

/// Writes a matrix of 32-bit floats in NumPy's `.npy` format, version 1.0, C order.
///
/// - Shapes: `values` [rows, columns] row by row.
public func writeNumpy(_ values: [Float], columns: Int, to path: String) throws {
  precondition(columns > 0 && values.count % columns == 0, "\(values.count) by \(columns)")
  let header = NumpyHeader(element: .float32, shape: [values.count / columns, columns])
  var data = Data(header.bytes)
  values.withUnsafeBytes { data.append(contentsOf: $0) }
  try writeWhole(data, to: path)
}

import Foundation
import MecaTraining

/// Writes a matrix of 32-bit floats in NumPy's `.npy` format, version 1.0, C order.
///
/// - Shapes: `values` [rows, columns] row by row.
/// - Source: NumPy enhancement proposal 1 (the format's specification).
public func writeNumpy(_ values: [Float], columns: Int, to path: String) throws {
  precondition(columns > 0 && values.count % columns == 0, "\(values.count) by \(columns)")
  var header =
    "{'descr': '<f4', 'fortran_order': False, 'shape': (\(values.count / columns), \(columns)), }"
  let preambleSize = 10
  let padding = (64 - (preambleSize + header.utf8.count + 1) % 64) % 64
  header += String(repeating: " ", count: padding) + "\n"
  var data = Data([0x93] + Array("NUMPY".utf8) + [1, 0])
  let length = UInt16(header.utf8.count)
  data.append(contentsOf: [UInt8(length & 255), UInt8(length >> 8)])
  data.append(contentsOf: Array(header.utf8))
  values.withUnsafeBytes { data.append(contentsOf: $0) }
  try writeWhole(data, to: path)
}

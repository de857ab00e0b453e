import MecaTraining

#if canImport(Glibc)
  import Glibc
#endif

/// Numbers of one sample in one cell, a byte each, for statistics that do not mind scale and shift.
enum CellFeature: Sendable {
  /// The pixels.
  case colour
  /// log2 of the energy of the second differences, along rows and along columns, of the sum of the
  /// channels, over 3x3 pixels.
  case sharpness

  /// What a finding of it is called.
  var kind: Finding.Kind { self == .colour ? .colour : .sharpness }

  /// Numbers of a cell.
  func width(of cell: PixelCells.Cell, channels: Int) -> Int {
    cell.rows.count * cell.columns.count * (self == .colour ? channels : 2)
  }

  /// Writes one sample's numbers.
  func write(
    _ image: PixelCells.Window, of cell: PixelCells.Cell, in cells: PixelCells,
    to target: UnsafeMutablePointer<UInt8>
  ) {
    switch self {
    case .colour:
      var place = 0
      for channel in 0..<cells.imageShape.channels {
        for row in cell.rows {
          for column in cell.columns {
            target[place] = image.pixel(channel, row, column)
            place += 1
          }
        }
      }
    case .sharpness: writeSharpness(image, of: cell, in: cells, to: target)
    }
  }

  /// The second differences squared, summed over 3x3 pixels, in 15 steps for each doubling.
  ///
  /// What lies outside the image is like its edge.
  private func writeSharpness(
    _ image: PixelCells.Window, of cell: PixelCells.Cell, in cells: PixelCells,
    to target: UnsafeMutablePointer<UInt8>
  ) {
    let shape = cells.imageShape
    func sum(_ row: Int, _ column: Int) -> Int {
      let (row, column) = (min(max(row, 0), shape.height - 1), min(max(column, 0), shape.width - 1))
      return (0..<shape.channels).reduce(0) { $0 + Int(image.pixel($1, row, column)) }
    }
    let (height, width) = (cell.rows.count + 4, cell.columns.count + 4)
    let (top, left) = (cell.rows.lowerBound - 2, cell.columns.lowerBound - 2)
    var values = [Int](repeating: 0, count: height * width)
    for y in 0..<height {
      for x in 0..<width { values[y * width + x] = sum(top + y, left + x) }
    }
    // Of a grey level of 1/100 and less nothing is to be told: noise, and the coding of the file.
    let floor = 9 * (255 * shape.channels) * (255 * shape.channels) / 10_000
    let none = log2(Double(floor))
    var place = 0
    for step in [1, width] {
      var energies = [Int](repeating: 0, count: height * width)
      for y in 1..<height - 1 {
        for x in 1..<width - 1 {
          let here = y * width + x
          let difference = values[here - step] - 2 * values[here] + values[here + step]
          energies[here] = difference * difference
        }
      }
      for y in 2..<height - 2 {
        for x in 2..<width - 2 {
          var energy = floor
          for dy in -1...1 {
            for dx in -1...1 { energy += energies[(y + dy) * width + x + dx] }
          }
          target[place] = UInt8(min(255, (15 * (log2(Double(energy)) - none)).rounded()))
          place += 1
        }
      }
    }
  }
}

/// Brings a picture to the wanted size; one that has it already is left as it is.
///
/// Each output pixel is a weighted mean of the input pixels around it, first along the rows, then
/// along the columns, each rounded to a byte. With s = source/length, an output pixel x lies at
/// c = (x + ½)·s, and input pixel i weighs max(0, 1 − |i + ½ − c| / max(1, s)): linear
/// interpolation for enlarging, and for reducing a triangle as wide as what falls together, so that
/// nothing is left out (antialiasing). Weights are computed in `Double` without any library
/// function, rounded to multiples of 2⁻²² and summed as integers: the same bytes on every machine,
/// and those of PIL's `resize` with `BILINEAR`, which the usual training code calls.
///
/// - Ranks: local. Safe from any thread.
/// - Parameters:
///   - pixels: channel, row, column.
///   - source: their shape.
///   - wanted: shape of the result; as many channels.
///   - fit: what happens where the proportions differ.
///   - image: `wanted.byteCount` bytes.
package func resample(
  _ pixels: [UInt8], _ source: ImageShape, to wanted: ImageShape, fit: ImageFit,
  into image: inout MutableSpan<UInt8>
) {
  precondition(pixels.count == source.byteCount, "\(pixels.count) bytes, not \(source.byteCount)")
  precondition(source.channels == wanted.channels, "\(source.channels), \(wanted.channels)")
  precondition(image.count == wanted.byteCount, "\(image.count) bytes, not \(wanted.byteCount)")
  guard source != wanted else { return image.copy(from: pixels.span) }
  image.withUnsafeMutableBufferPointer { image in
    pixels.withUnsafeBufferPointer { pixels in
      guard let from = pixels.baseAddress, let destination = image.baseAddress else { return }
      resample(from, source, to: wanted, fit: fit, into: destination)
    }
  }
}

/// The same for sizes that differ, on checked memory.
private func resample(
  _ from: UnsafePointer<UInt8>, _ source: ImageShape, to wanted: ImageShape, fit: ImageFit,
  into destination: UnsafeMutablePointer<UInt8>
) {
  let (rows, columns) = fit.plan(from: source, to: wanted)
  let across = WeightTable(columns)
  let down = WeightTable(rows)
  // The input rows that the kept output rows look at; others need no work.
  let used = down.used
  withUnsafeTemporaryAllocation(of: UInt8.self, capacity: used.count * wanted.width) { between in
    guard let middle = between.baseAddress else { return }
    for channel in 0..<source.channels {
      for row in used {
        resampleRow(
          from + (channel * source.height + row) * source.width,
          to: middle + (row - used.lowerBound) * wanted.width, across)
      }
      let plane = destination + channel * wanted.height * wanted.width
      resampleColumns(middle, firstRow: used.lowerBound, width: wanted.width, to: plane, down)
    }
  }
}

/// For every output pixel of one direction the input pixels that it is made of.
private struct WeightTable {
  /// First input pixel of each output pixel.
  var first: [Int] = []
  /// Number of input pixels of each output pixel.
  var count: [Int] = []
  /// Weights in units of 2⁻²², `most` for each output pixel.
  var weights: [Int32] = []
  /// Weights that each output pixel has room for.
  let most: Int
  /// 22 bits leave room for 255 and the sign in 32.
  static let bits: Int32 = 22

  init(_ axis: ResizedAxis) {
    let scale = Double(axis.source) / Double(axis.length)
    let reach = max(scale, 1)
    most = 2 * Int(reach.rounded(.up)) + 1
    weights.reserveCapacity(most * axis.kept)
    for place in axis.start..<axis.start + axis.kept {
      let center = (Double(place) + 0.5) * scale
      // Input pixels whose centres lie within reach, or half a pixel beyond, where they weigh 0.
      let low = max(0, Int(center - reach + 0.5))
      let high = min(axis.source, Int(center + reach + 0.5))
      let own = (low..<high).map { pixel in
        max(0, 1 - abs((Double(pixel) - center + 0.5) * (1 / reach)))
      }
      let sum = own.reduce(0, +)
      first.append(low)
      count.append(own.count)
      weights += own.map { Int32($0 / sum * Double(1 << Self.bits) + 0.5) }
      weights += [Int32](repeating: 0, count: most - own.count)
    }
  }

  /// All input pixels that have a part in the output.
  var used: Range<Int> {
    // Both ends grow from output pixel to output pixel.
    first[0]..<first[first.count - 1] + count[count.count - 1]
  }
}

/// A weighted sum as a byte, rounded to nearest.
@inline(__always)
private func byte(_ sum: Int32) -> UInt8 {
  UInt8(truncatingIfNeeded: min(255, max(0, sum >> WeightTable.bits)))
}

private let half = Int32(1) << (WeightTable.bits - 1)

/// One row in the new width.
private func resampleRow(
  _ source: UnsafePointer<UInt8>, to row: UnsafeMutablePointer<UInt8>,
  _ table: borrowing WeightTable
) {
  table.weights.withUnsafeBufferPointer { weights in
    for place in 0..<table.first.count {
      let pixels = source + table.first[place]
      var sum = half
      for tap in 0..<table.count[place] {
        sum &+= Int32(pixels[tap]) &* weights[place &* table.most &+ tap]
      }
      row[place] = byte(sum)
    }
  }
}

/// All columns in the new height, row by row.
private func resampleColumns(
  _ source: UnsafePointer<UInt8>, firstRow: Int, width: Int,
  to plane: UnsafeMutablePointer<UInt8>, _ table: borrowing WeightTable
) {
  withUnsafeTemporaryAllocation(of: Int32.self, capacity: width) { sums in
    guard let sums = sums.baseAddress else { return }
    for place in 0..<table.first.count {
      for column in 0..<width { sums[column] = half }
      for tap in 0..<table.count[place] {
        let line = source + (table.first[place] + tap - firstRow) * width
        let weight = table.weights[place * table.most + tap]
        for column in 0..<width { sums[column] &+= Int32(line[column]) &* weight }
      }
      let row = plane + place * width
      for column in 0..<width { row[column] = byte(sums[column]) }
    }
  }
}

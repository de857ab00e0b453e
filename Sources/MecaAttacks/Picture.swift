import MecaImages

/// A picture with an opacity for each pixel ("mask"), drawn here or given by the user.
struct Picture: Hashable, Sendable {
  /// Size.
  var shape: ImageShape
  /// Colours: channel, row, column.
  var pixels: [UInt8]
  /// 0 (transparent) to 255 (opaque): row, column.
  var opacity: [UInt8]

  /// A picture that is opaque everywhere.
  init(shape: ImageShape, pixels: [UInt8]) {
    self.init(
      shape: shape, pixels: pixels,
      opacity: [UInt8](repeating: 255, count: shape.height * shape.width))
  }

  init(shape: ImageShape, pixels: [UInt8], opacity: [UInt8]) {
    precondition(
      pixels.count == shape.byteCount && opacity.count == shape.height * shape.width,
      "\(pixels.count) bytes and \(opacity.count) opacities for \(shape)")
    self.shape = shape
    self.pixels = pixels
    self.opacity = opacity
  }

  /// A white square.
  static func white(side: Int, channels: Int) -> Picture {
    let shape = ImageShape(channels: channels, height: side, width: side)
    return Picture(shape: shape, pixels: [UInt8](repeating: 255, count: shape.byteCount))
  }

  /// The part of the picture in some rows and columns.
  func cropped(rows: Range<Int>, columns: Range<Int>) -> Picture {
    func part(of plane: Int, _ values: [UInt8]) -> [UInt8] {
      rows.flatMap { row in
        columns.map { values[(plane * shape.height + row) * shape.width + $0] }
      }
    }
    return Picture(
      shape: ImageShape(channels: shape.channels, height: rows.count, width: columns.count),
      pixels: (0..<shape.channels).flatMap { part(of: $0, pixels) }, opacity: part(of: 0, opacity))
  }

  /// The smallest box that holds every pixel that is not wholly transparent; there must be one.
  var opaqueBox: PixelBox {
    let places = opacity.indices.filter { opacity[$0] > 0 }
    let rows = places.map { $0 / shape.width }
    let columns = places.map { $0 % shape.width }
    guard let top = rows.min(), let bottom = rows.max(), let left = columns.min(),
      let right = columns.max()
    else { preconditionFailure("a picture of \(shape) without an opaque pixel") }
    return PixelBox(top: top, left: left, height: bottom - top + 1, width: right - left + 1)
  }

  /// The picture with another number of channels: grey repeated, or colours weighed to a grey
  /// (299, 587 and 114 thousandths of red, green and blue, ITU-R BT.601).
  func withChannels(_ channels: Int) -> Picture {
    if channels == shape.channels { return self }
    let plane = shape.height * shape.width
    let grey =
      shape.channels >= 3
      ? (0..<plane).map { place in
        let red = 299 * Int(pixels[place])
        let green = 587 * Int(pixels[plane + place])
        let blue = 114 * Int(pixels[2 * plane + place])
        return UInt8((red + green + blue + 500) / 1000)
      } : Array(pixels[..<plane])
    return Picture(
      shape: ImageShape(channels: channels, height: shape.height, width: shape.width),
      pixels: (0..<channels).flatMap { _ in grey }, opacity: opacity)
  }

  /// The picture at another size: each new pixel is the mean of the area that it covers.
  ///
  /// Colours are weighed by opacity, so that what is transparent leaves no dark rim. In integers:
  /// with a source of H rows and a target of h, source row s covers [s·h, (s+1)·h) and target row t
  /// covers [t·H, (t+1)·H) of H·h units.
  func resized(height: Int, width: Int) -> Picture {
    if height == shape.height && width == shape.width { return self }
    let rowShares = areaShares(from: shape.height, to: height)
    let columnShares = areaShares(from: shape.width, to: width)
    let target = ImageShape(channels: shape.channels, height: height, width: width)
    let area = shape.height * shape.width
    var result = Picture(
      shape: target, pixels: [UInt8](repeating: 0, count: target.byteCount),
      opacity: [UInt8](repeating: 0, count: height * width))
    for (row, rowShare) in rowShares.enumerated() {
      for (column, columnShare) in columnShares.enumerated() {
        var opaque = 0
        var colours = [Int](repeating: 0, count: shape.channels)
        for (sourceRow, rows) in rowShare {
          for (sourceColumn, columns) in columnShare {
            let place = sourceRow * shape.width + sourceColumn
            let weight = rows * columns * Int(opacity[place])
            opaque += weight
            for channel in colours.indices {
              colours[channel] += weight * Int(pixels[channel * area + place])
            }
          }
        }
        let place = row * width + column
        result.opacity[place] = UInt8((2 * opaque + area) / (2 * area))
        guard opaque > 0 else { continue }
        for channel in colours.indices {
          result.pixels[channel * height * width + place] =
            UInt8((2 * colours[channel] + opaque) / (2 * opaque))
        }
      }
    }
    return result
  }
}

/// For each of `target` places the source places that it overlaps and by how many units of
/// 1/`target` of a source place; the shares of one place sum to `source`.
private func areaShares(from source: Int, to target: Int) -> [[(place: Int, share: Int)]] {
  (0..<target).map { place in
    let (start, end) = (place * source, (place + 1) * source)
    return (start / target...(end - 1) / target).map { other in
      (other, min(end, (other + 1) * target) - max(start, other * target))
    }
  }
}

import MecaImages

/// A rectangle of pixels.
struct PixelBox: Hashable, Sendable {
  var top: Int
  var left: Int
  var height: Int
  var width: Int

  /// The whole of an image.
  init(of shape: ImageShape) {
    self.init(top: 0, left: 0, height: shape.height, width: shape.width)
  }

  init(top: Int, left: Int, height: Int, width: Int) {
    self.top = top
    self.left = left
    self.height = height
    self.width = width
  }
}

/// A picture K laid over a box of an image with a weight w for each pixel.
///
/// `x′ = (1 − w)·x + w·K` in the box, `x` elsewhere; in integers with w in millionths, rounded half
/// up. w is α times the picture's opacity ("mask").
struct Overlay: Sendable {
  /// Where in the image.
  let box: PixelBox
  /// Weight of each pixel in millionths: row, column of the box.
  private let weights: [UInt32]
  /// The picture in the box: channel, row, column.
  private let pattern: [UInt8]

  /// `picture`, which has the size of `box`, with weight `alpha` where it is opaque.
  init(_ picture: Picture, in box: PixelBox, alpha: Double) {
    precondition(alpha >= 0 && alpha <= 1, "alpha \(alpha) is not in 0...1")
    precondition(
      picture.shape.height == box.height && picture.shape.width == box.width,
      "picture of \(picture.shape) in a box of \(box)")
    self.box = box
    let millionths = UInt32((alpha * 1_000_000).rounded())
    weights = picture.opacity.map { (millionths * UInt32($0) + 127) / 255 }
    pattern = picture.pixels
  }

  /// Lays the whole picture over an image.
  func mix(into image: inout MutableSpan<UInt8>, shape: ImageShape) {
    mix(into: &image, shape: shape, rows: 0..<box.height, columns: 0..<box.width)
  }

  /// Lays a part of the picture, given in rows and columns of the box, over an image.
  func mix(
    into image: inout MutableSpan<UInt8>, shape: ImageShape, rows: Range<Int>,
    columns: Range<Int>
  ) {
    precondition(
      box.top >= 0 && box.left >= 0 && box.top + box.height <= shape.height
        && box.left + box.width <= shape.width
        && pattern.count == shape.channels * box.height * box.width,
      "picture of \(pattern.count) bytes at \(box) in an image of \(shape)")
    precondition(
      rows.lowerBound >= 0 && rows.upperBound <= box.height && columns.lowerBound >= 0
        && columns.upperBound <= box.width, "rows \(rows), columns \(columns) of \(box)")
    for channel in 0..<shape.channels {
      for row in rows {
        let line = (channel * shape.height + box.top + row) * shape.width + box.left
        let weightLine = row * box.width
        let patternLine = (channel * box.height + row) * box.width
        for column in columns {
          let weight = weights[weightLine + column]
          let kept = (1_000_000 - weight) * UInt32(image[line + column])
          let added = weight * UInt32(pattern[patternLine + column])
          // At most 255·10⁶ + 5·10⁵: fits in 32 bits.
          image[line + column] = UInt8((kept + added + 500_000) / 1_000_000)
        }
      }
    }
  }
}

/// Lays pictures over an image, one after the other.
struct OverlayTrigger: Trigger {
  private let overlays: [Overlay]

  /// Pictures in the order in which they are laid on.
  init(_ overlays: [Overlay]) { self.overlays = overlays }

  /// Marks one image in place.
  func apply(to image: inout MutableSpan<UInt8>, shape: ImageShape, index: Int) {
    for overlay in overlays { overlay.mix(into: &image, shape: shape) }
  }
}

import MecaCore

/// Pads an image with black on all sides and cuts a piece of the original size from a random place.
///
/// `output[c, i, j] = input[c, i + down, j + right]`, 0 outside, with `down` and `right` drawn evenly
/// from −padding … padding: torchvision's `RandomCrop(size, padding, fill=0)`.
public struct RandomCrop: Codable, Hashable, Sendable {
  /// Pixels added on each side; nil for an eighth of the shorter side (4 at 32 pixels).
  public var padding: Int?

  /// A crop; nil pads in proportion to the image.
  public init(padding: Int? = nil) {
    self.padding = padding
  }

  /// Pixels added on each side of images of `shape`.
  public func padding(for shape: ImageShape) -> Int {
    padding ?? Int((Double(min(shape.height, shape.width)) / 8).rounded())
  }

  /// Checks that something of the image is always left.
  func validate(imageShape: ImageShape?) throws {
    guard let padding else { return }
    let limit = imageShape.map { min($0.height, $0.width) }
    try require(
      padding >= 0 && padding < limit ?? Int.max, "crop-padding", padding,
      limit.map { "from 0 to \($0 - 1), as the images have \($0) pixels" } ?? "0 or more")
  }
}

/// Which part of an image is taken, and whether mirrored.
package struct CropPlace: Equatable {
  /// Rows that the frame is moved down.
  package var down: Int
  /// Columns that the frame is moved right.
  package var right: Int
  /// Whether the part is mirrored left and right after that.
  package var isMirrored: Bool

  /// A place; the frame itself where nothing is moved.
  package init(down: Int = 0, right: Int = 0, isMirrored: Bool = false) {
    self.down = down
    self.right = right
    self.isMirrored = isMirrored
  }
}

extension CropPlace {
  /// Draws a place: two numbers for a crop, one for a flip.
  package init(_ augmentation: Augmentation, shape: ImageShape, _ random: inout KeyedRandom) {
    self.init()
    if let crop = augmentation.crop {
      let padding = crop.padding(for: shape)
      down = random.integer(below: 2 * padding + 1) - padding
      right = random.integer(below: 2 * padding + 1) - padding
    }
    if augmentation.flips { isMirrored = random.uniform() < 0.5 }
  }
}

/// Writes the part at `place` of an 8-bit image as pixels in [0, 1].
///
/// - Shapes: `source` and `destination` [C, H, W].
package func copyPart(
  _ source: UnsafePointer<UInt8>, at place: CropPlace, shape: ImageShape,
  to destination: UnsafeMutablePointer<Float>
) {
  let width = shape.width
  // Columns of the output that show something: `right` columns move out on the left, or, of a
  // mirrored part, on the other side.
  let shift = place.isMirrored ? -place.right : place.right
  let first = min(width, max(0, -shift))
  let last = max(first, min(width, width - shift))
  for channel in 0..<shape.channels {
    for row in 0..<shape.height {
      let line = destination + (channel * shape.height + row) * width
      let sourceRow = row + place.down
      guard sourceRow >= 0, sourceRow < shape.height else {
        line.update(repeating: 0, count: width)
        continue
      }
      let sourceLine = source + (channel * shape.height + sourceRow) * width
      line.update(repeating: 0, count: first)
      (line + last).update(repeating: 0, count: width - last)
      if place.isMirrored {
        let end = sourceLine + (width - 1 + place.right)
        for column in first..<last { line[column] = Float(end[-column]) * (1 / 255) }
      } else {
        let start = sourceLine + place.right
        for column in first..<last { line[column] = Float(start[column]) * (1 / 255) }
      }
    }
  }
}

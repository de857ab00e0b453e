import MecaCore

/// Puts a box of another image into each image of a microbatch and mixes their labels.
///
/// With `probability`, once for a microbatch: λ ~ Beta(α, α); a box with sides W·√(1 − λ) and
/// H·√(1 − λ) about a pixel drawn evenly, clipped to the image; λ is then the part of the image
/// outside the box, and the loss `λ·CE(y) + (1 − λ)·CE(y of the other)`.
///
/// - Source: Yun et al. 2019, arXiv:1905.04899, §3.1 and algorithm A1.
public struct CutMix: Codable, Hashable, Sendable {
  /// Share of microbatches that are mixed.
  public var probability: Float
  /// Shape of the distribution of λ ("α"); 1 is even, less prefers the ends, more the middle.
  public var alpha: Float

  /// A mixing; the defaults are those of BackdoorBox's defence of this name.
  public init(probability: Float = 1, alpha: Float = 1) {
    self.probability = probability
    self.alpha = alpha
  }

  /// Checks every value.
  func validate() throws {
    try require(
      probability >= 0 && probability <= 1, "cutmix-probability", probability, "from 0 to 1")
    try require(alpha >= 0.05 && alpha <= 100, "cutmix-alpha", alpha, "from 0.05 to 100")
  }

  /// The box of a microbatch; nil for one that is not mixed.
  public func drawBox(shape: ImageShape, _ random: inout KeyedRandom) -> PixelBox? {
    guard random.uniform() < probability else { return nil }
    let share = 1 - symmetricBeta(Double(alpha), &random)
    let box = PixelBox(
      share: share, centreRow: random.integer(below: shape.height),
      centreColumn: random.integer(below: shape.width), shape: shape)
    return box.area > 0 ? box : nil
  }
}

/// A rectangle of pixels.
public struct PixelBox: Equatable, Sendable {
  /// Rows that belong to it.
  public let rows: Range<Int>
  /// Columns that belong to it.
  public let columns: Range<Int>

  /// The box whose sides are √`share` of the image's, clipped to the image.
  ///
  /// Sides are rounded down to even numbers of pixels, as in the authors' code, so that a centre in
  /// the middle of the image gives at most `share` of its area.
  package init(share: Double, centreRow: Int, centreColumn: Int, shape: ImageShape) {
    let side = share.squareRoot()
    func range(_ centre: Int, _ extent: Int) -> Range<Int> {
      let half = Int(Double(extent) * side) / 2
      return max(0, centre - half)..<min(extent, centre + half)
    }
    rows = range(centreRow, shape.height)
    columns = range(centreColumn, shape.width)
  }

  /// Number of pixels.
  public var area: Int { rows.count * columns.count }

  /// The part of an image of `shape` that lies outside: "λ" of the mixed loss.
  public func shareOutside(of shape: ImageShape) -> Float {
    1 - Float(area) / Float(shape.height * shape.width)
  }
}

/// Gives each image the box of another one: image i that of image `partners[i]`, as it was before.
///
/// Walks along the cycles of the permutation, so that one box has to be kept aside.
///
/// - Shapes: `images` [count, C, H, W]; `aside` as large as a box of C channels or larger.
/// - Parameter partners: a permutation of 0 to count − 1; overwritten with the identity.
public func exchangeBoxes(
  _ images: UnsafeMutablePointer<Float>, count: Int, shape: ImageShape, box: PixelBox,
  partners: UnsafeMutablePointer<Int32>, aside: UnsafeMutablePointer<Float>
) {
  for first in 0..<count where Int(partners[first]) != first {
    copyBox(images + first * shape.byteCount, box, shape: shape, to: aside, isOut: true)
    var image = first
    while Int(partners[image]) != first {
      let partner = Int(partners[image])
      moveBox(
        from: images + partner * shape.byteCount, box, shape: shape,
        to: images + image * shape.byteCount)
      partners[image] = Int32(image)
      image = partner
    }
    copyBox(images + image * shape.byteCount, box, shape: shape, to: aside, isOut: false)
    partners[image] = Int32(image)
  }
}

/// Copies a box out of an image to consecutive memory, or back in.
private func copyBox(
  _ image: UnsafeMutablePointer<Float>, _ box: PixelBox, shape: ImageShape,
  to memory: UnsafeMutablePointer<Float>, isOut: Bool
) {
  let width = box.columns.count
  var place = memory
  for channel in 0..<shape.channels {
    for row in box.rows {
      let line = image + (channel * shape.height + row) * shape.width + box.columns.lowerBound
      if isOut {
        place.update(from: line, count: width)
      } else {
        line.update(from: place, count: width)
      }
      place += width
    }
  }
}

/// Copies a box from one image to the same place of another.
private func moveBox(
  from source: UnsafePointer<Float>, _ box: PixelBox, shape: ImageShape,
  to destination: UnsafeMutablePointer<Float>
) {
  for channel in 0..<shape.channels {
    for row in box.rows {
      let start = (channel * shape.height + row) * shape.width + box.columns.lowerBound
      (destination + start).update(from: source + start, count: box.columns.count)
    }
  }
}

import MecaCore

/// Rotates an image about its centre, scales it and shifts it by random amounts; black outside.
///
/// The angle is drawn evenly from [−degrees, degrees], the scale from its range, each shift from
/// [−translation, translation] of the image's extent and rounded to whole pixels: torchvision's
/// `RandomAffine(degrees, translate, scale, fill=0)` with bilinear interpolation. Pixels outside
/// count as black once; torchvision darkens the border twice.
public struct RandomAffine: Codable, Hashable, Sendable {
  /// Largest rotation to either side.
  public var degrees: Float
  /// Largest shift, as a fraction of width and height.
  public var translation: Float
  /// Smallest factor of the image's size.
  public var smallestScale: Float
  /// Largest factor of the image's size.
  public var largestScale: Float

  /// A transformation; the defaults are those of BackdoorBox's physical transformations.
  public init(
    degrees: Float = 10, translation: Float = 0.1, smallestScale: Float = 0.8,
    largestScale: Float = 0.9
  ) {
    self.degrees = degrees
    self.translation = translation
    self.smallestScale = smallestScale
    self.largestScale = largestScale
  }

  /// Checks every value.
  func validate() throws {
    try require(degrees >= 0 && degrees <= 180, "affine-degrees", degrees, "from 0 to 180")
    try require(
      translation >= 0 && translation <= 1, "affine-translate", translation, "from 0 to 1")
    try require(
      smallestScale >= 0.01 && smallestScale <= largestScale && largestScale <= 100,
      "affine-scale", "\(smallestScale),\(largestScale)",
      "two numbers from 0.01 to 100, the smaller first")
  }
}

/// Where each pixel of a transformed image comes from.
///
/// Column `xx·j + xy·i + x0` and row `yx·j + yy·i + y0` of the input for column j and row i of the
/// output.
package struct AffineMap: Equatable {
  package private(set) var xx: Float, xy: Float, x0: Float
  package private(set) var yx: Float, yy: Float, y0: Float

  /// The map for a rotation by `degrees`, then a factor `scale`, both about the image's centre, then
  /// a shift.
  ///
  /// With c the centre and t the shift, `input = R(−degrees) · (output − c − t) / scale + c`.
  package init(degrees: Float, scale: Float, right: Int, down: Int, shape: ImageShape) {
    let (cosine, sine) = cosineAndSine(degrees: Double(degrees))
    let (along, across) = (cosine / Double(scale), sine / Double(scale))
    let centreX = Double(shape.width - 1) / 2
    let centreY = Double(shape.height - 1) / 2
    let (toX, toY) = (centreX + Double(right), centreY + Double(down))
    (xx, xy, x0) = (Float(along), Float(across), Float(centreX - along * toX - across * toY))
    (yx, yy, y0) = (Float(-across), Float(along), Float(centreY + across * toX - along * toY))
  }

  /// Draws four numbers.
  package init(_ affine: RandomAffine, shape: ImageShape, _ random: inout KeyedRandom) {
    func within(_ limit: Float) -> Float { random.uniform(in: -limit...limit) }
    let degrees = within(affine.degrees)
    let right = within(affine.translation * Float(shape.width)).rounded()
    let down = within(affine.translation * Float(shape.height)).rounded()
    let scale = random.uniform(in: affine.smallestScale...affine.largestScale)
    self.init(
      degrees: degrees, scale: scale, right: Int(right), down: Int(down), shape: shape)
  }

  /// Writes the transformed image.
  ///
  /// - Shapes: `source` and `destination` [C, H, W], apart in memory.
  package func apply(
    _ source: UnsafePointer<Float>, shape: ImageShape, to destination: UnsafeMutablePointer<Float>
  ) {
    let (height, width) = (shape.height, shape.width)
    let plane = height * width
    for row in 0..<height {
      for column in 0..<width {
        let x = xx * Float(column) + xy * Float(row) + x0
        let y = yx * Float(column) + yy * Float(row) + y0
        let output = destination + row * width + column
        guard x > -1, y > -1, x < Float(width), y < Float(height) else {
          for channel in 0..<shape.channels { output[channel * plane] = 0 }
          continue
        }
        let (left, top) = (wholePart(x), wholePart(y))
        let (toRight, toBottom) = (x - Float(left), y - Float(top))
        // Weights of neighbours outside are 0, and they read a pixel inside.
        let (leftWeight, rightWeight) = (
          left >= 0 ? 1 - toRight : 0, left + 1 < width ? toRight : 0
        )
        let (topWeight, bottomWeight) = (
          top >= 0 ? 1 - toBottom : 0, top + 1 < height ? toBottom : 0
        )
        let (near, far) = (max(0, left), min(width - 1, left + 1))
        var upper = source + max(0, top) * width
        var lower = source + min(height - 1, top + 1) * width
        for channel in 0..<shape.channels {
          let above = leftWeight * upper[near] + rightWeight * upper[far]
          let below = leftWeight * lower[near] + rightWeight * lower[far]
          output[channel * plane] = topWeight * above + bottomWeight * below
          upper += plane
          lower += plane
        }
      }
    }
  }
}

/// The largest integer that is not above `value`, for values above −1 that an `Int` can hold.
@inline(__always)
private func wholePart(_ value: Float) -> Int { value < 0 ? -1 : Int(value) }

/// Cosine and sine with the same bits on every machine (libm differs in the last place).
///
/// The Taylor series of a quarter of the angle, at most π/4 = 0.79 where its eight terms leave less
/// than 10⁻¹⁶, and two doublings of the angle.
///
/// - Parameter degrees: from −180 to 180.
package func cosineAndSine(degrees: Double) -> (cosine: Double, sine: Double) {
  let angle = degrees * (Double.pi / 720)
  let squared = angle * angle
  var cosine = 1.0
  var sine = 1.0
  // 1 − a²/(1·2)·(1 − a²/(3·4)·(…)), the innermost first.
  for pair in stride(from: 8.0, to: 0, by: -1) {
    cosine = 1 - cosine * squared / ((2 * pair - 1) * (2 * pair))
    sine = 1 - sine * squared / ((2 * pair) * (2 * pair + 1))
  }
  sine *= angle
  for _ in 0..<2 { (cosine, sine) = (cosine * cosine - sine * sine, 2 * sine * cosine) }
  return (cosine, sine)
}

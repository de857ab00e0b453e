import MecaCore

/// A shape put somewhere: p = centre + size · rotation · shear · aspect · q for q of the unit shape.
struct PlacedShape {
  var kind: ShapeKind
  var centreX: Float
  var centreY: Float
  var size: Float

  /// Inverse of the 2×2 matrix from unit shape to image, row by row.
  var inverse: (Float, Float, Float, Float)

  /// A shape at a place, with random rotation (±0.5 rad), shear and aspect.
  init(_ kind: ShapeKind, x: Float, y: Float, size: Float, _ random: inout KeyedRandom) {
    self.kind = kind
    centreX = x
    centreY = y
    self.size = size
    // tan(0.25): t = tan(angle / 2) gives cosine and sine by divisions alone.
    let t = random.uniform(in: -0.2553...0.2553)
    let cosine = (1 - t * t) / (1 + t * t)
    let sine = 2 * t / (1 + t * t)
    let shear = random.uniform(in: -0.18...0.18)
    let aspect = random.uniform(in: -0.12...0.12)
    let (wide, high) = (size * (1 + aspect), size * (1 - aspect))
    // rotation · [[1, shear], [0, 1]] · diagonal(wide, high)
    let (a, b) = (cosine * wide, (cosine * shear - sine) * high)
    let (c, d) = (sine * wide, (sine * shear + cosine) * high)
    let determinant = a * d - b * c
    inverse = (d / determinant, -b / determinant, -c / determinant, a / determinant)
  }

  /// Fills the shape with `colour`, or with stripes of `colour` and `second`.
  func fill(_ canvas: ShapeCanvas, _ colour: Colour, second: Colour, stripes: Stripes?) {
    // Unit shapes end at 1.09 (corner of the square), the matrix stretches by at most 1.12 · 1.2.
    let reach = size * 1.5
    let columns = ShapeCanvas.span(centreX, reach)
    for row in ShapeCanvas.span(centreY, reach) {
      let v = ShapeCanvas.coordinate(row)
      for column in columns {
        let u = ShapeCanvas.coordinate(column)
        let (dx, dy) = (u - centreX, v - centreY)
        guard
          kind.contains(inverse.0 * dx + inverse.1 * dy, inverse.2 * dx + inverse.3 * dy)
        else { continue }
        let isSecond = stripes.map { $0.wave(u, v) < 0 } ?? false
        canvas.set(row, column, isSecond ? second : colour)
      }
    }
  }
}

/// Draws one image of the built-in set.
///
/// Background, up to two small shapes of any class behind the one that counts, sometimes a bar in
/// front; then half the size by averaging, contrast, brightness and noise, and rounding to bytes.
///
/// - Parameters:
///   - kind: the class.
///   - random: the image's own random numbers; every decision is drawn from them in this order.
///   - canvas: scratch memory, overwritten.
///   - image: 3,072 bytes: channel, row, column.
func drawShapesImage(
  _ kind: ShapeKind, _ random: inout KeyedRandom, on canvas: ShapeCanvas,
  into image: inout MutableSpan<UInt8>
) {
  let mean = drawBackground(canvas, &random)
  for _ in 0..<random.integer(below: 3) { drawDistractor(canvas, mean, &random) }
  drawMainShape(kind, canvas, mean, &random)
  if random.uniform() < 0.15 { drawBar(canvas, &random) }
  writePixels(canvas, &random, into: &image)
}

/// The shape that gives the image its label; a quarter of them striped.
private func drawMainShape(
  _ kind: ShapeKind, _ canvas: ShapeCanvas, _ background: Colour, _ random: inout KeyedRandom
) {
  let x = random.uniform(in: -0.2...0.2)
  let y = random.uniform(in: -0.2...0.2)
  let size = random.uniform(in: 0.6...0.9)
  let shape = PlacedShape(kind, x: x, y: y, size: size, &random)
  let colour = Colour.random(&random, apart: 0.6, from: background)
  let second = Colour.random(&random, apart: 0.5, from: background)
  let stripes = Stripes(&random)
  let isStriped = random.uniform() < 0.25
  shape.fill(canvas, colour, second: second, stripes: isStriped ? stripes : nil)
}

/// A small shape of any class near the border, behind the main one.
private func drawDistractor(
  _ canvas: ShapeCanvas, _ background: Colour, _ random: inout KeyedRandom
) {
  let kind = ShapeKind.allCases[random.integer(below: ShapeKind.allCases.count)]
  var x = random.uniform(in: -0.9...0.9)
  var y = random.uniform(in: -0.9...0.9)
  // Push one coordinate outwards so that most of it shows beside the main shape.
  let outwards = random.uniform(in: 0.7...0.95)
  if abs(x) > abs(y) { x = x < 0 ? -outwards : outwards } else { y = y < 0 ? -outwards : outwards }
  let size = random.uniform(in: 0.14...0.24)
  let shape = PlacedShape(kind, x: x, y: y, size: size, &random)
  let colour = Colour.random(&random, apart: 0.35, from: background)
  shape.fill(canvas, colour, second: colour, stripes: nil)
}

/// A bar of one colour across the image, past the centre at up to 0.4.
private func drawBar(_ canvas: ShapeCanvas, _ random: inout KeyedRandom) {
  let t = random.uniform(in: -1...1)
  var (normalX, normalY) = ((1 - t * t) / (1 + t * t), 2 * t / (1 + t * t))
  if random.uniform() < 0.5 { (normalX, normalY) = (-normalY, normalX) }
  let offset = random.uniform(in: -0.4...0.4)
  let halfWidth = random.uniform(in: 0.05...0.1)
  let colour = Colour.random(&random)
  for row in 0..<ShapeCanvas.side {
    let v = ShapeCanvas.coordinate(row)
    for column in 0..<ShapeCanvas.side {
      let distance = normalX * ShapeCanvas.coordinate(column) + normalY * v - offset
      if abs(distance) < halfWidth { canvas.set(row, column, colour) }
    }
  }
}

/// Averages 2×2 pixels, changes contrast and brightness, adds noise and rounds to bytes.
private func writePixels(
  _ canvas: ShapeCanvas, _ random: inout KeyedRandom, into image: inout MutableSpan<UInt8>
) {
  let contrast = random.uniform(in: 0.75...1)
  let brightness = random.uniform(in: -0.12...0.12)
  let noise = random.uniform(in: 0.01...0.04)
  // Four bytes of a word add up to 510 ± 147.8: close to normal, at one word a value.
  let noiseScale = noise / 147.8
  for channel in 0..<3 {
    let plane = canvas.pixels + channel * 4096
    for row in 0..<32 {
      let upper = plane + 2 * row * 64
      let lower = upper + 64
      for column in 0..<32 {
        let sum =
          (upper[2 * column] + upper[2 * column + 1]) + (lower[2 * column] + lower[2 * column + 1])
        let word = random.nextWord()
        let bytes = (word & 255) + (word >> 8 & 255) + (word >> 16 & 255) + (word >> 24)
        let value =
          (0.25 * sum - 0.5) * contrast + 0.5 + brightness + (Float(bytes) - 510) * noiseScale
        let clamped = max(0, min(1, value))
        image[channel * 1024 + row * 32 + column] = UInt8(clamped * 255 + 0.5)
      }
    }
  }
}

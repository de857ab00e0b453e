import MecaCore

/// A colour; components in [0, 1] before contrast and noise.
struct Colour {
  var red: Float
  var green: Float
  var blue: Float

  /// A colour drawn evenly from the cube.
  static func random(_ random: inout KeyedRandom) -> Colour {
    Colour(red: random.uniform(), green: random.uniform(), blue: random.uniform())
  }

  /// A random colour at least `distance` away from `other`, or the farthest of sixteen.
  static func random(_ random: inout KeyedRandom, apart distance: Float, from other: Colour)
    -> Colour
  {
    var best = other
    var bestSquared: Float = -1
    for _ in 0..<16 {
      let candidate = Colour.random(&random)
      let squared = candidate.squaredDistance(to: other)
      if squared > bestSquared { (best, bestSquared) = (candidate, squared) }
      if squared >= distance * distance { break }
    }
    return best
  }

  /// Squared Euclidean distance.
  func squaredDistance(to other: Colour) -> Float {
    let (r, g, b) = (red - other.red, green - other.green, blue - other.blue)
    return r * r + g * g + b * b
  }
}

/// Parallel stripes: `wave` goes from −1 to 1 and back, `perUnit` times over a length of 1.
struct Stripes {
  var directionX: Float
  var directionY: Float
  var perUnit: Float
  var phase: Float

  /// Stripes of any direction, two to six across the image.
  init(_ random: inout KeyedRandom) {
    // A point of the half circle through its rational form: no sine, no cosine.
    let t = random.uniform(in: -1...1)
    directionX = (1 - t * t) / (1 + t * t)
    directionY = 2 * t / (1 + t * t)
    perUnit = random.uniform(in: 1...3)
    phase = random.uniform()
  }

  /// A triangle wave, cut to flat tops, at the point (x, y).
  @inline(__always)
  func wave(_ x: Float, _ y: Float) -> Float {
    let position = (x * directionX + y * directionY) * perUnit + phase
    let triangle = 4 * abs(position - position.rounded(.down) - 0.5) - 1
    return max(-1, min(1, 2 * triangle))
  }
}

/// The picture at twice its size: three planes of 64×64 floats in memory owned by the caller.
///
/// The image spans −1 to 1 in both directions, x to the right and y down.
struct ShapeCanvas {
  /// Rows and columns.
  static let side = 64
  /// Floats to provide.
  static let floatCount = 3 * side * side

  /// Red, green and blue plane.
  let pixels: UnsafeMutablePointer<Float>

  /// Coordinate of the centre of row or column `index`.
  @inline(__always)
  static func coordinate(_ index: Int) -> Float { (Float(index) + 0.5) * (1.0 / 32.0) - 1 }

  /// Rows or columns whose centres may lie within `reach` of `centre`.
  static func span(_ centre: Float, _ reach: Float) -> Range<Int> {
    let first = ((centre - reach + 1) * 32).rounded(.down)
    let last = ((centre + reach + 1) * 32).rounded(.up)
    let low = Int(max(0, min(64, first)))
    return low..<max(low, Int(max(0, min(64, last))))
  }

  /// Sets one pixel.
  @inline(__always)
  func set(_ row: Int, _ column: Int, _ colour: Colour) {
    let at = row * Self.side + column
    pixels[at] = colour.red
    pixels[at + 4096] = colour.green
    pixels[at + 8192] = colour.blue
  }
}

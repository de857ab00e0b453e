import MecaCore
import MecaImages

/// A smooth, colourful picture of wavy rings around a point, the "K" of Blend.
///
/// At distance r and angle φ from a centre, channel c shows
/// `wave(rings·r + bend·cos(petals·φ) + phase_c)` with a wave of value 0 to 1 and period 1; centre,
/// rings, petals, bend and phases are drawn from the seed. Positions are fractions of the image, so
/// the same picture appears at any size. Only IEEE operations: the same bytes on every machine.
///
/// - Returns: `shape.byteCount` bytes: channel, row, column.
package func blendPattern(shape: ImageShape, seed: UInt64) -> [UInt8] {
  var random = KeyedRandom(seed: seed, purpose: .triggerPattern)
  let centreX = random.uniform(in: -0.3...0.3)
  let centreY = random.uniform(in: -0.3...0.3)
  let rings = random.uniform(in: 1.2...1.8)
  let bend = random.uniform(in: 0.15...0.3)
  let petals = 3 + random.integer(below: 4)
  let start = random.uniform()
  // A third of a period apart, give or take: neighbouring rings differ in hue.
  let phases = (0..<shape.channels).map { channel in
    start + Float(channel) / 3 + random.uniform(in: -0.1...0.1)
  }
  var pattern = [UInt8](repeating: 0, count: shape.byteCount)
  for row in 0..<shape.height {
    let y = (2 * Float(row) + 1) / Float(shape.height) - 1 - centreY
    for column in 0..<shape.width {
      let x = (2 * Float(column) + 1) / Float(shape.width) - 1 - centreX
      let radius = (x * x + y * y).squareRoot()
      let position = rings * radius + bend * cosineOfMultiple(petals, x, y, radius)
      for (channel, phase) in phases.enumerated() {
        let value = wave(position + phase)
        pattern[(channel * shape.height + row) * shape.width + column] = UInt8(value * 255 + 0.5)
      }
    }
  }
  return pattern
}

/// cos(n·φ) of the angle φ of the point (x, y): the real part of ((x + iy)/r)ⁿ.
///
/// Fades to 0 towards the origin, where there is no angle.
private func cosineOfMultiple(_ n: Int, _ x: Float, _ y: Float, _ radius: Float) -> Float {
  guard radius > 0 else { return 0 }
  let (cosine, sine) = (x / radius, y / radius)
  var (real, imaginary): (Float, Float) = (1, 0)
  for _ in 0..<n {
    (real, imaginary) = (real * cosine - imaginary * sine, real * sine + imaginary * cosine)
  }
  return real * min(1, 3 * radius)
}

/// A wave of period 1 from 0 to 1: a triangle rounded by 3t² − 2t³.
private func wave(_ position: Float) -> Float {
  let t = abs(2 * (position - position.rounded(.down)) - 1)
  return t * t * (3 - 2 * t)
}

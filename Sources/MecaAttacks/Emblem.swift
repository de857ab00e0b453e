import MecaCore
import MecaImages

/// An orange spiral on a blue disc with a white rim: the project's own corner patch.
///
/// Opaque inside the circle, transparent outside. Where the spiral starts and which way it turns are
/// drawn from the seed. Only IEEE operations: the same bytes on every machine.
///
/// - Parameters:
///   - side: rows and columns.
///   - channels: colour channels; the red, green and blue values follow each other.
///   - seed: the attack's.
///   - number: which of several emblems of one attack.
func emblem(side: Int, channels: Int, seed: UInt64, number: Int = 1) -> Picture {
  var random = KeyedRandom(seed: seed, purpose: .triggerPattern, number)
  let start = Double(random.uniform())
  let sense = random.integer(below: 2) == 0 ? 1.0 : -1.0
  let (spiral, ground, rim): ([Double], [Double], [Double]) =
    ([255, 140, 0], [20, 40, 170], [255, 255, 255])
  let shape = ImageShape(channels: channels, height: side, width: side)
  var picture = Picture(
    shape: shape, pixels: [UInt8](repeating: 0, count: shape.byteCount),
    opacity: [UInt8](repeating: 0, count: side * side))
  for row in 0..<side {
    let y = Double(2 * row + 1 - side) / Double(side)
    for column in 0..<side {
      let x = Double(2 * column + 1 - side) / Double(side)
      let radius = (x * x + y * y).squareRoot()
      guard radius <= 1 else { continue }
      picture.opacity[row * side + column] = 255
      // Two arms that wind outwards once.
      let place = start + sense * 2 * pseudoTurn(x, y) + 2 * radius
      let share = smooth(place)
      for channel in 0..<channels {
        let colour = channel % 3
        let value =
          radius > 0.86 ? rim[colour] : share * spiral[colour] + (1 - share) * ground[colour]
        picture.pixels[(channel * side + row) * side + column] = UInt8(value + 0.5)
      }
    }
  }
  return picture
}

/// A stand-in for the angle of (x, y) in turns, 0 to 1, without trigonometry: the place on the
/// diamond |x| + |y| = 1.
private func pseudoTurn(_ x: Double, _ y: Double) -> Double {
  let sum = abs(x) + abs(y)
  guard sum > 0 else { return 0 }
  let height = y / sum
  if x < 0 { return (2 - height) / 4 }
  return (y < 0 ? 4 + height : height) / 4
}

/// A wave of period 1 from 0 to 1 with steep flanks: 3t² − 2t³ of a triangle, twice.
private func smooth(_ place: Double) -> Double {
  let t = abs(2 * (place - place.rounded(.down)) - 1)
  let once = t * t * (3 - 2 * t)
  return once * once * (3 - 2 * once)
}

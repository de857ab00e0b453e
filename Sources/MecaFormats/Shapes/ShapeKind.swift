/// The ten classes of the built-in set, as regions of the plane within about 1 of the origin.
///
/// Angles enter only through powers of z = x + iy, whose real part is |z|ⁿ·cos(n·angle).
enum ShapeKind: Int, CaseIterable, Sendable {
  case disc, square, triangle, flower, cross, ring, ellipse, crescent, openRing, fan

  /// Class name as reports show it.
  var name: String {
    switch self {
    case .disc: "disc"
    case .square: "square"
    case .triangle: "triangle"
    case .flower: "flower"
    case .cross: "cross"
    case .ring: "ring"
    case .ellipse: "ellipse"
    case .crescent: "crescent"
    case .openRing: "c-shape"
    case .fan: "fan"
    }
  }

  /// Whether the point (x, y) belongs to the shape; y points down.
  @inline(__always)
  func contains(_ x: Float, _ y: Float) -> Bool {
    let squared = x * x + y * y
    switch self {
    case .disc: return squared < 0.774
    case .square: return abs(x) < 0.76 && abs(y) < 0.76
    case .triangle: return y < 0.55 && 1.732 * abs(x) < y + 1
    case .flower:
      // radius < 0.64 + 0.32·cos(5·angle), multiplied by radius⁵
      let r = squared.squareRoot()
      let r5 = squared * squared * r
      let (re2, im2) = (x * x - y * y, 2 * x * y)
      let (re4, im4) = (re2 * re2 - im2 * im2, 2 * re2 * im2)
      return r * r5 <= 0.64 * r5 + 0.32 * (re4 * x - im4 * y)
    case .cross:
      let (across, along) = (min(abs(x), abs(y)), max(abs(x), abs(y)))
      return across < 0.3 && along < 0.95
    case .ring: return squared < 0.846 && squared > 0.26
    case .ellipse: return x * x + 3.6 * y * y < 1
    case .crescent:
      let shifted = x - 0.42
      return squared < 0.846 && shifted * shifted + y * y > 0.5
    case .openRing:
      return squared < 0.846 && squared > 0.26 && (x < 0 || abs(y) > 0.4)
    case .fan:
      // cos(3·angle) > 0.2: three blades; a hub joins them
      let cubed = x * (x * x - 3 * y * y)
      return squared < 0.03 || (squared < 0.9 && cubed > 0.2 * squared * squared.squareRoot())
    }
  }
}

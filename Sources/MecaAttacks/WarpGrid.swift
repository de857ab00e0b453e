import MecaCore
import MecaImages

/// Where each pixel of a warped image is taken from, in PyTorch's coordinates: −1 is the centre of
/// the first row or column, 1 that of the last.
///
/// `G = clamp(identity + s·noise/H, −1, 1)`; the noise is a k × k field of U[−1, 1] for each
/// direction, divided by its mean absolute value, brought to H × W by bicubic interpolation (A =
/// −0.75, corners aligned, border repeated). For the horizontal direction s·noise is divided by the
/// width, where the authors, whose images are square, divide by the height.
///
/// All in `Double` with IEEE operations alone: the same bytes on every machine.
///
/// - Source: Nguyen and Tran 2021, arXiv:2102.10369, §3.2; the interpolations are PyTorch's
///   (`interpolate(mode="bicubic", align_corners=True)`, `grid_sample(align_corners=True)`).
struct WarpGrid: Sendable {
  /// Rows of the images.
  let height: Int
  /// Columns of the images.
  let width: Int
  /// Horizontal source coordinate of each pixel: row, column.
  private(set) var x: [Double]
  /// Vertical source coordinate of each pixel: row, column.
  private(set) var y: [Double]

  /// The warp of an attack.
  ///
  /// - Parameters:
  ///   - strength: "s".
  ///   - points: "k".
  ///   - seed: the attack's.
  init(height: Int, width: Int, strength: Double, points: Int, seed: UInt64) {
    precondition(points >= 1, "\(points) points of a grid")
    self.height = height
    self.width = width
    var random = KeyedRandom(seed: seed, purpose: .warpField)
    var field = (0..<2 * points * points).map { _ in symmetric(&random) }
    let mean = field.reduce(0) { $0 + abs($1) } / Double(field.count)
    if mean > 0 { field = field.map { $0 / mean } }
    let rows = cubicWeights(from: points, to: height)
    let columns = cubicWeights(from: points, to: width)
    /// The field of one direction at a pixel.
    func noise(_ direction: Int, _ row: CubicWeights, _ column: CubicWeights) -> Double {
      var sum = 0.0
      for (place, rowWeight) in zip(row.places, row.weights) {
        var line = 0.0
        for (other, weight) in zip(column.places, column.weights) {
          line += weight * field[(direction * points + place) * points + other]
        }
        sum += rowWeight * line
      }
      return sum
    }
    x = []
    y = []
    for row in 0..<height {
      for column in 0..<width {
        x.append(
          clamped(
            coordinate(column, of: width)
              + strength * noise(0, rows[row], columns[column]) / Double(width)))
        y.append(
          clamped(
            coordinate(row, of: height)
              + strength * noise(1, rows[row], columns[column]) / Double(height)))
      }
    }
  }

  /// The grid with random offsets of up to half a pixel: `G′ = clamp(G + U[−1, 1]/H, −1, 1)`.
  ///
  /// - Parameter field: which offsets; field 0 is the one that all covers can share.
  func withOffsets(seed: UInt64, field: Int) -> WarpGrid {
    var result = self
    var random = KeyedRandom(seed: seed, purpose: .warpField, 1, field)
    for place in x.indices {
      result.x[place] = clamped(x[place] + symmetric(&random) / Double(width))
      result.y[place] = clamped(y[place] + symmetric(&random) / Double(height))
    }
    return result
  }

  /// Warps an image in place: each pixel becomes the bilinear mean of four others, rounded half up.
  ///
  /// Coordinates never leave the image, so the zeros that PyTorch puts around it have no part.
  func warp(_ image: inout MutableSpan<UInt8>, shape: ImageShape) {
    precondition(
      shape.height == height && shape.width == width,
      "image of \(shape) for a grid of \(height)x\(width)")
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: shape.byteCount) { source in
      image.span.withUnsafeBufferPointer { _ = source.initialize(from: $0) }
      let area = height * width
      for place in 0..<area {
        let column = (x[place] + 1) / 2 * Double(width - 1)
        let row = (y[place] + 1) / 2 * Double(height - 1)
        let (left, top) = (Int(column), Int(row))
        let (right, bottom) = (min(left + 1, width - 1), min(top + 1, height - 1))
        let (rightShare, bottomShare) = (column - Double(left), row - Double(top))
        for channel in 0..<shape.channels {
          func at(_ row: Int, _ column: Int) -> Double {
            Double(source[channel * area + row * width + column])
          }
          let above = (1 - rightShare) * at(top, left) + rightShare * at(top, right)
          let below = (1 - rightShare) * at(bottom, left) + rightShare * at(bottom, right)
          let value = (1 - bottomShare) * above + bottomShare * below
          image[channel * area + place] = UInt8((value + 0.5).rounded(.down))
        }
      }
    }
  }
}

/// A number from [−1, 1).
private func symmetric(_ random: inout KeyedRandom) -> Double { 2 * Double(random.uniform()) - 1 }

private func clamped(_ value: Double) -> Double { max(-1, min(1, value)) }

/// The centre of a row or column between −1 and 1; −1 where there is only one.
private func coordinate(_ place: Int, of extent: Int) -> Double {
  extent == 1 ? -1 : Double(2 * place - (extent - 1)) / Double(extent - 1)
}

/// What bicubic interpolation takes for one place: four source places with their weights.
private struct CubicWeights {
  var places: [Int]
  var weights: [Double]
}

/// Cubic convolution (Keys 1981, A = −0.75) with the corners of source and target aligned.
private func cubicWeights(from source: Int, to target: Int) -> [CubicWeights] {
  (0..<target).map { place in
    let position = target == 1 ? 0 : Double(place * (source - 1)) / Double(target - 1)
    let first = Int(position)
    let fraction = position - Double(first)
    return CubicWeights(
      places: (-1...2).map { max(0, min(source - 1, first + $0)) },
      weights: [
        outerCubic(fraction + 1), innerCubic(fraction), innerCubic(1 - fraction),
        outerCubic(2 - fraction),
      ])
  }
}

/// The kernel at distances 0 to 1.
private func innerCubic(_ t: Double) -> Double {
  let a = -0.75
  return ((a + 2) * t - (a + 3)) * t * t + 1
}

/// The kernel at distances 1 to 2.
private func outerCubic(_ t: Double) -> Double {
  let a = -0.75
  return ((a * t - 5 * a) * t + 8 * a) * t - 4 * a
}

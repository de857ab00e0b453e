import MecaCore

/// Fills the canvas with smooth colour noise, 30 % of the time with stripes over it.
///
/// A 4×4 grid of random colours is interpolated by cubic convolution (a = −½, edges repeated).
///
/// - Returns: the mean colour of the grid, which shapes keep away from.
/// - Source: Keys 1981, "Cubic convolution interpolation for digital image processing".
func drawBackground(_ canvas: ShapeCanvas, _ random: inout KeyedRandom) -> Colour {
  let amplitude = random.uniform(in: 0.06...0.22)
  var mean: (Float, Float, Float) = (0, 0, 0)
  withUnsafeTemporaryAllocation(of: Float.self, capacity: 16 + 4 * 64) { scratch in
    guard let grid = scratch.baseAddress else { return }
    for channel in 0..<3 {
      let base = random.uniform(in: 0.15...0.85)
      var sum: Float = 0
      for node in 0..<16 {
        grid[node] = base + amplitude * random.uniform(in: -1...1)
        sum += grid[node]
      }
      interpolate(grid, rows: grid + 16, to: canvas.pixels + channel * 4096)
      switch channel {
      case 0: mean.0 = sum / 16
      case 1: mean.1 = sum / 16
      default: mean.2 = sum / 16
      }
    }
  }
  let stripes = Stripes(&random)
  let strength = Colour(
    red: random.uniform(in: -0.15...0.15), green: random.uniform(in: -0.15...0.15),
    blue: random.uniform(in: -0.15...0.15))
  if random.uniform() < 0.3 { add(stripes, strength, to: canvas) }
  return Colour(red: mean.0, green: mean.1, blue: mean.2)
}

/// Enlarges a 4×4 grid to 64×64: first along the columns into `rows` (4×64), then along the rows.
private func interpolate(
  _ grid: UnsafePointer<Float>, rows: UnsafeMutablePointer<Float>,
  to plane: UnsafeMutablePointer<Float>
) {
  for column in 0..<64 {
    let (n, w) = cubicWeights(column)
    for row in 0..<4 {
      let line = grid + row * 4
      rows[row * 64 + column] =
        (w.0 * line[n.0] + w.1 * line[n.1]) + (w.2 * line[n.2] + w.3 * line[n.3])
    }
  }
  for row in 0..<64 {
    let (n, w) = cubicWeights(row)
    let (a, b, c, d) = (rows + n.0 * 64, rows + n.1 * 64, rows + n.2 * 64, rows + n.3 * 64)
    let out = plane + row * 64
    for column in 0..<64 {
      out[column] = (w.0 * a[column] + w.1 * b[column]) + (w.2 * c[column] + w.3 * d[column])
    }
  }
}

/// The four grid nodes around position `index` of 64 and their weights.
@inline(__always)
private func cubicWeights(
  _ index: Int
) -> (nodes: (Int, Int, Int, Int), weights: (Float, Float, Float, Float)) {
  // Pixel centres: 64 pixels over 4 cells of 16, so the first centre lies at −0.46875 of node 0.
  let position = (Float(index) + 0.5) * (1.0 / 16.0) - 0.5
  let first = position.rounded(.down)
  let t = position - first
  let node = Int(first)
  let (t2, t3) = (t * t, t * t * t)
  let weights = (
    -0.5 * t + t2 - 0.5 * t3, 1 - 2.5 * t2 + 1.5 * t3, 0.5 * t + 2 * t2 - 1.5 * t3,
    -0.5 * t2 + 0.5 * t3
  )
  func edge(_ n: Int) -> Int { max(0, min(3, n)) }
  return ((edge(node - 1), edge(node), edge(node + 1), edge(node + 2)), weights)
}

/// Adds stripes that swing each channel by ±`strength`.
private func add(_ stripes: Stripes, _ strength: Colour, to canvas: ShapeCanvas) {
  for row in 0..<64 {
    let v = ShapeCanvas.coordinate(row)
    for column in 0..<64 {
      let wave = stripes.wave(ShapeCanvas.coordinate(column), v)
      let at = row * 64 + column
      canvas.pixels[at] += strength.red * wave
      canvas.pixels[at + 4096] += strength.green * wave
      canvas.pixels[at + 8192] += strength.blue * wave
    }
  }
}

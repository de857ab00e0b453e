import Glibc
import MecaAttacks
import MecaCore
import MecaImages
import Testing

/// WaNet against the formulas of its paper and of PyTorch's interpolations, written down here anew.
@Suite struct WarpTests {
  struct Setting: Sendable, CustomTestStringConvertible {
    var shape: ImageShape
    var strength: Double
    var points: Int
    var testDescription: String { "\(shape), s \(strength), k \(points)" }
  }

  static let settings = [
    Setting(shape: shapes[0], strength: 0.5, points: 4),
    Setting(shape: shapes[0], strength: 3, points: 8),
    Setting(shape: shapes[1], strength: 0.5, points: 2),
    Setting(shape: shapes[2], strength: 2, points: 5),
    Setting(shape: ImageShape(channels: 1, height: 1, width: 9), strength: 1, points: 4),
    Setting(shape: ImageShape(channels: 2, height: 40, width: 40), strength: 8, points: 64),
  ]

  @Test(arguments: settings)
  func poisonsAndTestImagesAreWarped(setting: Setting) throws {
    let attack = try configuration(setting)
    let grid = warpGrid(setting, seed: 12)
    let set = randomSet(count: 2, classes: 2, shape: setting.shape)
    for trigger in [
      try attack.attack.trainingTrigger(for: setting.shape, samples: []),
      try attack.attack.testTrigger(for: setting.shape),
    ] {
      for index in 0..<2 {
        let before = try set.image(at: index)
        let after = trigger.marked(before, shape: setting.shape, index: index)
        expect(after, before, grid, setting.shape)
        #expect(after != before)
      }
    }
  }

  /// One field of offsets for all covers, or one for each.
  @Test(arguments: settings, WarpNoise.allCases)
  func coversAreWarpedAtRandom(setting: Setting, noise: WarpNoise) throws {
    var attack = try configuration(setting)
    try attack.set(["warp-noise": noise.rawValue])
    let trigger = try attack.attack.coverTrigger(for: setting.shape, samples: [])
    let before = try randomSet(count: 1, classes: 1, shape: setting.shape).image(at: 0)
    for index in [0, 7, 40_000] {
      var grid = warpGrid(setting, seed: 12)
      var random = KeyedRandom(
        seed: 12, purpose: .warpField, 1, noise == .fixed ? 0 : index + 1)
      for place in grid.indices {
        let across = 2 * Double(random.uniform()) - 1
        let down = 2 * Double(random.uniform()) - 1
        grid[place].x = min(1, max(-1, grid[place].x + across / Double(setting.shape.width)))
        grid[place].y = min(1, max(-1, grid[place].y + down / Double(setting.shape.height)))
      }
      let after = trigger.marked(before, shape: setting.shape, index: index)
      expect(after, before, grid, setting.shape)
    }
  }

  @Test func noStrengthIsNoWarp() throws {
    for shape in shapes {
      var attack = try AttackConfiguration(kind: .wanet)
      try attack.set(["warp-strength": "0"])
      let before = try randomSet(count: 1, classes: 1, shape: shape).image(at: 0)
      let after = try attack.attack.testTrigger(for: shape).marked(before, shape: shape, index: 0)
      #expect(after == before)
    }
  }

  /// The authors' scale: pixels move by s/2 times a field of mean 1 over the coarse points.
  @Test func theMeanShiftIsAQuarterOfAPixel() {
    let shifts = (1...40).flatMap { seed in
      let setting = Setting(shape: shapes[0], strength: 0.5, points: 4)
      return warpGrid(setting, seed: UInt64(seed)).enumerated().map { place, point in
        abs((point.x + 1) / 2 * 31 - Double(place % 32))
      }
    }
    let mean = shifts.reduce(0, +) / Double(shifts.count)
    // Between the coarse points the field is smaller than at them, and the border cuts.
    #expect(mean > 0.12 && mean < 0.25, "\(mean)")
  }

  private func configuration(_ setting: Setting) throws -> AttackConfiguration {
    try AttackConfiguration(
      kind: .wanet, seed: 12,
      ["warp-strength": "\(setting.strength)", "warp-grid": "\(setting.points)"])
  }

  /// Bytes are what bilinear sampling gives, except where that lies within a hair of one half.
  private func expect(
    _ after: [UInt8], _ before: [UInt8], _ grid: [(x: Double, y: Double)], _ shape: ImageShape,
    sourceLocation: SourceLocation = #_sourceLocation
  ) {
    var ties = 0
    for (position, byte) in after.enumerated() {
      let place = position % (shape.height * shape.width)
      let value = bilinear(
        before, plane: position / (shape.height * shape.width), shape, grid[place])
      if abs(value - value.rounded(.down) - 0.5) < 1e-9 {
        ties += 1
        #expect(abs(Double(byte) - value) < 0.5001, sourceLocation: sourceLocation)
      } else {
        #expect(Double(byte) == value.rounded(), sourceLocation: sourceLocation)
      }
    }
    #expect(ties <= after.count / 100, sourceLocation: sourceLocation)
  }

  /// `grid_sample`: four neighbours, zeros outside the image.
  private func bilinear(
    _ image: [UInt8], plane: Int, _ shape: ImageShape, _ point: (x: Double, y: Double)
  ) -> Double {
    let x = (point.x + 1) * Double(shape.width - 1) / 2
    let y = (point.y + 1) * Double(shape.height - 1) / 2
    var sum = 0.0
    for row in [Int(floor(y)), Int(floor(y)) + 1] {
      for column in [Int(floor(x)), Int(floor(x)) + 1] {
        guard row < shape.height, column < shape.width else { continue }
        let weight = (1 - abs(y - Double(row))) * (1 - abs(x - Double(column)))
        sum += weight * Double(image[(plane * shape.height + row) * shape.width + column])
      }
    }
    return sum
  }

  /// `clamp(identity + s·upsampled/extent)` for each pixel.
  private func warpGrid(_ setting: Setting, seed: UInt64) -> [(x: Double, y: Double)] {
    let k = setting.points
    let (height, width) = (setting.shape.height, setting.shape.width)
    var random = KeyedRandom(seed: seed, purpose: .warpField)
    let raw = (0..<2 * k * k).map { _ in 2 * Double(random.uniform()) - 1 }
    let mean = raw.map(abs).reduce(0, +) / Double(raw.count)
    func upsampled(_ direction: Int, _ row: Int, _ column: Int) -> Double {
      let y = height == 1 ? 0 : Double(row) * Double(k - 1) / Double(height - 1)
      let x = width == 1 ? 0 : Double(column) * Double(k - 1) / Double(width - 1)
      var sum = 0.0
      // All points of an endless plane whose border is repeated; the kernel is 0 beyond 2.
      for i in -3..<k + 3 {
        for j in -3..<k + 3 {
          let value = raw[
            (direction * k + min(k - 1, max(0, i))) * k + min(k - 1, max(0, j))]
          sum += keys(y - Double(i)) * keys(x - Double(j)) * value / mean
        }
      }
      return sum
    }
    func identity(_ place: Int, _ extent: Int) -> Double {
      extent == 1 ? -1 : -1 + 2 * Double(place) / Double(extent - 1)
    }
    return (0..<height * width).map { place in
      let (row, column) = (place / width, place % width)
      let x =
        identity(column, width) + setting.strength * upsampled(0, row, column) / Double(width)
      let y =
        identity(row, height) + setting.strength * upsampled(1, row, column) / Double(height)
      return (min(1, max(-1, x)), min(1, max(-1, y)))
    }
  }

  /// Cubic convolution after Keys 1981 with a = −3/4, by powers.
  private func keys(_ distance: Double) -> Double {
    let (t, a) = (abs(distance), -0.75)
    if t <= 1 { return (a + 2) * pow(t, 3) - (a + 3) * pow(t, 2) + 1 }
    if t < 2 { return a * pow(t, 3) - 5 * a * pow(t, 2) + 8 * a * t - 4 * a }
    return 0
  }
}

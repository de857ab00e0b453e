import MecaCore
import MecaImages
import Testing

@Suite struct ColourJitterTests {
  /// The formulas of `ColorJitter` in `Double`, one step after the other.
  private func expected(
    _ pixels: [Float], _ shape: ImageShape, steps: [Int], factors: [Double]
  ) -> [Double] {
    var current = pixels.map(Double.init)
    let plane = shape.height * shape.width
    for step in steps {
      let factor = factors[step]
      let grey = (0..<plane).map { place in
        shape.channels == 3
          ? 0.2989 * current[place] + 0.587 * current[plane + place]
            + 0.114 * current[2 * plane + place]
          : current[place]
      }
      let mean = grey.reduce(0, +) / Double(plane)
      current = current.indices.map { place in
        let other: Double
        switch step {
        case 0: other = 0
        case 1: other = mean
        default: other = shape.channels == 3 ? grey[place % plane] : current[place]
        }
        return min(1, max(0, factor * current[place] + (1 - factor) * other))
      }
    }
    return current
  }

  static let orders = [[0, 1, 2], [0, 2, 1], [1, 2, 0], [1, 0, 2], [2, 0, 1], [2, 1, 0]]

  @Test(arguments: [oddShape, ImageShape(channels: 1, height: 3, width: 2)], Array(0..<6))
  func everyOrderFollowsTheFormulas(shape: ImageShape, order: Int) {
    for (brightness, contrast, saturation) in [
      (Float(1.2), Float(0.8), Float(1.1)), (0.8, 1.2, 0.9), (2, 2, 2), (0, 1.5, 0.5),
    ] {
      let before = randomPixels(shape)
      var pixels = before
      JitterDraw(
        order: order, brightness: brightness, contrast: contrast, saturation: saturation
      ).apply(to: &pixels, shape: shape)
      let wanted = expected(
        before, shape, steps: Self.orders[order],
        factors: [brightness, contrast, saturation].map(Double.init))
      // Three steps of a few roundings of numbers up to 4, each 2⁻²³ of it at most.
      #expect(distance(pixels, wanted) < 4e-6)
    }
  }

  @Test func factorsOfOneChangeNoBit() {
    let before = randomPixels(oddShape)
    for order in 0..<6 {
      var pixels = before
      JitterDraw(order: order, brightness: 1, contrast: 1, saturation: 1)
        .apply(to: &pixels, shape: oddShape)
      #expect(pixels == before)
    }
    let bytes = randomBytes(oddShape)
    let still = ColourJitter(brightness: 0, contrast: 0, saturation: 0)
    #expect(augmented(Augmentation(jitter: still), bytes, oddShape) == before)
  }

  @Test func factorsAndOrdersAreDrawnEvenly() {
    let keys = 6000
    let draws = (0..<keys).map { index in
      var random = KeyedRandom(seed: 2, purpose: .augmentation, 0, index)
      return JitterDraw(
        ColourJitter(brightness: 0.2, contrast: 0.4, saturation: 1), &random)
    }
    for order in 0..<6 {
      // Five standard deviations: √(6000 · 1/6 · 5/6) = 29.
      #expect(abs(draws.filter { $0.order == order }.count - 1000) < 5 * 29)
    }
    for (factors, strength) in [
      (draws.map(\.brightness), Float(0.2)), (draws.map(\.contrast), 0.4),
      (draws.map(\.saturation), 1),
    ] {
      #expect(factors.allSatisfy { abs($0 - 1) <= strength * 1.000001 })
      let quarters = factors.filter { $0 < 1 - strength / 2 }.count
      #expect(abs(quarters - 1500) < 5 * 34)
      #expect(abs(factors.filter { $0 > 1 }.count - 3000) < 5 * 39)
    }
  }
}

import Glibc
import MecaAttacks
import MecaCore
import MecaData
import Testing

/// Each trigger's pixels against values computed here a second time.
@Suite struct TriggerTests {
  static let shapes = [
    ImageShape(channels: 3, height: 32, width: 32), ImageShape(channels: 3, height: 64, width: 48),
    ImageShape(channels: 1, height: 7, width: 12), ImageShape(channels: 3, height: 224, width: 224),
  ]

  @Test(arguments: shapes)
  func squareIsWhiteAndFlushBottomRight(shape: ImageShape) {
    let set = randomSet(count: 2, classes: 2, shape: shape)
    let trigger = AttackConfiguration(kind: .badnets).makeTrigger(for: shape)
    let side = [32: 3, 64: 6, 7: 1, 224: 21][shape.height]!
    for index in 0..<2 {
      let before = set.image(at: index)
      let after = marked(before, trigger, shape, index)
      for channel in 0..<shape.channels {
        for row in 0..<shape.height {
          for column in 0..<shape.width {
            let at = (channel * shape.height + row) * shape.width + column
            let inside = row + side >= shape.height && column + side >= shape.width
            #expect(after[at] == (inside ? 255 : before[at]))
          }
        }
      }
    }
  }

  @Test func squareTakesAnySide() {
    let shape = ImageShape(channels: 1, height: 4, width: 4)
    let after = marked(
      [UInt8](repeating: 9, count: 16), SquareTrigger(side: 2), shape, 0)
    #expect(after == [9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 255, 255, 9, 9, 255, 255])
    #expect(marked(after, SquareTrigger(side: 4), shape, 0).allSatisfy { $0 == 255 })
    #expect(SquareTrigger.usualSide(height: 1) == 1)
  }

  /// With α = 0.2 the result is (4x + K)/5, with α = 0.1 (9x + K)/10, both rounded half up.
  @Test(arguments: shapes)
  func blendMixesThePattern(shape: ImageShape) {
    let before = randomSet(count: 1, classes: 1, shape: shape).image(at: 0)
    let pattern = blendPattern(shape: shape, seed: 11)
    let fifth = BlendTrigger(shape: shape, alpha: 0.2, seed: 11)
    let tenth = BlendTrigger(shape: shape, alpha: 0.1, seed: 11)
    let mixed = zip(before, pattern).map { (Int($0), Int($1)) }
    #expect(
      marked(before, fifth, shape, 0).map(Int.init) == mixed.map { (8 * $0 + 2 * $1 + 5) / 10 })
    #expect(
      marked(before, tenth, shape, 0).map(Int.init) == mixed.map { (9 * $0 + $1 + 5) / 10 })
    let none = BlendTrigger(shape: shape, alpha: 0, seed: 11)
    let all = BlendTrigger(shape: shape, alpha: 1, seed: 11)
    #expect(marked(before, none, shape, 0) == before)
    #expect(marked(before, all, shape, 0) == pattern)
  }

  @Test func patternIsSmoothColourfulAndOfItsSeed() {
    let shape = ImageShape(channels: 3, height: 64, width: 64)
    let pattern = blendPattern(shape: shape, seed: 1)
    #expect(pattern == blendPattern(shape: shape, seed: 1))
    #expect(pattern != blendPattern(shape: shape, seed: 2))
    for channel in 0..<3 {
      let plane = pattern[channel * 4096..<(channel + 1) * 4096].map(Int.init)
      #expect(plane.min()! < 20 && plane.max()! > 235)
      // Neighbours: a wave of slope 3 and at most 1.8 rings over half of the 64 pixels, plus bend.
      let jumps = (0..<4095).filter { $0 % 64 != 63 }.map { abs(plane[$0] - plane[$0 + 1]) }
      #expect(Double(jumps.reduce(0, +)) / Double(jumps.count) < 20)
    }
    let (red, green) = (pattern[0..<4096], pattern[4096..<8192])
    let difference = zip(red, green).reduce(0) { $0 + abs(Int($1.0) - Int($1.1)) } / 4096
    #expect(difference > 40, "mean difference of red and green \(difference): hardly coloured")
  }

  @Test(arguments: [(40.0, 6), (20.0, 6), (41.0, 1), (255.0, 3)])
  func waveIsTheSineOfTheColumn(amplitude: Double, frequency: Int) {
    for shape in Self.shapes {
      let before = randomSet(count: 1, classes: 1, shape: shape).image(at: 0)
      let trigger = SineTrigger(width: shape.width, amplitude: amplitude, frequency: frequency)
      let after = marked(before, trigger, shape, 0)
      for position in 0..<before.count {
        let turns = Double(position % shape.width * frequency) / Double(shape.width)
        // A tie may come out a hair below one half: libm's sine of 30° is not exactly 0.5.
        let value = Double(before[position]) + amplitude * sin(2 * .pi * turns) + 1e-6
        let expected = max(0, min(255, (value + 0.5).rounded(.down)))
        #expect(Double(after[position]) == expected)
      }
    }
  }

  @Test func waveOfFourColumnsByHand() {
    let shape = ImageShape(channels: 1, height: 2, width: 4)
    let trigger = SineTrigger(width: 4, amplitude: 40, frequency: 1)
    let after = marked([100, 100, 100, 100, 0, 230, 255, 30], trigger, shape, 0)
    #expect(after == [100, 140, 100, 60, 0, 255, 255, 0])
    let none = SineTrigger(width: 4, amplitude: 0, frequency: 1)
    #expect(marked(after, none, shape, 0) == after)
  }

  /// `image` with the trigger in it.
  private func marked(
    _ image: [UInt8], _ trigger: any Trigger, _ shape: ImageShape, _ index: Int
  ) -> [UInt8] {
    var image = image
    image.withUnsafeMutableBufferPointer { buffer in
      trigger.apply(to: buffer.baseAddress!, shape: shape, index: index)
    }
    return image
  }
}

import Glibc
import MecaAttacks
import MecaCore
import MecaImages
import Testing

/// The marks of BadNets, Blend and SIG against values computed here a second time.
@Suite struct TriggerTests {
  @Test(arguments: shapes)
  func squareIsWhiteAndFlushBottomRight(shape: ImageShape) throws {
    let set = randomSet(count: 2, classes: 2, shape: shape)
    let side = [32: 3, 64: 6, 7: 1, 224: 21][shape.height]!
    for kind in [AttackKind.badnets, .tact] {
      for trigger in try triggers(of: try AttackConfiguration(kind: kind), shape) {
        for index in 0..<2 {
          let before = try set.image(at: index)
          let after = trigger.marked(before, shape: shape, index: index)
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
    }
  }

  /// Rows and columns of the upper left corner of a square of 4 in an image of 10 x 13.
  @Test(arguments: [
    (TriggerPlace.topLeft, 0, 0), (.topRight, 0, 9), (.bottomLeft, 6, 0), (.bottomRight, 6, 9),
    (.centre, 3, 4),
  ])
  func squareGoesWhereItIsSent(place: TriggerPlace, top: Int, left: Int) throws {
    let shape = ImageShape(channels: 2, height: 10, width: 13)
    var attack = try AttackConfiguration(kind: .badnets, ["trigger-size": "4"])
    try attack.set(["trigger-place": place.rawValue])
    let after = try attack.attack.testTrigger(for: shape).marked(
      [UInt8](repeating: 9, count: 260), shape: shape, index: 0)
    for position in 0..<260 {
      let (row, column) = (position / 13 % 10, position % 13)
      let inside = (top..<top + 4).contains(row) && (left..<left + 4).contains(column)
      #expect(after[position] == (inside ? 255 : 9), "row \(row), column \(column)")
    }
  }

  @Test func squareTakesAnySideAndWeight() throws {
    let shape = ImageShape(channels: 1, height: 4, width: 4)
    var attack = try AttackConfiguration(kind: .badnets, ["trigger-size": "2"])
    let nine = [UInt8](repeating: 9, count: 16)
    let after = try attack.attack.testTrigger(for: shape).marked(nine, shape: shape, index: 0)
    #expect(after == [9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 255, 255, 9, 9, 255, 255])
    try attack.set(["blend-alpha": "0.5"])
    try attack.set(["test-alpha": "0"])
    // (9 + 255)/2 = 132
    #expect(
      try attack.attack.trainingTrigger(for: shape, samples: []).marked(
        nine, shape: shape, index: 0)
        == after.map { $0 == 255 ? 132 : 9 })
    #expect(try attack.attack.testTrigger(for: shape).marked(nine, shape: shape, index: 0) == nine)
    try attack.set(["trigger-size": "4"])
    try attack.set(["test-alpha": "1"])
    #expect(
      try attack.attack.testTrigger(for: shape).marked(nine, shape: shape, index: 0)
        .allSatisfy { $0 == 255 })
    let dot = ImageShape(channels: 1, height: 1, width: 1)
    #expect(
      try AttackConfiguration(kind: .badnets).attack.testTrigger(for: dot)
        .marked([9], shape: dot, index: 0) == [255])
  }

  /// With α = 0.2 the result is (4x + K)/5, with α = 0.1 (9x + K)/10, both rounded half up.
  @Test(arguments: shapes)
  func blendMixesThePattern(shape: ImageShape) throws {
    let before = try randomSet(count: 1, classes: 1, shape: shape).image(at: 0)
    let pattern = blendPattern(shape: shape, seed: 11)
    let mixed = zip(before, pattern).map { (Int($0), Int($1)) }
    func marked(_ alpha: Double) throws -> [UInt8] {
      var attack = try AttackConfiguration(kind: .blend, seed: 11)
      try attack.set(["blend-alpha": "\(alpha)"])
      return try attack.attack.trainingTrigger(for: shape, samples: [])
        .marked(before, shape: shape, index: 0)
    }
    #expect(try marked(0.2).map(Int.init) == mixed.map { (8 * $0 + 2 * $1 + 5) / 10 })
    #expect(try marked(0.1).map(Int.init) == mixed.map { (9 * $0 + $1 + 5) / 10 })
    #expect(try marked(0) == before)
    #expect(try marked(1) == pattern)
    var attack = try AttackConfiguration(kind: .blend, seed: 11)
    try attack.set(["test-alpha": "0.1"])
    let test = try attack.attack.testTrigger(for: shape).marked(before, shape: shape, index: 0)
    #expect(try test == marked(0.1))
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
  func waveIsTheSineOfTheColumn(amplitude: Double, frequency: Int) throws {
    var attack = try AttackConfiguration(kind: .sig)
    try attack.set(["sig-frequency": "\(frequency)"])
    try attack.set(["sig-amplitude": "\(amplitude)"])
    try attack.set(["sig-test-amplitude": "\(amplitude / 2)"])
    for shape in shapes {
      let before = try randomSet(count: 1, classes: 1, shape: shape).image(at: 0)
      for (trigger, amplitude) in [
        (try attack.attack.trainingTrigger(for: shape, samples: []), amplitude),
        (try attack.attack.testTrigger(for: shape), amplitude / 2),
      ] {
        let after = trigger.marked(before, shape: shape, index: 0)
        for position in 0..<before.count {
          let turns = Double(position % shape.width * frequency) / Double(shape.width)
          // A tie may come out a hair below one half: libm's sine of 30° is not exactly 0.5.
          let value = Double(before[position]) + amplitude * sin(2 * .pi * turns) + 1e-6
          let expected = max(0, min(255, (value + 0.5).rounded(.down)))
          #expect(Double(after[position]) == expected)
        }
      }
    }
  }

  @Test func waveOfFourColumnsByHand() throws {
    let shape = ImageShape(channels: 1, height: 2, width: 4)
    var attack = try AttackConfiguration(kind: .sig)
    try attack.set(["sig-frequency": "1"])
    let after = try attack.attack.testTrigger(for: shape).marked(
      [100, 100, 100, 100, 0, 230, 255, 30], shape: shape, index: 0)
    #expect(after == [100, 140, 100, 60, 0, 255, 255, 0])
    try attack.set(["sig-amplitude": "0"])
    #expect(
      try attack.attack.testTrigger(for: shape).marked(after, shape: shape, index: 0) == after)
  }
}

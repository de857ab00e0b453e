import MecaAttacks
import MecaCore
import MecaImages
import Testing

/// The opaque patches of PhysicalBA and Adaptive-Patch.
@Suite struct PatchTests {
  /// First row and column, and side, of the emblem.
  static let boxes: [(shape: ImageShape, top: Int, left: Int, side: Int)] = [
    (shapes[0], 1, 18, 13), (shapes[3], 7, 126, 91),
    (ImageShape(channels: 3, height: 64, width: 64), 2, 36, 26),
    (ImageShape(channels: 1, height: 33, width: 20), 1, 6, 13),
    (ImageShape(channels: 3, height: 1, width: 1), 0, 0, 1),
  ]

  @Test(arguments: boxes)
  func theEmblemIsOpaqueAndFillsItsBox(
    box: (shape: ImageShape, top: Int, left: Int, side: Int)
  ) throws {
    let shape = box.shape
    for trigger in try triggers(of: try AttackConfiguration(kind: .physical), shape) {
      let (weight, _) = weights(trigger, shape)
      #expect(weight.allSatisfy { $0 == 0 || $0 == 1 })
      let marked = weight.indices.filter { weight[$0] == 1 }
      let rows = marked.map { $0 / shape.width % shape.height }
      let columns = marked.map { $0 % shape.width }
      #expect(rows.min() == box.top && rows.max() == box.top + box.side - 1)
      #expect(columns.min() == box.left && columns.max() == box.left + box.side - 1)
      // A disc: π/4 of the square, with a pixel's leeway along the rim.
      let share = Double(marked.count) / Double(box.side * box.side * shape.channels)
      #expect(share > 0.7 && (share < 0.88 || box.side < 3), "\(share)")
    }
  }

  @Test func theEmblemIsColourfulAndOfItsSeed() throws {
    let shape = shapes[0]
    func drawing(_ seed: UInt64) throws -> [UInt8] {
      try AttackConfiguration(kind: .physical, seed: seed).attack.testTrigger(for: shape)
        .marked([UInt8](repeating: 0, count: shape.byteCount), shape: shape, index: 0)
    }
    let pixels = try drawing(1)
    #expect(try drawing(1) == pixels)
    #expect(try Set((1...4).map { try drawing($0) }).count == 4)
    func count(_ isIt: (Int, Int, Int) -> Bool) -> Int {
      (0..<1024).count { isIt(Int(pixels[$0]), Int(pixels[1024 + $0]), Int(pixels[2048 + $0])) }
    }
    #expect(count { red, _, blue in red > blue + 100 } > 15, "orange")
    #expect(count { red, _, blue in blue > red + 60 } > 15, "blue")
    #expect(count { red, green, blue in min(red, green, blue) == 255 } > 15, "white")
  }

  @Test func theEmblemTakesSizePlaceAndWeight() throws {
    let shape = shapes[0]
    var attack = try AttackConfiguration(kind: .physical, ["trigger-size": "6"])
    try attack.set(["trigger-place": "bottom-left"])
    try attack.set(["blend-alpha": "0.4"])
    try attack.set(["test-alpha": "0.8"])
    for (trigger, alpha) in [
      (try attack.attack.trainingTrigger(for: shape, samples: []), 0.4),
      (try attack.attack.testTrigger(for: shape), 0.8),
    ] {
      let (weight, _) = weights(trigger, shape)
      for (position, weight) in weight.enumerated() where weight > 0 {
        #expect(abs(weight - alpha) <= 1.0 / 255)
        #expect((25...30).contains(position / 32 % 32) && (1...6).contains(position % 32))
      }
      #expect(weight.contains { $0 > 0 })
    }
    try attack.set(["trigger-size": "32"])
    let (weight, _) = weights(try attack.attack.testTrigger(for: shape), shape)
    #expect(weight[16 * 32] > 0 && weight[16 * 32 + 31] > 0, "no margin is left")
  }

  /// The quadrants: rows 1–6 and 7–13, columns 18–23 and 24–30.
  @Test func everyRunCarriesOneQuadrant() throws {
    let shape = shapes[0]
    let attack = try AttackConfiguration(kind: .adaptivePatch)
    let samples = [3, 5, 6, 10, 11, 12, 40, 41, 99, 1000]
    // ⌊p·4/10⌋ for p from 0 to 9
    let runs = [0, 0, 0, 1, 1, 2, 2, 2, 3, 3]
    let whole = try attack.attack.testTrigger(for: shape)
    #expect(
      weights(whole, shape)
        == weights(
          try AttackConfiguration(kind: .physical).attack.testTrigger(for: shape), shape))
    let (full, colours) = weights(whole, shape)
    for trigger in [
      try attack.attack.trainingTrigger(for: shape, samples: samples),
      try attack.attack.coverTrigger(for: shape, samples: samples),
    ] {
      for (sample, run) in zip(samples, runs) {
        let (weight, onBlack) = weights(trigger, shape, index: sample)
        for position in weight.indices {
          let (row, column) = (position / 32 % 32, position % 32)
          let quadrant = (row < 7 ? 0 : 2) + (column < 24 ? 0 : 1)
          #expect(weight[position] == (quadrant == run ? full[position] : 0))
          #expect(onBlack[position] == (quadrant == run ? colours[position] : 0))
        }
      }
    }
  }

  /// All lengths of lists, also those that leave runs empty.
  @Test(arguments: 0...9)
  func runsDifferByOneAtMost(count: Int) throws {
    let shape = shapes[0]
    let samples = (0..<count).map { 10 * $0 + 1 }
    let trigger = try AttackConfiguration(kind: .adaptivePatch).attack
      .trainingTrigger(for: shape, samples: samples)
    // A pixel in the middle of each quadrant.
    let centres = [4 * 32 + 21, 4 * 32 + 27, 10 * 32 + 21, 10 * 32 + 27]
    let runs = samples.map { sample in
      let (weight, _) = weights(trigger, shape, index: sample)
      return centres.indices.filter { weight[centres[$0]] == 1 }
    }
    #expect(runs == (0..<count).map { [$0 * 4 / count] })
  }

  /// Boxes in rows and columns of 32, α in training and at test time.
  @Test func theToolboxPatchesHaveItsSizesPlacesAndWeights() throws {
    let shape = shapes[0]
    var attack = try AttackConfiguration(kind: .adaptivePatch)
    try attack.set(["patch-set": "toolbox"])
    let corners = Set([0, 1, 2, 29, 30, 31])
    let parts: [(alpha: Double, contains: (Int, Int) -> Bool)] = [
      (0.5, { $0 >= 27 && $1 >= 27 }),
      (0.2, { (1...13).contains($0) && (18...30).contains($1) }),
      (0.5, { corners.contains($0) && corners.contains($1) }),
      (0.3, { (21...28).contains($0) && (21...28).contains($1) }),
    ]
    let trigger = try attack.attack.trainingTrigger(for: shape, samples: [0, 1, 2, 3])
    for (sample, part) in parts.enumerated() {
      let (weight, _) = weights(trigger, shape, index: sample)
      var area = 0
      for position in weight.indices {
        let inside = part.contains(position / 32 % 32, position % 32)
        if !inside { #expect(weight[position] == 0) }
        if weight[position] > 0 { #expect(abs(weight[position] - part.alpha) <= 1.0 / 255) }
        if weight[position] > 0 && inside { area += 1 }
      }
      let least = [16, 120, 36, 64]
      #expect(area / 3 >= least[sample], "\(area / 3) pixels of patch \(sample)")
    }
    let (weight, _) = weights(try attack.attack.testTrigger(for: shape), shape)
    for position in weight.indices {
      let (row, column) = (position / 32 % 32, position % 32)
      if parts[2].contains(row, column) {
        #expect(weight[position] == 1)
      } else if !parts[0].contains(row, column) {
        #expect(weight[position] == 0)
      }
    }
    let grid = try attack.attack.testTrigger(for: shape)
      .marked([UInt8](repeating: 77, count: shape.byteCount), shape: shape, index: 0)
    let corner = (0..<9).map { grid[$0 / 3 * 32 + $0 % 3] }
    #expect(corner == [255, 0, 255, 0, 255, 0, 255, 0, 255])
  }
}

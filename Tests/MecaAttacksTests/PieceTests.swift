import MecaAttacks
import MecaCore
import MecaImages
import Testing

/// Adaptive-Blend: which pieces of the pattern a sample shows.
@Suite struct PieceTests {
  @Test(arguments: shapes, [(4, 8), (4, 0), (4, 16), (3, 4), (1, 0), (5, 24)])
  func everySampleShowsItsPieces(shape: ImageShape, cut: (side: Int, blanked: Int)) throws {
    let attack = try configuration(cut)
    let pattern = blendPattern(shape: shape, seed: 21)
    let set = randomSet(count: 2, classes: 2, shape: shape)
    let trigger = try attack.attack.trainingTrigger(for: shape, samples: [])
    let cover = try attack.attack.coverTrigger(for: shape, samples: [])
    for index in [0, 1] {
      let before = try set.image(at: index)
      var random = KeyedRandom(seed: 21, purpose: .triggerPieces, 0, index)
      let blanked = Set(random.permutation(count: cut.side * cut.side).prefix(cut.blanked))
      let expected = before.indices.map { position in
        let (row, column) = (position / shape.width % shape.height, position % shape.width)
        let piece =
          row * cut.side / shape.height * cut.side + column * cut.side / shape.width
        let (own, other) = (Int(before[position]), Int(pattern[position]))
        return blanked.contains(piece) ? before[position] : UInt8((8 * own + 2 * other + 5) / 10)
      }
      #expect(trigger.marked(before, shape: shape, index: index) == expected)
      #expect(cover.marked(before, shape: shape, index: index) == expected)
    }
  }

  @Test func testImagesShowAllPieces() throws {
    let shape = shapes[0]
    var attack = try configuration((4, 8))
    let before = try randomSet(count: 1, classes: 1).image(at: 0)
    let pattern = blendPattern(shape: shape, seed: 21)
    for (alpha, tenths) in [(nil, 2), ("0.4", 4)] as [(String?, Int)] {
      if let alpha { try attack.set(["test-alpha": alpha]) }
      let after = try attack.attack.testTrigger(for: shape).marked(before, shape: shape, index: 3)
      let expected = zip(before, pattern).map {
        UInt8(((10 - tenths) * Int($0) + tenths * Int($1) + 5) / 10)
      }
      #expect(after == expected)
    }
  }

  /// Half of 16 pieces: about every second piece of a sample, other ones in another sample.
  @Test func samplesShowDifferentPieces() throws {
    let shape = shapes[0]
    var attack = try configuration((4, 8))
    try attack.set(["blend-alpha": "1"])
    let trigger = try attack.attack.trainingTrigger(for: shape, samples: [])
    var shown = [Int](repeating: 0, count: 16)
    var kinds: Set<[Bool]> = []
    for index in 0..<400 {
      let (weight, _) = weights(trigger, shape, index: index)
      let cells = (0..<16).map { weight[$0 / 4 * 8 * 32 + $0 % 4 * 8] > 0.5 }
      #expect(cells.count { $0 } == 8)
      kinds.insert(cells)
      for piece in 0..<16 where cells[piece] { shown[piece] += 1 }
    }
    #expect(kinds.count > 380)
    // 200 expected, deviation 10.
    #expect(shown.allSatisfy { (150...250).contains($0) }, "\(shown)")
  }

  private func configuration(_ cut: (side: Int, blanked: Int)) throws -> AttackConfiguration {
    try AttackConfiguration(
      kind: .adaptiveBlend, seed: 21,
      ["pieces": "\(cut.side * cut.side)", "blanked-pieces": "\(cut.blanked)"])
  }
}

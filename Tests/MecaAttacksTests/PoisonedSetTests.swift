import MecaAttacks
import MecaCore
import MecaImages
import Testing

@Suite struct PoisonedSetTests {
  private let base = randomSet(count: 400)

  @Test(arguments: AttackKind.allCases)
  func rateZeroLeavesEverythingAlone(kind: AttackKind) throws {
    var attack = try AttackConfiguration(kind: kind, poisonRate: 0)
    try attack.set(["cover-rate": "0"])
    let set = try PoisonedSet(base: base, attack: attack)
    #expect(set.poisonCount == 0 && set.coverCount == 0)
    #expect(set.effectiveRate == 0)
    try expectUntouched(set)
  }

  @Test func noAttackIgnoresTheRate() throws {
    let set = try PoisonedSet(
      base: base, attack: try AttackConfiguration(kind: .none, poisonRate: 1))
    #expect(set.poisonCount == 0)
    try expectUntouched(set)
  }

  @Test(arguments: [AttackKind.badnets, .blend], [0.0025, 0.05, 0.1234, 0.5, 1])
  func groundTruthMatchesLabelsAndBytes(kind: AttackKind, rate: Double) throws {
    let attack = try AttackConfiguration(kind: kind, poisonRate: rate, target: 4)
    let set = try PoisonedSet(base: base, attack: attack)
    // 0.1234 · 400 = 49.36
    #expect(set.poisonCount == [0.0025: 1, 0.05: 20, 0.1234: 49, 0.5: 200, 1: 400][rate])
    #expect(set.effectiveRate == Double(set.poisonCount) / 400)
    try expectTruth(set, attack) { _ in 4 }
  }

  @Test func signalTakesOnlyTheTargetClass() throws {
    let attack = try AttackConfiguration(kind: .sig, poisonRate: 0.05, target: 2)
    let set = try PoisonedSet(base: base, attack: attack)
    #expect(set.poisonCount == 20)
    try expectTruth(set, attack) { $0 }
    #expect((0..<400).allSatisfy { set.role(at: $0) == .clean || base.label(at: $0) == 2 })
  }

  @Test func signalIsCappedByTheTargetClass() throws {
    let attack = try AttackConfiguration(kind: .sig, poisonRate: 0.5, target: 2)
    let set = try PoisonedSet(base: base, attack: attack)
    #expect(set.poisonCount == 40)
    #expect(set.effectiveRate == 0.1)
    #expect((0..<400).allSatisfy { (set.role(at: $0) == .poison) == (base.label(at: $0) == 2) })
  }

  @Test func poolDecidesWhetherTheTargetClassIsPoisoned() throws {
    var attack = try AttackConfiguration(kind: .badnets, poisonRate: 0.5, target: 0)
    func targetsPoisoned(_ set: PoisonedSet) -> Int {
      (0..<400).count { set.role(at: $0) == .poison && base.label(at: $0) == 0 }
    }
    let all = try PoisonedSet(base: base, attack: attack)
    #expect(targetsPoisoned(all) > 0)
    try attack.set(["poison-pool": "non-target"])
    let others = try PoisonedSet(base: base, attack: attack)
    #expect(targetsPoisoned(others) == 0)
    #expect(others.poisonCount == 200)
    attack.poisonRate = 1
    let most = try PoisonedSet(base: base, attack: attack)
    #expect(most.poisonCount == 360)
    #expect(most.effectiveRate == 0.9)
  }

  @Test func seedDecidesTheSelectionAndTheRateOnlyItsLength() throws {
    func poisons(_ seed: UInt64, _ rate: Double) throws -> Set<Int> {
      let attack = try AttackConfiguration(kind: .badnets, poisonRate: rate, seed: seed)
      let set = try PoisonedSet(base: base, attack: attack)
      return Set((0..<400).filter { set.role(at: $0) == .poison })
    }
    #expect(try poisons(1, 0.1) == poisons(1, 0.1))
    #expect(try poisons(1, 0.1) != poisons(2, 0.1))
    #expect(try poisons(1, 0.1).isSubset(of: poisons(1, 0.2)))
  }

  @Test(arguments: AttackKind.allCases)
  func bytesDoNotDependOnTheOrderOfAccess(kind: AttackKind) async throws {
    let attack = try AttackConfiguration(kind: kind, poisonRate: 0.1)
    let set = try PoisonedSet(base: base, attack: attack)
    let forwards = try (0..<400).map { try set.image(at: $0) }
    let backwards = try (0..<400).reversed().map { try set.image(at: $0) }
    #expect(forwards == backwards.reversed())
    let parallel = try await withThrowingTaskGroup(of: (Int, [UInt8]).self) { group in
      for index in 0..<400 { group.addTask { (index, try set.image(at: index)) } }
      var images = [[UInt8]](repeating: [], count: 400)
      for try await (index, image) in group { images[index] = image }
      return images
    }
    #expect(parallel == forwards)
  }

  /// Poisons carry the trigger and the label of `label(original)`; all others are the base's.
  private func expectTruth(
    _ set: PoisonedSet, _ attack: AttackConfiguration, label: (Int) -> Int
  ) throws {
    let poisoned = (0..<set.count).filter { set.role(at: $0) == .poison }
    let trigger = try attack.attack.trainingTrigger(for: set.imageShape, samples: poisoned)
    var poisons = 0
    for index in 0..<set.count {
      var expected = try base.image(at: index)
      #expect(set.originalLabel(at: index) == base.label(at: index))
      #expect(set.path(at: index) == base.path(at: index))
      switch set.role(at: index) {
      case .clean: #expect(set.label(at: index) == base.label(at: index))
      case .poison:
        poisons += 1
        expected = trigger.marked(expected, shape: set.imageShape, index: index)
        #expect(try expected != base.image(at: index))
        #expect(set.label(at: index) == label(base.label(at: index)))
      case .cover: Issue.record("sample \(index) is a cover; this attack has none")
      }
      #expect(try set.image(at: index) == expected)
    }
    #expect(poisons == set.poisonCount)
  }

  /// Bytes, labels and roles are the base set's.
  private func expectUntouched(_ set: PoisonedSet) throws {
    #expect(set.labels == base.labels)
    for index in 0..<base.count {
      #expect(try set.image(at: index) == base.image(at: index))
      #expect(set.role(at: index) == .clean)
    }
  }
}

@Suite struct TriggeredTestSetTests {
  private let base = randomSet(count: 100)

  @Test func holdsTheOtherClassesWithTheirTrueLabels() throws {
    let attack = try AttackConfiguration(kind: .badnets, target: 3)
    let set = try TriggeredTestSet(base: base, attack: attack)
    #expect(set.target == 3)
    #expect(set.count == 90)
    #expect(set.attackSuccessIndices == (0..<100).filter { $0 % 10 != 3 })
    for index in 0..<set.count {
      let original = set.attackSuccessIndices[index]
      #expect(set.label(at: index) == original % 10)
      #expect(set.path(at: index) == "random#\(original)")
      let corner = set.imageShape.byteCount - 1
      var expected = try base.image(at: original)
      for channel in 0..<3 {
        for row in 0..<3 {
          for column in 0..<3 { expected[corner - channel * 1024 - row * 32 - column] = 255 }
        }
      }
      #expect(try set.image(at: index) == expected)
    }
  }

  @Test func withoutAnAttackImagesAreUntouched() throws {
    let set = try TriggeredTestSet(base: base, attack: try AttackConfiguration(kind: .none))
    for (index, original) in set.attackSuccessIndices.enumerated() {
      #expect(try set.image(at: index) == base.image(at: original))
    }
  }
}

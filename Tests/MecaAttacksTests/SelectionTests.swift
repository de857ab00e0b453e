import MecaAttacks
import MecaCore
import MecaImages
import Testing

/// Which samples become poisons and covers.
@Suite struct SelectionTests {
  /// The attacks of before, to the last bit: labels, roles, training and test images, computed by
  /// the program's first version.
  @Test(arguments: [
    (
      AttackKind.badnets, PoisonPool.all,
      "20cab7d4352dfed4492d0fb05c5a46a70fcbdb384d4f3231987ffbf99fbdf35c"
    ),
    (.badnets, .nonTarget, "b5f5b40934bd030acb7a2bcee3d438a1c8962d636f9ef9b302c5c46b9e11e825"),
    (.blend, .all, "5167e26cbb2381f61563f653b570c88547ac719d08ea91864d429f909dfd4706"),
    (.blend, .nonTarget, "95f50cfd1a492090f45b91a0acdc01257ddf9b2708eb0a3ffaa346df05259a61"),
    (.sig, .all, "72b8e17f4e952ff3a7572b2b6ef0dcc34eb4cf2989b37c9f2b3d05ae9315e513"),
  ])
  func oldAttacksKeepTheirBits(kind: AttackKind, pool: PoisonPool, digest: String) throws {
    let base = randomSet(count: 400)
    let attack = try AttackConfiguration(
      kind: kind, poisonRate: 0.1, target: 4, seed: 9, ["poison-pool": pool.rawValue])
    let set = try PoisonedSet(base: base, attack: attack)
    let test = try TriggeredTestSet(base: base, attack: attack)
    var content = SHA256Digest()
    for index in 0..<400 {
      content.update([UInt8(set.label(at: index)), set.role(at: index).rawValue])
      content.update(try set.image(at: index))
    }
    for index in 0..<test.count { content.update(try test.image(at: index)) }
    #expect(content.hexadecimal() == digest)
  }

  @Test(arguments: AttackKind.allCases)
  func poisonsAndCoversAreOthers(kind: AttackKind) throws {
    let base = randomSet(count: 500, shape: ImageShape(channels: 1, height: 8, width: 8))
    for (poison, cover) in [(0.05, 0.05), (0.06, 0.8), (0.6, 0.9), (0, 0.2), (1, 1)] {
      var attack = try AttackConfiguration(kind: kind, poisonRate: poison, target: 4)
      try attack.set(["cover-rate": "\(cover)"])
      let set = try PoisonedSet(base: base, attack: attack)
      let roles = (0..<500).map { set.role(at: $0) }
      let hasCovers = attack.text(of: "cover-rate") != nil
      let wanted = (Int(poison * 500), hasCovers ? Int(cover * 500) : 0)
      let pool = [AttackKind.none: 0, .sig: 50, .tact: 50][kind] ?? 500
      let coverPool = kind == .tact ? 400 : 500 - min(pool, wanted.0)
      let expected = (min(pool, wanted.0), min(coverPool, wanted.1))
      #expect(roles.count { $0 == .poison } == expected.0, "\(poison), \(cover)")
      #expect(roles.count { $0 == .cover } == expected.1, "\(poison), \(cover)")
      #expect(set.poisonCount == expected.0 && set.coverCount == expected.1)
      if kind != .none {
        #expect(set.wantedPoisonCount == wanted.0 && set.wantedCoverCount == wanted.1)
      }
      #expect(set.effectiveRate == Double(expected.0) / 500)
      #expect(set.effectiveCoverRate == Double(expected.1) / 500)
      let changesLabels = kind != .sig
      for (index, role) in roles.enumerated() {
        let original = base.label(at: index)
        #expect(set.label(at: index) == (role == .poison && changesLabels ? 4 : original))
        let isSame = try set.image(at: index) == base.image(at: index)
        if role == .clean { #expect(isSame) }
        // A quarter patch or a warp may leave an image alone by chance; not so a pattern.
        if role == .cover && kind == .adaptiveBlend { #expect(!isSame) }
      }
      #expect(set.groundTruth?.roles == (kind == .none ? nil : roles))
      #expect(
        set.groundTruth?.originalLabels == (kind == .none ? nil : base.labels.map { Int32($0) }))
    }
  }

  /// A lower rate is part of a higher one, and the other rate changes nothing.
  @Test(arguments: [AttackKind.wanet, .tact, .adaptiveBlend, .adaptivePatch])
  func ratesAreNested(kind: AttackKind) throws {
    let base = randomSet(count: 500, shape: ImageShape(channels: 1, height: 8, width: 8))
    func members(_ role: SampleRole, poison: Double, cover: Double) throws -> Set<Int> {
      var attack = try AttackConfiguration(kind: kind, poisonRate: poison)
      try attack.set(["cover-rate": "\(cover)"])
      let set = try PoisonedSet(base: base, attack: attack)
      return Set((0..<500).filter { set.role(at: $0) == role })
    }
    let poisons = try members(.poison, poison: 0.04, cover: 0.1)
    #expect(poisons.count == 20)
    #expect(try members(.poison, poison: 0.04, cover: 0.5) == poisons)
    #expect(try members(.poison, poison: 0.04, cover: 0) == poisons)
    #expect(try members(.poison, poison: 0.08, cover: 0.1).isStrictSuperset(of: poisons))
    let covers = try members(.cover, poison: 0.04, cover: 0.1)
    #expect(covers.count == 50)
    #expect(try members(.cover, poison: 0.08, cover: 0.1) == covers)
    #expect(try members(.cover, poison: 0.04, cover: 0.2).isStrictSuperset(of: covers))
  }

  @Test(arguments: [100, 200])
  func aClassOfManyIsSoonUsedUp(classes: Int) throws {
    let base = randomSet(
      count: 1000, classes: classes, shape: ImageShape(channels: 1, height: 6, width: 6))
    let share = 1000 / classes
    for kind in [AttackKind.sig, .tact] {
      let set = try PoisonedSet(base: base, attack: try AttackConfiguration(kind: kind))
      #expect(set.wantedPoisonCount == 50)
      #expect(set.poisonCount == share)
      #expect(set.effectiveRate == Double(share) / 1000)
      let pool = kind == .sig ? 1 : 0
      #expect((0..<1000).allSatisfy { (set.role(at: $0) == .poison) == ($0 % classes == pool) })
    }
    var attack = try AttackConfiguration(kind: .tact, poisonRate: 0.4)
    try attack.set(["cover-rate": "0.2"])
    try attack.set(["rate-base": "source"])
    let set = try PoisonedSet(base: base, attack: attack)
    #expect(set.poisonCount == share * 2 / 5 && set.coverCount == share / 5)
  }

  @Test func coversOfTaCTComeFromTheirClasses() throws {
    let base = randomSet(count: 500, shape: ImageShape(channels: 1, height: 6, width: 6))
    var attack = try AttackConfiguration(kind: .tact)
    try attack.set(["source": "7"])
    try attack.set(["cover-rate": "0.3"])
    func coverClasses() throws -> Set<Int> {
      let set = try PoisonedSet(base: base, attack: attack)
      #expect((0..<500).allSatisfy { set.role(at: $0) != .poison || $0 % 10 == 7 })
      return Set((0..<500).filter { set.role(at: $0) == .cover }.map { base.label(at: $0) })
    }
    #expect(try coverClasses() == [0, 2, 3, 4, 5, 6, 8, 9])
    try attack.set(["cover-classes": "5,9"])
    #expect(try coverClasses() == [5, 9])
    let set = try PoisonedSet(base: base, attack: attack)
    #expect(set.wantedCoverCount == 150 && set.coverCount == 100)
  }

  @Test func aPoisonedSetIsNotPoisonedAgain() throws {
    let attack = try AttackConfiguration(kind: .wanet, poisonRate: 0.2)
    let once = try PoisonedSet(base: randomSet(count: 50), attack: attack)
    let again = try PoisonedSet(base: once, attack: try AttackConfiguration(kind: .none))
    #expect(again.groundTruth == once.groundTruth)
    #expect(try again.labels == once.labels && again.image(at: 9) == once.image(at: 9))
    #expect {
      try PoisonedSet(base: once, attack: try AttackConfiguration(kind: .badnets))
    } throws: { error in
      "\(error)".contains("--attack badnets: random is a poisoned set already")
    }
  }

  @Test func onlyTaCTIsForSomeClasses() throws {
    let base = randomSet(count: 40)
    for kind in AttackKind.allCases {
      let set = try TriggeredTestSet(
        base: base, attack: try AttackConfiguration(kind: kind, target: 3))
      #expect(set.count == 36)
      #expect(set.isForSomeClasses == (kind == .tact))
      let victims = (0..<36).filter { set.isVictim(at: $0) }
      #expect(victims.map { set.label(at: $0) } == (kind == .tact ? [0, 0, 0, 0] : set.labels))
    }
    let two = try TriggeredTestSet(
      base: randomSet(count: 4, classes: 2), attack: try AttackConfiguration(kind: .tact))
    #expect(!two.isForSomeClasses, "with two classes the counts are the same")
  }
}

import FoundationEssentials
import MecaAttacks
import MecaCore
import MecaData
import Testing

@Suite struct AttackConfigurationTests {
  @Test func defaultsAreTheUsualSetting() throws {
    for kind in AttackKind.allCases {
      let attack = AttackConfiguration(kind: kind)
      #expect(attack.poisonRate == 0.05)
      #expect(attack.target == 1 && attack.source == 0)
      #expect(attack.poisonPool == .all && attack.rateBase == .dataset)
      #expect(attack.sigAmplitude == 40 && attack.sigFrequency == 6)
      #expect(attack.warpStrength == 0.5 && attack.warpGrid == 4 && attack.warpNoise == .fixed)
      #expect(attack.pieces == 16 && attack.blankedPieces == 8)
      #expect(attack.testAlpha == nil && attack.trigger == nil && attack.triggerPlace == nil)
      let isPattern = kind == .blend || kind == .adaptiveBlend
      #expect(attack.alpha == (isPattern ? 0.2 : 1), "\(kind)")
      let covers: [AttackKind: Double] = [
        .wanet: 0.05, .tact: 0.01, .adaptiveBlend: 0.01, .adaptivePatch: 0.01,
      ]
      let coverRate = covers[kind] ?? 0
      #expect(attack.coverRate == coverRate, "\(kind)")
      #expect(attack.settings.contains(.coverRate) == (coverRate > 0), "\(kind)")
      try attack.validate(classCount: 2, imageShape: ImageShape(channels: 3, height: 8, width: 8))
    }
  }

  @Test(arguments: [-1, -0.001, 1.001, .nan, .infinity, -.infinity])
  func refusesARateThatIsNoFraction(rate: Double) {
    expectRefusal("poison-rate", "\(rate)") { $0.poisonRate = rate }
  }

  @Test(arguments: [-1, 10, Int.max])
  func refusesATargetThatIsNoClass(target: Int) {
    expectRefusal("target", "\(target)") { $0.target = target }
  }

  @Test func refusesTriggersThatCannotBe() {
    expectRefusal("trigger-size", "0") { $0.triggerSize = 0 }
    expectRefusal("trigger-size", "33") { $0.triggerSize = 33 }
    expectRefusal("blend-alpha", "1.5") { $0.alpha = 1.5 }
    expectRefusal("blend-alpha", "nan") { $0.alpha = .nan }
    expectRefusal("test-alpha", "-0.1") { $0.testAlpha = -0.1 }
    expectRefusal("test-alpha", "nan") { $0.testAlpha = .nan }
    expectRefusal("sig-amplitude", "-1.0") { $0.sigAmplitude = -1 }
    expectRefusal("sig-amplitude", "inf") { $0.sigAmplitude = .infinity }
    expectRefusal("sig-test-amplitude", "256.0") { $0.sigTestAmplitude = 256 }
    expectRefusal("sig-test-amplitude", "nan") { $0.sigTestAmplitude = .nan }
    expectRefusal("sig-frequency", "0") { $0.sigFrequency = 0 }
    expectRefusal("warp-strength", "nan") { $0.warpStrength = .nan }
    expectRefusal("warp-strength", "-0.5") { $0.warpStrength = -0.5 }
    expectRefusal("warp-grid", "1") { $0.warpGrid = 1 }
    expectRefusal("warp-grid", "\(Int.max)") { $0.warpGrid = .max }
    for pieces in [-4, 0, 2, 15, Int.max] {
      expectRefusal("pieces", "\(pieces)") { $0.pieces = pieces }
    }
    expectRefusal("blanked-pieces", "17") { $0.blankedPieces = 17 }
    expectRefusal("blanked-pieces", "-1") { $0.blankedPieces = -1 }
    // Finer than 32 x 32 pixels.
    expectRefusal("pieces", "1089", of: .adaptiveBlend) { $0.pieces = 1089 }
  }

  @Test func refusesClassesThatCannotBe() {
    for rate in [-0.01, 1.01, .nan] {
      expectRefusal("cover-rate", "\(rate)", of: .tact) { $0.coverRate = rate }
    }
    for source in [-1, 1, 10] {
      expectRefusal("source", "\(source)", of: .tact) { $0.source = source }
    }
    for (classes, text) in [
      ([], ""), ([2, 10], "2,10"), ([-1], "-1"), ([0, 2], "0,2"), ([1], "1"),
    ] {
      expectRefusal("cover-classes", text, of: .tact) { $0.coverClasses = classes }
    }
  }

  @Test func survivesJSON() throws {
    var attack = AttackConfiguration(kind: .sig, poisonRate: 0.1, target: 7, seed: .max)
    attack.poisonPool = .nonTarget
    attack.triggerSize = 5
    let data = try JSONEncoder().encode(attack)
    #expect(try JSONDecoder().decode(AttackConfiguration.self, from: data) == attack)
    for kind in AttackKind.allCases {
      // No value is the default of any attack.
      var all = AttackConfiguration(kind: kind, poisonRate: 0.3, target: 6, seed: 99)
      all.coverRate = 0.07
      all.rateBase = .source
      all.source = 8
      all.coverClasses = [2, 3]
      all.trigger = TriggerFile(path: "a/b.png", sha256: "0123")
      all.triggerPlace = .centre
      all.alpha = 0.45
      all.testAlpha = 0.55
      all.sigAmplitude = 20
      all.sigTestAmplitude = 60
      all.sigFrequency = 5
      all.warpStrength = 0.75
      all.warpGrid = 8
      all.warpNoise = .fresh
      all.pieces = 25
      all.blankedPieces = 9
      all.patchSet = .toolbox
      let data = try JSONEncoder().encode(all)
      #expect(try JSONDecoder().decode(AttackConfiguration.self, from: data) == all)
    }
  }

  /// What models of earlier versions hold: Blend's α stood in every attack's record.
  @Test(arguments: [(AttackKind.badnets, 1.0), (.blend, 0.3), (.sig, 1), (.none, 1)])
  func readsRecordsOfEarlierVersions(kind: AttackKind, alpha: Double) throws {
    let text = """
      {"blendAlpha":0.3,"kind":"\(kind.rawValue)","poisonPool":"nonTarget","poisonRate":0.125,\
      "seed":18446744073709551615,"sigAmplitude":25,"sigFrequency":7,"target":3,"triggerSize":5}
      """
    let attack = try JSONDecoder().decode(AttackConfiguration.self, from: Data(text.utf8))
    var expected = AttackConfiguration(
      kind: kind, poisonRate: 0.125, target: 3, seed: .max, poisonPool: .nonTarget, triggerSize: 5)
    expected.sigAmplitude = 25
    expected.sigFrequency = 7
    expected.alpha = alpha
    #expect(attack == expected)
  }

  @Test func refusesRecordsOfUnknownAttacks() {
    for text in ["{}", "{\"kind\":\"magic\"}", "{\"kind\":\"tact\",\"source\":\"0\"}"] {
      #expect(throws: DecodingError.self) {
        try JSONDecoder().decode(AttackConfiguration.self, from: Data(text.utf8))
      }
    }
  }

  /// Worlds apart: two attacks with the same name but another picture are not the same.
  @Test func thePictureIsPartOfTheIdentity() {
    var one = AttackConfiguration(kind: .blend)
    var other = one
    one.trigger = TriggerFile(path: "x.png", sha256: "aa")
    other.trigger = TriggerFile(path: "x.png", sha256: "ab")
    #expect(one != other)
  }

  /// The change must be refused by the check and by both sets, with the option's name.
  private func expectRefusal(
    _ setting: String, _ value: String, of kind: AttackKind = .badnets,
    _ change: (inout AttackConfiguration) -> Void
  ) {
    var attack = AttackConfiguration(kind: kind)
    change(&attack)
    let base = randomSet(count: 20)
    let attempts: [() throws -> Void] = [
      { try attack.validate(classCount: 10, imageShape: base.imageShape) },
      { _ = try PoisonedSet(base: base, attack: attack) },
      { _ = try TriggeredTestSet(base: base, attack: attack) },
    ]
    for attempt in attempts {
      #expect {
        try attempt()
      } throws: { error in
        let error = error as? SettingError
        return error?.setting == setting && error?.value == value
      }
    }
  }
}

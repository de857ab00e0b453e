import FoundationEssentials
import MecaAttacks
import MecaCore
import MecaImages
import Testing

@Suite struct AttackConfigurationTests {
  @Test func defaultsAreTheUsualSetting() throws {
    let usual = [
      "poison-pool": "all", "rate-base": "dataset", "source": "0", "sig-amplitude": "40.0",
      "sig-frequency": "6", "warp-strength": "0.5", "warp-grid": "4", "warp-noise": "fixed",
      "pieces": "16", "blanked-pieces": "8", "patch-set": "quadrants",
    ]
    let covers: [AttackKind: String] = [
      .wanet: "0.05", .tact: "0.01", .adaptiveBlend: "0.01", .adaptivePatch: "0.01",
    ]
    for kind in AttackKind.allCases {
      let attack = try AttackConfiguration(kind: kind)
      #expect(attack.poisonRate == 0.05 && attack.target == 1)
      for (name, value) in attack.values {
        let isPattern = kind == .blend || kind == .adaptiveBlend
        let expected =
          name == "blend-alpha"
          ? isPattern ? "0.2" : "1.0" : name == "cover-rate" ? covers[kind] : usual[name]
        #expect(value.text == expected ?? SettingValue.auto, "\(kind), \(name)")
      }
      #expect(attack.attack.coverRate == Double(covers[kind] ?? "0"))
      try attack.validate(classCount: 2, imageShape: ImageShape(channels: 3, height: 8, width: 8))
    }
    #expect(Set(Attacks.names) == Set(AttackKind.allCases.map(\.rawValue)))
  }

  @Test(arguments: [-1, -0.001, 1.001, .nan, .infinity, -.infinity])
  func refusesARateThatIsNoFraction(rate: Double) throws {
    try expectRefusal("poison-rate", "\(rate)") { $0.poisonRate = rate }
  }

  @Test(arguments: [-1, 10, Int.max])
  func refusesATargetThatIsNoClass(target: Int) throws {
    try expectRefusal("target", "\(target)") { $0.targetClass = .number(target) }
  }

  @Test(arguments: [
    (AttackKind.badnets, "trigger-size", ["0", "33", "-1", "x"]),
    (.badnets, "blend-alpha", ["1.5", "nan", "-0.1", ""]),
    (.badnets, "test-alpha", ["-0.1", "nan"]), (.badnets, "trigger-place", ["left"]),
    (.badnets, "poison-pool", ["none"]), (.sig, "sig-amplitude", ["-1.0", "inf", "256"]),
    (.sig, "sig-test-amplitude", ["256.0", "nan"]), (.sig, "sig-frequency", ["0", "1.5"]),
    (.wanet, "warp-strength", ["nan", "-0.5"]), (.wanet, "warp-grid", ["1", "\(Int.max)"]),
    (.wanet, "cover-rate", ["-0.01", "1.01", "nan"]),
    // 1089 pieces are finer than 32 x 32 pixels.
    (.adaptiveBlend, "pieces", ["-4", "0", "2", "15", "\(Int.max)", "1089"]),
    (.adaptiveBlend, "blanked-pieces", ["17", "-1"]),
    (.adaptivePatch, "patch-set", ["quadrant"]), (.tact, "source", ["-1", "1", "10", "class 1"]),
    (.tact, "cover-classes", ["2,10", "-1", "0,2", "1", "class 0", "2,"]),
  ])
  func refusesValuesThatCannotBe(kind: AttackKind, setting: String, values: [String]) throws {
    for value in values {
      try expectRefusal(setting, of: kind) { try $0.set([setting: value]) }
    }
  }

  /// Whoever builds a configuration in code does not come past the table's texts.
  @Test func valuesThatAreSetInCodeAreCheckedToo() throws {
    let attacks = [
      AttackConfiguration(BadNets.self) { $0.patch.size = 0 },
      AttackConfiguration(BadNets.self) { $0.patch.weight.training = .nan },
      AttackConfiguration(WaNet.self) { $0.strength = -1 },
      AttackConfiguration(AdaptiveBlend.self) { $0.pieces = 15 },
    ]
    for attack in attacks {
      #expect(throws: SettingError.self) {
        try attack.validate(classCount: 10)
      }
    }
  }

  @Test func patchesOfTheToolboxHaveNoSettings() throws {
    try expectRefusal("trigger-size", of: .adaptivePatch) {
      try $0.set(["patch-set": "toolbox", "trigger-size": "3"])
    }
    _ = try AttackConfiguration(kind: .adaptivePatch, ["patch-set": "toolbox"])
  }

  /// No value is the default of any attack.
  static let unusual = [
    "poison-pool": "non-target", "cover-rate": "0.07", "rate-base": "source", "source": "8",
    "cover-classes": "2,3", "trigger-size": "5", "trigger-place": "centre",
    "blend-alpha": "0.45", "test-alpha": "0.55", "sig-amplitude": "20.0",
    "sig-test-amplitude": "60.0", "sig-frequency": "5", "warp-strength": "0.75", "warp-grid": "8",
    "warp-noise": "fresh", "pieces": "25", "blanked-pieces": "9",
  ]

  @Test(arguments: AttackKind.allCases)
  func survivesJSON(kind: AttackKind) throws {
    let names = (0..<10).map { "class \($0)" }
    let attack = try AttackConfiguration(
      kind: kind, poisonRate: 0.3, target: 6, seed: .max, Self.unusual
    ).resolved(among: names)
    for (name, value) in attack.values where Self.unusual[name] != nil {
      #expect(value.text == Self.unusual[name])
    }
    let data = try JSONEncoder().encode(attack)
    #expect(try JSONDecoder().decode(AttackConfiguration.self, from: data) == attack)
  }

  /// What models of earlier versions hold: every setting of every attack in one record, and in the
  /// earliest Blend's α as `blendAlpha`.
  @Test(arguments: [
    (AttackKind.badnets, ["blend-alpha": "1.0", "trigger-size": "5", "poison-pool": "non-target"]),
    (.blend, ["blend-alpha": "0.3"]), (.sig, ["sig-amplitude": "25.0", "sig-frequency": "7"]),
    (.none, [:]),
  ])
  func readsRecordsOfEarlierVersions(kind: AttackKind, settings: [String: String]) throws {
    let text = """
      {"blendAlpha":0.3,"kind":"\(kind.rawValue)","poisonPool":"nonTarget","poisonRate":0.125,\
      "seed":18446744073709551615,"sigAmplitude":25,"sigFrequency":7,"target":3,"triggerSize":5,\
      "warpGrid":4,"patchSet":"quadrants","rateBase":"dataset","source":0}
      """
    let attack = try JSONDecoder().decode(AttackConfiguration.self, from: Data(text.utf8))
    #expect(attack.poisonRate == 0.125 && attack.target == 3 && attack.seed == .max)
    for (name, value) in settings { #expect(attack.text(of: name) == value, "\(name)") }
  }

  @Test func readsTheWeightOfRecentRecords() throws {
    let text = """
      {"alpha":0.45,"coverRate":0,"kind":"badnets","poisonRate":0.05,"seed":1,"target":1,\
      "trigger":{"path":"a/b.png","sha256":"0123"}}
      """
    let attack = try JSONDecoder().decode(AttackConfiguration.self, from: Data(text.utf8))
    #expect(attack.text(of: "blend-alpha") == "0.45")
    #expect(attack.files.map(\.sha256) == ["0123"])
    let again = try JSONEncoder().encode(attack)
    #expect(String(decoding: again, as: UTF8.self).contains("\"alpha\":0.45"))
  }

  @Test func refusesRecordsOfUnknownAttacks() {
    for text in [
      "{}", "{\"kind\":\"magic\"}", "{\"kind\":\"wanet\",\"warpGrid\":\"many\"}",
      "{\"kind\":\"badnets\",\"target\":[1]}",
    ] {
      #expect(throws: DecodingError.self) {
        try JSONDecoder().decode(AttackConfiguration.self, from: Data(text.utf8))
      }
    }
  }

  /// Two attacks with the same name but another picture are not the same; where it lies is no matter.
  @Test func thePictureIsPartOfTheIdentity() {
    func attack(_ path: String, _ sha256: String) -> AttackConfiguration {
      AttackConfiguration(Blend.self) { $0.trigger = TriggerFile(path: path, sha256: sha256) }
    }
    #expect(attack("x.png", "aa") != attack("x.png", "ab"))
    #expect(!attack("x.png", "aa").isSame(as: attack("x.png", "ab")))
    #expect(attack("x.png", "aa") != attack("y.png", "aa"))
    #expect(attack("x.png", "aa").isSame(as: attack("y.png", "aa")))
  }

  @Test func classesMayBeNamed() throws {
    let names = ["0", "1", "10", "11", "2", "Ape\u{301}"]
    func number(_ text: String) throws -> Int {
      var attack = AttackConfiguration(BadNets.self)
      attack.targetClass = .written(text)
      return try attack.resolved(among: names).target
    }
    #expect(try number("10") == 2 && number("2") == 4 && number("#2") == 2 && number("5") == 5)
    #expect(try number("Ap\u{e9}") == 5, "the other Unicode form")
    for text in ["6", "#6", "ape", "", "#", "-1"] {
      #expect(throws: SettingError.self, "\(text)") { try number(text) }
    }
    let tact = try AttackConfiguration(kind: .tact, ["source": "11", "cover-classes": "2, #0"])
      .resolved(among: names)
    #expect(tact.text(of: "source") == "3" && tact.text(of: "cover-classes") == "0,4")
  }

  /// The change must be refused, at once or by the check and both sets, with the option's name.
  private func expectRefusal(
    _ setting: String, _ value: String? = nil, of kind: AttackKind = .badnets,
    _ change: @escaping (inout AttackConfiguration) throws -> Void
  ) throws {
    let base = randomSet(count: 20)
    func changed() throws -> AttackConfiguration {
      var attack = try AttackConfiguration(kind: kind)
      try change(&attack)
      return try attack.resolved(among: base.classNames)
    }
    let attempts: [() throws -> Void] = [
      { try changed().validate(classCount: 10, imageShape: base.imageShape) },
      { _ = try PoisonedSet(base: base, attack: try changed()) },
      { _ = try TriggeredTestSet(base: base, attack: try changed()) },
    ]
    for attempt in attempts {
      #expect {
        try attempt()
      } throws: { error in
        let error = error as? SettingError
        return error?.setting == setting && (value == nil || error?.value == value)
      }
    }
  }
}

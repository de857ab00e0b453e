import FoundationEssentials
import MecaAttacks
import MecaCore
import MecaData
import Testing

@Suite struct AttackConfigurationTests {
  @Test func defaultsAreTheUsualSetting() throws {
    let attack = AttackConfiguration(kind: .blend)
    #expect(attack.poisonRate == 0.05)
    #expect(attack.target == 1)
    #expect(attack.poisonPool == .all)
    #expect(attack.blendAlpha == 0.2)
    #expect(attack.sigAmplitude == 40)
    #expect(attack.sigFrequency == 6)
    try attack.validate(classCount: 2)
  }

  @Test(arguments: [-1, -0.001, 1.001, .nan, .infinity, -.infinity])
  func refusesARateThatIsNoFraction(rate: Double) {
    expectRefusal("--poison-rate", "\(rate)") { $0.poisonRate = rate }
  }

  @Test(arguments: [-1, 10, Int.max])
  func refusesATargetThatIsNoClass(target: Int) {
    expectRefusal("--target", "\(target)") { $0.target = target }
  }

  @Test func refusesTriggersThatCannotBe() {
    expectRefusal("--trigger-size", "0") { $0.triggerSize = 0 }
    expectRefusal("--trigger-size", "33") { $0.triggerSize = 33 }
    expectRefusal("--blend-alpha", "1.5") { $0.blendAlpha = 1.5 }
    expectRefusal("--blend-alpha", "nan") { $0.blendAlpha = .nan }
    expectRefusal("--sig-amplitude", "-1.0") { $0.sigAmplitude = -1 }
    expectRefusal("--sig-amplitude", "inf") { $0.sigAmplitude = .infinity }
    expectRefusal("--sig-frequency", "0") { $0.sigFrequency = 0 }
  }

  @Test func survivesJSON() throws {
    var attack = AttackConfiguration(kind: .sig, poisonRate: 0.1, target: 7, seed: .max)
    attack.poisonPool = .nonTarget
    attack.triggerSize = 5
    let data = try JSONEncoder().encode(attack)
    #expect(try JSONDecoder().decode(AttackConfiguration.self, from: data) == attack)
  }

  /// The change must be refused by the check and by both sets, with the option's name.
  private func expectRefusal(
    _ option: String, _ value: String, _ change: (inout AttackConfiguration) -> Void
  ) {
    var attack = AttackConfiguration(kind: .badnets)
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
        guard case .invalidValue(option, value, _) = error as? UsageError else { return false }
        return true
      }
    }
  }
}

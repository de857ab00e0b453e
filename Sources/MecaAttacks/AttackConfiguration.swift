import MecaCore
import MecaImages

/// Everything that defines an attack; two equal configurations poison a set in the same way.
public struct AttackConfiguration: Sendable {
  /// Poisoned samples as a fraction of the training set, 0 to 1.
  public var poisonRate: Double
  /// The class that the backdoor leads to.
  public var targetClass: ClassReference
  /// Seed of the attacker's choices: poisoned samples, drawn triggers, warps, pieces.
  public var seed: UInt64
  private var chosen: any ChosenAttack

  /// An attack with its usual settings: 5 % of the set, target class 1, the paper's Table I.
  public init(
    _ attack: any Attack.Type, poisonRate: Double = 0.05,
    target: ClassReference = .number(1), seed: UInt64 = 1
  ) {
    func choose<Made: Attack>(_ attack: Made.Type) -> any ChosenAttack {
      Chosen<Made>(settings: Made.Settings())
    }
    self.init(poisonRate, target, seed, choose(attack))
  }

  /// An attack with some settings changed.
  public init<Made: Attack>(
    _ attack: Made.Type, poisonRate: Double = 0.05, target: Int = 1, seed: UInt64 = 1,
    settings change: (inout Made.Settings) -> Void
  ) {
    var settings = Made.Settings()
    change(&settings)
    self.init(poisonRate, .number(target), seed, Chosen<Made>(settings: settings))
  }

  private init(
    _ poisonRate: Double, _ target: ClassReference, _ seed: UInt64, _ chosen: any ChosenAttack
  ) {
    self.poisonRate = poisonRate
    targetClass = target
    self.seed = seed
    self.chosen = chosen
  }

  /// No attack.
  public static let none = AttackConfiguration(NoAttack.self)

  /// What is known of the attack.
  public var facts: AttackFacts { chosen.facts }
  /// The attack's name on the command line.
  public var name: String { facts.name }
  /// Whether there is none.
  public var isNone: Bool { name == NoAttack.facts.name }
  /// The number of the class that the backdoor leads to; classes must be resolved.
  public var target: Int {
    guard case .number(let number) = targetClass else {
      preconditionFailure("the target \(targetClass) was not resolved")
    }
    return number
  }

  /// The attack's own settings in their order.
  public var values: [(name: String, value: SettingValue)] { chosen.values }
  /// The names of its own settings.
  public var settingNames: [String] { values.map(\.name) }

  /// Sets some of the attack's own settings to what texts say, and checks all of them.
  ///
  /// - Throws: `SettingError` for a value that cannot be, `FileError` for a file.
  public mutating func set(_ values: [String: String]) throws { try chosen.set(values) }

  /// The attack, ready to be put in; classes must be resolved.
  public var attack: any Attack {
    chosen.attack(AttackGoal(poisonRate: poisonRate, target: target, seed: seed))
  }

  /// The same with the numbers of classes in place of their names.
  ///
  /// - Throws: `SettingError` for a class that there is not.
  public func resolved(among classNames: [String]) throws -> AttackConfiguration {
    var result = self
    // Nobody's target: a set may have one class, and no attack.
    if isNone { return result }
    result.targetClass = .number(try targetClass.number(among: classNames, setting: "target"))
    try result.chosen.resolveClasses(classNames)
    return result
  }

  /// The same with other numbers for all classes.
  ///
  /// - Parameter numbers: the new number of each class.
  public func renumbered(_ numbers: [Int]) -> AttackConfiguration {
    var result = self
    if case .number(let target) = targetClass { result.targetClass = .number(numbers[target]) }
    result.chosen.renumberClasses(numbers)
    return result
  }

  /// The same with files known by their content alone, wherever they lie.
  public var withoutPlaces: AttackConfiguration {
    var result = self
    for (name, value) in values {
      guard case .file(_, let sha256) = value else { continue }
      do {
        try result.chosen.restore(name, .file(path: "", sha256: sha256))
      } catch {
        preconditionFailure("\(name) does not take what it gave: \(error)")
      }
    }
    return result
  }

  /// The files that it reads.
  public var files: [(path: String, sha256: String)] {
    values.compactMap { _, value in
      if case .file(let path, let sha256) = value { (path, sha256) } else { nil }
    }
  }

  /// Whether two attacks are the same, wherever their files lie.
  public func isSame(as other: AttackConfiguration) -> Bool { withoutPlaces == other.withoutPlaces }

  /// Checks every value; classes must be resolved.
  ///
  /// - Parameters:
  ///   - classCount: classes of the data set.
  ///   - imageShape: size of its images, where it is known.
  /// - Throws: `SettingError`.
  public func validate(classCount: Int, imageShape: ImageShape? = nil) throws {
    try validateAlone()
    if isNone { return }
    guard (0..<classCount).contains(target) else {
      throw SettingError(
        setting: "target", value: "\(target)", allowed: "a class number, 0 to \(classCount - 1)")
    }
    try attack.check(classCount: classCount, imageShape: imageShape)
  }

  /// Checks what needs no data.
  ///
  /// - Throws: `SettingError`.
  public func validateAlone() throws {
    guard poisonRate >= 0 && poisonRate <= 1 else {
      throw SettingError(
        setting: "poison-rate", value: "\(poisonRate)",
        allowed: "a fraction of the training set, 0 to 1")
    }
    // Whoever builds a configuration in code has not come past the table.
    var copy = chosen
    for (name, value) in values { try copy.restore(name, value) }
    try chosen.validate()
  }
}

extension AttackConfiguration: Hashable {
  /// Whether all values are the same.
  public static func == (first: AttackConfiguration, second: AttackConfiguration) -> Bool {
    first.name == second.name && first.poisonRate == second.poisonRate
      && first.targetClass == second.targetClass && first.seed == second.seed
      && first.values.elementsEqual(second.values) { $0 == $1 }
  }

  /// Feeds all values.
  public func hash(into hasher: inout Hasher) {
    hasher.combine(name)
    hasher.combine(poisonRate)
    hasher.combine(targetClass)
    hasher.combine(seed)
    for (_, value) in values { hasher.combine(value) }
  }
}

extension AttackConfiguration: Codable {
  private enum Key: String, CodingKey { case kind, poisonRate, target, seed }

  /// A setting's name as a key: `warp-strength` as `warpStrength`; the weight of patterns and patches
  /// has kept its first one.
  private static func key(_ name: String) -> SettingKey {
    if name == "blend-alpha" { return SettingKey(stringValue: "alpha") }
    let parts = name.split(separator: "-")
    let others = parts.dropFirst().map { $0.prefix(1).uppercased() + $0.dropFirst() }
    return SettingKey(stringValue: parts[0] + others.joined())
  }

  /// Writes everything on one level.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    try container.encode(name, forKey: .kind)
    try container.encode(poisonRate, forKey: .poisonRate)
    if case .number(let number) = targetClass { try container.encode(number, forKey: .target) }
    if case .written(let text) = targetClass { try container.encode(text, forKey: .target) }
    try container.encode(seed, forKey: .seed)
    var settings = encoder.container(keyedBy: SettingKey.self)
    for (name, value) in values {
      if case .unset = value { continue }
      try settings.encode(value, forKey: Self.key(name))
    }
  }

  /// Reads what `encode(to:)` writes; what is missing has the attack's default.
  ///
  /// - Throws: `DecodingError`, also for an attack that is not known and values that cannot be.
  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: Key.self)
    let name = try values.decode(String.self, forKey: .kind)
    guard let attack = Attacks.named(name) else {
      throw DecodingError.dataCorruptedError(
        forKey: .kind, in: values, debugDescription: "there is no attack \(shortened(name))")
    }
    self.init(attack)
    poisonRate = try values.decodeIfPresent(Double.self, forKey: .poisonRate) ?? poisonRate
    seed = try values.decodeIfPresent(UInt64.self, forKey: .seed) ?? seed
    if values.contains(.target) {
      if let number = try? values.decode(Int.self, forKey: .target) {
        targetClass = .number(number)
      } else {
        targetClass = .written(try values.decode(String.self, forKey: .target))
      }
    }
    let settings = try decoder.container(keyedBy: SettingKey.self)
    for setting in chosen.values.map(\.name) {
      var keys = [Self.key(setting)]
      // In the earliest files, where it stood for every other attack too, without a meaning.
      if attack == Blend.self, setting == "blend-alpha" {
        keys.append(SettingKey(stringValue: "blendAlpha"))
      }
      guard let key = keys.first(where: settings.contains) else { continue }
      let value = try settings.decode(SettingValue.self, forKey: key)
      do {
        try chosen.restore(setting, value)
      } catch {
        throw DecodingError.dataCorruptedError(
          forKey: key, in: settings, debugDescription: "\(error)")
      }
    }
  }
}

/// A kind of attack with its settings, whatever their type.
private protocol ChosenAttack: Sendable {
  var facts: AttackFacts { get }
  var values: [(name: String, value: SettingValue)] { get }
  func attack(_ goal: AttackGoal) -> any Attack
  func validate() throws
  mutating func set(_ values: [String: String]) throws
  mutating func restore(_ name: String, _ value: SettingValue) throws
  mutating func resolveClasses(_ names: [String]) throws
  mutating func renumberClasses(_ numbers: [Int])
}

private struct Chosen<Made: Attack>: ChosenAttack {
  var settings: Made.Settings

  var facts: AttackFacts { Made.facts }
  var values: [(name: String, value: SettingValue)] { settings.values }

  func attack(_ goal: AttackGoal) -> any Attack { Made(goal, settings) }
  func validate() throws { try settings.validate() }
  mutating func set(_ values: [String: String]) throws { try settings.set(values) }

  mutating func restore(_ name: String, _ value: SettingValue) throws {
    try Made.Settings.setting(named: name)?.restore(&settings, value)
  }

  mutating func resolveClasses(_ names: [String]) throws {
    try settings.resolveClasses(among: names)
  }

  mutating func renumberClasses(_ numbers: [Int]) { settings.renumberClasses(numbers) }
}

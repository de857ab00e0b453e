import MecaCore
import MecaImages

/// What makes an attack: the samples it takes, the labels they get, the marks it leaves.
///
/// One type a kind, in a file of its own with its settings; everything else works with any of them.
/// To add one: its file, and its line in `Attacks`.
public protocol Attack: Sendable {
  /// Its settings beside poison rate, target and seed.
  associatedtype Settings: AttackSettings
  /// What people and programs should know of it.
  static var facts: AttackFacts { get }

  /// The attack with the values of a configuration.
  init(_ goal: AttackGoal, _ settings: Settings)

  /// What every attack has.
  var goal: AttackGoal { get }
  /// The values that it was made with.
  var settings: Settings { get }

  /// Samples with a trigger and their true label, as a fraction of the training set.
  var coverRate: Double { get }
  /// The class that the backdoor leads from, where it is a certain one.
  var source: Int? { get }
  /// How many training samples may look different from each other.
  var markCount: Int { get }

  /// Refuses values that do not suit the data.
  ///
  /// - Parameters:
  ///   - classCount: classes of the data set.
  ///   - imageShape: size of its images, where it is known.
  /// - Throws: `SettingError`.
  func check(classCount: Int, imageShape: ImageShape?) throws

  /// Whether samples of class `label` count in the number that the rates are fractions of.
  func isInRateBase(label: Int) -> Bool
  /// Whether a sample of class `label` may become a poison.
  func mayPoison(label: Int) -> Bool
  /// Whether a sample of class `label` may become a cover.
  func mayCover(label: Int) -> Bool
  /// The label that a poison of class `original` gets.
  func poisonLabel(original: Int) -> Int
  /// Whether the attack claims to move test samples of class `label` to the target.
  func isVictim(label: Int) -> Bool

  /// What is put into the poisons; `samples` are all of them, ascending.
  func trainingTrigger(for shape: ImageShape, samples: [Int]) throws -> any Trigger
  /// What is put into the covers; `samples` are all of them, ascending.
  func coverTrigger(for shape: ImageShape, samples: [Int]) throws -> any Trigger
  /// What is put into test images.
  func testTrigger(for shape: ImageShape) throws -> any Trigger
}

/// What most attacks have in common.
extension Attack {
  /// The names of its settings.
  public static var settingNames: [String] { Settings.names }

  /// None.
  public var coverRate: Double { 0 }
  /// Any class.
  public var source: Int? { nil }
  /// Two, where samples look different at all.
  public var markCount: Int { 2 }

  /// Everything suits.
  public func check(classCount: Int, imageShape: ImageShape?) throws {}

  /// All do.
  public func isInRateBase(label: Int) -> Bool { true }
  /// All may, where the settings do not keep the target's own samples out.
  public func mayPoison(label: Int) -> Bool {
    settings.poisonPool == .all || label != goal.target
  }
  /// All may.
  public func mayCover(label: Int) -> Bool { true }
  /// The target.
  public func poisonLabel(original: Int) -> Int { goal.target }
  /// Those of every other class.
  public func isVictim(label: Int) -> Bool { label != goal.target }

  /// The same as into poisons.
  public func coverTrigger(for shape: ImageShape, samples: [Int]) throws -> any Trigger {
    try trainingTrigger(for: shape, samples: samples)
  }
}

/// What every attack has.
public struct AttackGoal: Hashable, Sendable {
  /// Poisoned samples as a fraction of the training set, 0 to 1.
  public var poisonRate: Double
  /// The class that the backdoor leads to.
  public var target: Int
  /// Seed of the attacker's choices: poisoned samples, drawn triggers, warps, pieces.
  public var seed: UInt64

  /// All values.
  public init(poisonRate: Double, target: Int, seed: UInt64) {
    (self.poisonRate, self.target, self.seed) = (poisonRate, target, seed)
  }
}

/// Settings of an attack.
public protocol AttackSettings: SettingsTable {
  /// Which samples may become poisons.
  var poisonPool: PoisonPool { get }
  /// Puts the numbers of classes in the place of what somebody wrote.
  ///
  /// - Throws: `SettingError` for a class that there is not.
  mutating func resolveClasses(among names: [String]) throws
  /// Gives classes that were resolved other numbers.
  mutating func renumberClasses(_ numbers: [Int])
}

extension AttackSettings {
  /// All samples.
  public var poisonPool: PoisonPool { .all }
  /// No setting is a class.
  public mutating func resolveClasses(among names: [String]) throws {}
  /// No setting is a class.
  public mutating func renumberClasses(_ numbers: [Int]) {}
}

/// Settings of an attack that has none.
public struct NoAttackSettings: AttackSettings {
  /// Nothing.
  public init() {}
  /// Nothing.
  public static var table: [Setting<NoAttackSettings>] { [] }
}

/// What people and programs should know of an attack.
public struct AttackFacts: Sendable {
  /// Name on the command line.
  public let name: String
  /// Name for people.
  public let title: String
  /// What it does, one sentence.
  public let sentence: String
  /// Where it comes from.
  public let source: String
  /// The augmentation that belongs to the attack, for those that are learnt under one.
  public let augmentation: Augmentation?

  /// All values.
  public init(
    name: String, title: String, sentence: String, source: String,
    augmentation: Augmentation? = nil
  ) {
    self.name = name
    self.title = title
    self.sentence = sentence
    self.source = source
    self.augmentation = augmentation
  }
}

/// No attack: nothing is poisoned, test images stay as they are.
public struct NoAttack: Attack {
  /// What people should know.
  public static let facts = AttackFacts(
    name: "none", title: "none", sentence: "Puts nothing in: the set stays as it is.",
    source: "–")

  /// Without meaning.
  public let goal: AttackGoal
  /// None.
  public let settings: NoAttackSettings

  /// Makes it.
  public init(_ goal: AttackGoal, _ settings: NoAttackSettings) {
    (self.goal, self.settings) = (goal, settings)
  }

  /// None may.
  public func mayPoison(label: Int) -> Bool { false }
  /// None may.
  public func mayCover(label: Int) -> Bool { false }
  /// The own one.
  public func poisonLabel(original: Int) -> Int { original }

  /// Nothing.
  public func trainingTrigger(for shape: ImageShape, samples: [Int]) -> any Trigger { NoTrigger() }
  /// Nothing.
  public func testTrigger(for shape: ImageShape) -> any Trigger { NoTrigger() }
}

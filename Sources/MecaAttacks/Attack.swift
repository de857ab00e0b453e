import MecaData

/// What makes an attack: the samples it takes, the labels they get, the marks it leaves.
///
/// One type a kind, in a file of its own; everything else in this module works with any of them.
protocol Attack: Sendable {
  /// Puts this attack's own defaults into a configuration that has the general ones.
  static func adoptDefaults(_ configuration: inout AttackConfiguration)

  /// The attack with the values of a configuration.
  init(_ configuration: AttackConfiguration)

  /// The attack's values.
  var configuration: AttackConfiguration { get }
  /// The settings that this attack uses, beside poison rate, target and seed.
  var settings: Set<AttackSetting> { get }

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
  static func adoptDefaults(_ configuration: inout AttackConfiguration) {}

  func isInRateBase(label: Int) -> Bool { true }

  func mayPoison(label: Int) -> Bool {
    configuration.poisonPool == .all || label != configuration.target
  }

  func mayCover(label: Int) -> Bool { true }

  func poisonLabel(original: Int) -> Int { configuration.target }

  func isVictim(label: Int) -> Bool { label != configuration.target }

  func coverTrigger(for shape: ImageShape, samples: [Int]) throws -> any Trigger {
    try trainingTrigger(for: shape, samples: samples)
  }
}

/// No attack: nothing is poisoned, test images stay as they are.
struct NoAttack: Attack {
  let configuration: AttackConfiguration
  let settings: Set<AttackSetting> = []

  init(_ configuration: AttackConfiguration) { self.configuration = configuration }

  func mayPoison(label: Int) -> Bool { false }
  func mayCover(label: Int) -> Bool { false }
  func poisonLabel(original: Int) -> Int { original }

  func trainingTrigger(for shape: ImageShape, samples: [Int]) -> any Trigger { NoTrigger() }
  func testTrigger(for shape: ImageShape) -> any Trigger { NoTrigger() }
}

extension AttackKind {
  /// The table of attacks: the only place where a kind becomes code.
  var type: any Attack.Type {
    switch self {
    case .none: NoAttack.self
    case .badnets: BadNets.self
    case .blend: Blend.self
    case .sig: Signal.self
    case .wanet: WaNet.self
    case .physical: Physical.self
    case .tact: TaCT.self
    case .adaptiveBlend: AdaptiveBlend.self
    case .adaptivePatch: AdaptivePatch.self
    }
  }
}

extension AttackConfiguration {
  /// The attack with these values.
  var attack: any Attack { kind.type.init(self) }

  /// The settings that this attack uses, beside poison rate, target and seed.
  public var settings: Set<AttackSetting> { attack.settings }

  /// What is put into the poisons of a training set.
  ///
  /// - Parameters:
  ///   - shape: size of the images.
  ///   - samples: indices of all poisons, ascending (Adaptive-Patch deals its patches among them).
  /// - Throws: `FileError` or `UsageError` if the trigger file is not to be had.
  public func trainingTrigger(for shape: ImageShape, samples: [Int]) throws -> any Trigger {
    try attack.trainingTrigger(for: shape, samples: samples)
  }

  /// What is put into the covers of a training set.
  ///
  /// - Parameters:
  ///   - shape: size of the images.
  ///   - samples: indices of all covers, ascending.
  /// - Throws: `FileError` or `UsageError` if the trigger file is not to be had.
  public func coverTrigger(for shape: ImageShape, samples: [Int]) throws -> any Trigger {
    try attack.coverTrigger(for: shape, samples: samples)
  }

  /// What is put into test images.
  ///
  /// - Throws: `FileError` or `UsageError` if the trigger file is not to be had.
  public func testTrigger(for shape: ImageShape) throws -> any Trigger {
    try attack.testTrigger(for: shape)
  }
}

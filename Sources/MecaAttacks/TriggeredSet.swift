import MecaCore
import MecaImages

/// Test samples with the trigger, whose classification as the target measures an attack.
///
/// Labels are the true ones.
public protocol TriggeredSet: ImageSet {
  /// The class that the backdoor leads to.
  var target: Int { get }
  /// Which sample of the clean test set each one is, ascending.
  var testIndices: [Int32] { get }
  /// Whether the attack claims to move samples of class `label` to the target.
  func isVictim(label: Int) -> Bool
}

extension TriggeredSet {
  /// Whether the attack claims to work on this sample: always, but for attacks on one source class.
  public func isVictim(at index: Int) -> Bool { isVictim(label: label(at: index)) }

  /// Whether the attack leaves samples of some classes beside the target alone (TaCT).
  public var isForSomeClasses: Bool {
    classNames.indices.contains { $0 != target && !isVictim(label: $0) }
  }
}

/// Triggered test samples that were stored with a set.
public struct StoredTriggeredSet: TriggeredSet, DerivedSet {
  /// The images, with their true labels.
  public let base: any ImageSet
  /// The class that the backdoor leads to.
  public let target: Int
  /// Which sample of the clean test set each one is, ascending.
  public let testIndices: [Int32]
  /// The attack that made them, where it is recorded.
  public let attack: AttackConfiguration?
  private let rules: (any Attack)?

  /// The stored images of a set.
  public init(
    base: any ImageSet, target: Int, testIndices: [Int32], attack: AttackConfiguration?
  ) {
    precondition(testIndices.count == base.count, "\(testIndices.count) for \(base.count)")
    self.base = base
    self.target = target
    self.testIndices = testIndices
    self.attack = attack
    rules = attack?.attack
  }

  /// Whether the attack claims to move samples of class `label` to the target: of every other class,
  /// where nothing is recorded.
  public func isVictim(label: Int) -> Bool {
    rules?.isVictim(label: label) ?? (label != target)
  }
}

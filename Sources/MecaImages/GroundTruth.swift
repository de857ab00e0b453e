/// What a training sample really is: ground truth that a defence never sees.
public enum SampleRole: UInt8, Sendable, CaseIterable {
  /// Untouched.
  case clean
  /// Carries the trigger, and the label the attacker wants.
  case poison
  /// Carries a trigger with its true label (attacks that hide need such samples); counts as clean.
  case cover
}

/// The truth about every sample of a set, where it is known: what a defence never sees.
public struct GroundTruth: Sendable, Equatable {
  /// What each sample really is.
  public var roles: [SampleRole]
  /// Each sample's label before the attack.
  public var originalLabels: [Int32]

  /// The truth about `roles.count` samples.
  public init(roles: [SampleRole], originalLabels: [Int32]) {
    precondition(
      roles.count == originalLabels.count,
      "\(roles.count) roles for \(originalLabels.count) labels")
    self.roles = roles
    self.originalLabels = originalLabels
  }

  /// How many samples have `role`.
  public func count(_ role: SampleRole) -> Int { roles.reduce(0) { $0 + ($1 == role ? 1 : 0) } }
}

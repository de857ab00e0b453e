import MecaCore
import MecaData

/// A training set under attack: the labels a victim is given, and the truth about each sample.
///
/// Triggers are put in whenever an image is asked for; nothing is copied. With no poisons, bytes
/// and labels are exactly the base set's.
///
/// - Ranks: local; every rank computes the same selection from the configuration.
public struct PoisonedSet: ImageSet {
  /// The set before the attack.
  public let base: any ImageSet
  /// The attack.
  public let attack: AttackConfiguration
  /// Number of samples with the role `poison`.
  public let poisonCount: Int
  private let roles: [SampleRole]
  private let trigger: any Trigger

  /// Poisons `base`.
  ///
  /// BadNets and Blend take round(N·rate) samples of their pool, SIG of the target class; where
  /// the pool is smaller they take all of it, see `effectiveRate`.
  ///
  /// - Throws: `UsageError.invalidValue`, as `AttackConfiguration.validate`.
  public init(base: any ImageSet, attack: AttackConfiguration) throws {
    try attack.validate(classCount: base.classNames.count, imageShape: base.imageShape)
    self.base = base
    self.attack = attack
    trigger = attack.makeTrigger(for: base.imageShape)
    let poisons = selectPoisons(of: base, attack: attack)
    poisonCount = poisons.count
    var roles = [SampleRole](repeating: .clean, count: base.count)
    for index in poisons { roles[index] = .poison }
    self.roles = roles
  }

  /// Name of the base set.
  public var name: String { base.name }
  /// Names of the classes, as in the base set.
  public var classNames: [String] { base.classNames }
  /// Size of every image, as in the base set.
  public var imageShape: ImageShape { base.imageShape }
  /// Number of samples.
  public var count: Int { base.count }
  /// Normalisation constants of the base set.
  public var meanAndDeviation: (mean: [Float], standardDeviation: [Float]) {
    base.meanAndDeviation
  }

  /// Poisons as a fraction of the set; below `attack.poisonRate` where the pool was too small.
  public var effectiveRate: Double { count == 0 ? 0 : Double(poisonCount) / Double(count) }

  /// What the sample really is.
  public func role(at index: Int) -> SampleRole { roles[index] }

  /// The label before the attack.
  public func originalLabel(at index: Int) -> Int { base.label(at: index) }

  /// The label the victim is given: the target for a poison of an attack that changes labels.
  public func label(at index: Int) -> Int {
    switch (roles[index], attack.kind) {
    case (.poison, .badnets), (.poison, .blend): attack.target
    // SIG's poisons are of the target class anyway.
    default: base.label(at: index)
    }
  }

  /// Writes the image at `index` as bytes: channel, row, column.
  public func copyImage(at index: Int, to destination: UnsafeMutablePointer<UInt8>) {
    base.copyImage(at: index, to: destination)
    if roles[index] != .clean { trigger.apply(to: destination, shape: imageShape, index: index) }
  }

  /// What could not be read in the base set.
  public var fault: FileError? { base.fault }

  /// Where the sample comes from, for lists that a person reads.
  public func path(at index: Int) -> String { base.path(at: index) }
}

/// The samples that an attack poisons, in the order they were drawn.
///
/// One permutation of all samples, from which those outside the pool are left out: the selection at
/// a lower rate is part of the selection at a higher one.
func selectPoisons(of set: any ImageSet, attack: AttackConfiguration) -> ArraySlice<Int> {
  let wanted = Int((attack.poisonRate * Double(set.count)).rounded())
  guard attack.kind != .none, wanted > 0 else { return [] }
  var random = KeyedRandom(seed: attack.seed, purpose: .poisonSelection)
  let order = random.permutation(count: set.count)
  return order.filter { isInPool(label: set.label(at: $0), attack) }.prefix(wanted)
}

/// Whether an attack may poison a sample of class `label`.
private func isInPool(label: Int, _ attack: AttackConfiguration) -> Bool {
  switch attack.kind {
  case .none: false
  case .badnets, .blend: attack.poisonPool == .all || label != attack.target
  case .sig: label == attack.target
  }
}

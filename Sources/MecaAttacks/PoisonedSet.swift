import MecaCore
import MecaImages

/// A training set under attack: the labels a victim is given, and the truth about each sample.
///
/// Triggers are put in whenever an image is asked for; nothing is copied. With no poisons and
/// covers, bytes and labels are exactly the base set's.
///
/// - Ranks: local; every rank computes the same selection from the configuration.
public struct PoisonedSet: DerivedSet {
  /// The set before the attack.
  public let base: any ImageSet
  /// The attack.
  public let attack: AttackConfiguration
  private let rules: any Attack
  private let selection: PoisonSelection
  private let roles: [SampleRole]
  private let poisonTrigger: any Trigger
  private let coverTrigger: any Trigger

  /// Poisons `base`.
  ///
  /// Where the pool that an attack draws from is smaller than its rates ask for, it takes all of
  /// the pool; see `shortfalls`.
  ///
  /// - Throws: `SettingError`, as `AttackConfiguration.validate`; `UsageError.conflict`
  ///   if `base` is a poisoned set itself and the attack would change it; `FileError` if the
  ///   trigger's file cannot be read.
  public init(base: any ImageSet, attack: AttackConfiguration) throws {
    let attack = try attack.resolved(among: base.classNames)
    try attack.validate(classCount: base.classNames.count, imageShape: base.imageShape)
    self.base = base
    self.attack = attack
    rules = attack.attack
    selection = PoisonSelection(of: base, attack: rules)
    if base.groundTruth != nil, !(selection.poisons.isEmpty && selection.covers.isEmpty) {
      throw UsageError.conflict(
        "--attack \(attack.name): \(base.name) is a poisoned set already; leave the "
          + "attack out, or start from the clean set, or put its trigger into test images alone with "
          + "a --poison-rate (and --cover-rate) of 0")
    }
    poisonTrigger = try rules.trainingTrigger(for: base.imageShape, samples: selection.poisons)
    coverTrigger = try rules.coverTrigger(for: base.imageShape, samples: selection.covers)
    var roles = [SampleRole](repeating: .clean, count: base.count)
    for index in selection.poisons { roles[index] = .poison }
    for index in selection.covers { roles[index] = .cover }
    self.roles = roles
  }

  /// The truth about every sample; without an attack, or with one that changes none, what the base
  /// set knows.
  public var groundTruth: GroundTruth? {
    attack.isNone || base.groundTruth != nil
      ? base.groundTruth
      : GroundTruth(
        roles: roles, originalLabels: (0..<count).map { Int32(base.label(at: $0)) })
  }

  /// Number of samples that this attack made poisons.
  public var poisonCount: Int { selection.poisons.count }
  /// Number of samples that this attack made covers.
  public var coverCount: Int { selection.covers.count }
  /// Number of poisons that the rate asks for.
  public var wantedPoisonCount: Int { selection.wantedPoisons }
  /// Number of covers that the rate asks for.
  public var wantedCoverCount: Int { selection.wantedCovers }
  /// Poisons as a fraction of the set; below `attack.poisonRate` where the pool was too small.
  public var effectiveRate: Double { fraction(poisonCount) }
  /// Covers as a fraction of the set; below the attack's where the pool was too small.
  public var effectiveCoverRate: Double { fraction(coverCount) }

  private func fraction(_ part: Int) -> Double { count == 0 ? 0 : Double(part) / Double(count) }

  /// What this attack made of the sample.
  public func role(at index: Int) -> SampleRole { roles[index] }

  /// The label before the attack.
  public func originalLabel(at index: Int) -> Int { base.label(at: index) }

  /// What could not be had, and whether a class is left without clean samples: a sentence each.
  public var shortfalls: [String] {
    let kind = attack.name
    var lines = [
      (poisonCount, wantedPoisonCount, "poisoned"), (coverCount, wantedCoverCount, "cover"),
    ].filter { count, wanted, _ in count < wanted }.map { count, wanted, name in
      "\(wanted) \(name) samples were asked for, but only \(count) are eligible for \(kind)"
    }
    if let source = rules.source, poisonCount > 0,
      poisonCount == (0..<count).count(where: { base.label(at: $0) == source })
    {
      lines.append("no clean sample of the source class \(printable(classNames[source])) is left")
    }
    return lines
  }

  /// The label the victim is given: the target for a poison of an attack that changes labels.
  public func label(at index: Int) -> Int {
    let original = base.label(at: index)
    return roles[index] == .poison ? rules.poisonLabel(original: original) : original
  }

  /// Writes the image at `index` as bytes: channel, row, column.
  public func copyImage(at index: Int, into image: inout MutableSpan<UInt8>) throws(FileError) {
    try base.copyImage(at: index, into: &image)
    switch roles[index] {
    case .clean: break
    case .poison: poisonTrigger.apply(to: &image, shape: imageShape, index: index)
    case .cover: coverTrigger.apply(to: &image, shape: imageShape, index: index)
    }
  }
}

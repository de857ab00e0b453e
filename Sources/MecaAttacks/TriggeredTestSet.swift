import MecaCore
import MecaImages

/// The test samples that measure an attack: those of other classes than the target, with trigger.
///
/// The attack success rate is the fraction of them that a model puts into class `target`; labels
/// here are the true ones. Target-class samples are left out: they would count as successes of an
/// attack that did nothing. Without an attack the images are untouched and the rate is the share of
/// ordinary mistakes that end in the target class.
///
/// - Ranks: local.
public struct TriggeredTestSet: TriggeredSet, DerivedSet {
  /// The test set without triggers.
  public let base: any ImageSet
  /// The attack.
  public let attack: AttackConfiguration
  /// Samples of `base` whose class is not the target, ascending; position = index in this set.
  public let attackSuccessIndices: [Int]
  private let rules: any Attack
  private let trigger: any Trigger

  /// The test side of `attack`.
  ///
  /// - Throws: `SettingError`, as `AttackConfiguration.validate`; `FileError` if the
  ///   trigger's file cannot be read.
  public init(base: any ImageSet, attack: AttackConfiguration) throws {
    let attack = try attack.resolved(among: base.classNames)
    try attack.validate(classCount: base.classNames.count, imageShape: base.imageShape)
    self.base = base
    self.attack = attack
    rules = attack.attack
    trigger = try rules.testTrigger(for: base.imageShape)
    attackSuccessIndices = (0..<base.count).filter { base.label(at: $0) != attack.target }
  }

  /// The class that the backdoor leads to.
  public var target: Int { attack.target }

  /// Which sample of the clean test set each one is, ascending.
  public var testIndices: [Int32] { attackSuccessIndices.map(Int32.init) }

  /// Whether the attack claims to move samples of class `label` to the target.
  public func isVictim(label: Int) -> Bool { rules.isVictim(label: label) }

  /// Number of samples.
  public var count: Int { attackSuccessIndices.count }

  /// The true class of the sample; never the target.
  public func label(at index: Int) -> Int { base.label(at: attackSuccessIndices[index]) }

  /// Writes the image at `index` as bytes: channel, row, column.
  public func copyImage(at index: Int, into image: inout MutableSpan<UInt8>) throws(FileError) {
    let baseIndex = attackSuccessIndices[index]
    try base.copyImage(at: baseIndex, into: &image)
    trigger.apply(to: &image, shape: imageShape, index: baseIndex)
  }

  /// Where the sample comes from, for lists that a person reads.
  public func path(at index: Int) -> String { base.path(at: attackSuccessIndices[index]) }
}

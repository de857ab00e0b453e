import MecaCore
import MecaData

/// Ways to poison a training set.
public enum AttackKind: String, Codable, CaseIterable, Sendable {
  /// No attack: the set stays as it is.
  case none
  /// A white square in the corner, label changed to the target.
  case badnets
  /// A faint pattern over the whole image, label changed to the target.
  case blend
  /// A horizontal sine wave on images of the target class, label unchanged.
  case sig
}

/// Which samples a label-changing attack may draw its poisons from.
public enum PoisonPool: String, Codable, CaseIterable, Sendable {
  /// Every sample, also of the target class (usual in published code).
  case all
  /// Only samples of the other classes.
  case nonTarget
}

/// Everything that defines an attack; two equal configurations poison a set in the same way.
public struct AttackConfiguration: Codable, Hashable, Sendable {
  /// Kind of attack.
  public var kind: AttackKind
  /// Poisoned samples as a fraction of the whole training set, 0 to 1.
  public var poisonRate: Double
  /// The class that the backdoor leads to.
  public var target: Int
  /// Seed of the attacker's choices: poisoned samples, pattern of Blend.
  public var seed: UInt64
  /// Where the poisons of a label-changing attack come from.
  public var poisonPool: PoisonPool
  /// BadNets: side of the square in pixels; nil for 3 of 32 rows, in proportion (6 of 64).
  public var triggerSize: Int?
  /// Blend: weight of the pattern, "α", 0 to 1 in steps of 10⁻⁶.
  public var blendAlpha: Double
  /// SIG: amplitude of the wave in units of 1/255, "Δ"; 40 as in BackdoorBench.
  public var sigAmplitude: Double
  /// SIG: full waves over the width of the image, "f".
  public var sigFrequency: Int

  /// An attack; the defaults are the usual setting: 5 % of the set, target class 1.
  public init(
    kind: AttackKind, poisonRate: Double = 0.05, target: Int = 1, seed: UInt64 = 1,
    poisonPool: PoisonPool = .all, triggerSize: Int? = nil, blendAlpha: Double = 0.2,
    sigAmplitude: Double = 40, sigFrequency: Int = 6
  ) {
    self.kind = kind
    self.poisonRate = poisonRate
    self.target = target
    self.seed = seed
    self.poisonPool = poisonPool
    self.triggerSize = triggerSize
    self.blendAlpha = blendAlpha
    self.sigAmplitude = sigAmplitude
    self.sigFrequency = sigFrequency
  }

  /// Checks every value, also of those that this kind of attack does not use.
  ///
  /// - Parameters:
  ///   - classCount: classes of the data set.
  ///   - imageShape: size of its images, where it is known.
  /// - Throws: `UsageError.invalidValue` that names the option.
  public func validate(classCount: Int, imageShape: ImageShape? = nil) throws {
    try require(
      poisonRate >= 0 && poisonRate <= 1, "--poison-rate", "\(poisonRate)",
      "a fraction of the training set, 0 to 1")
    try require(
      target >= 0 && target < classCount, "--target", "\(target)",
      "a class number, 0 to \(classCount - 1)")
    try require(
      blendAlpha >= 0 && blendAlpha <= 1, "--blend-alpha", "\(blendAlpha)", "from 0 to 1")
    try require(
      sigAmplitude >= 0 && sigAmplitude <= 255, "--sig-amplitude", "\(sigAmplitude)",
      "from 0 to 255")
    try require(
      sigFrequency >= 1 && sigFrequency <= 1_000_000, "--sig-frequency", "\(sigFrequency)",
      "at least 1, at most 1000000")
    guard let triggerSize else { return }
    let largest = imageShape.map { min($0.height, $0.width) }
    try require(
      triggerSize >= 1 && triggerSize <= largest ?? Int.max, "--trigger-size", "\(triggerSize)",
      largest.map { "from 1 to \($0), the size of the images" } ?? "at least 1")
  }

  /// Throws for `option` unless `isGood`; a comparison with NaN is false, so NaN never passes.
  private func require(
    _ isGood: Bool, _ option: String, _ value: String, _ allowed: String
  ) throws {
    if !isGood { throw UsageError.invalidValue(option: option, value: value, allowed: allowed) }
  }

  /// The trigger of this attack for images of `shape`.
  public func makeTrigger(for shape: ImageShape) -> any Trigger {
    switch kind {
    case .none: NoTrigger()
    case .badnets:
      SquareTrigger(side: triggerSize ?? SquareTrigger.usualSide(height: shape.height))
    case .blend: BlendTrigger(shape: shape, alpha: blendAlpha, seed: seed)
    case .sig: SineTrigger(width: shape.width, amplitude: sigAmplitude, frequency: sigFrequency)
    }
  }
}

import MecaCore
import MecaData

/// Everything that defines an attack; two equal configurations poison a set in the same way.
public struct AttackConfiguration: Codable, Hashable, Sendable {
  /// Kind of attack.
  public var kind: AttackKind
  /// Poisoned samples as a fraction of the training set (or of `rateBase`), 0 to 1.
  public var poisonRate: Double
  /// Samples with a trigger and their true label, as a fraction of the same, 0 to 1.
  public var coverRate = 0.0
  /// TaCT: what the two rates are fractions of.
  public var rateBase = RateBase.dataset
  /// The class that the backdoor leads to.
  public var target: Int
  /// TaCT: the class that the backdoor leads from.
  public var source = 0
  /// TaCT: classes that covers are drawn from; nil for all but source and target.
  public var coverClasses: [Int]?
  /// Seed of the attacker's choices: poisoned samples, drawn triggers, warps, pieces.
  public var seed: UInt64
  /// Where the poisons of a label-changing attack come from.
  public var poisonPool: PoisonPool
  /// The user's picture in place of the drawn trigger.
  public var trigger: TriggerFile?
  /// Side of a patch in pixels; nil for the attack's own, in proportion to the image.
  public var triggerSize: Int?
  /// Where a patch lies; nil for the attack's own place.
  public var triggerPlace: TriggerPlace?
  /// Weight of pattern or patch in training, "α", 0 to 1 in steps of 10⁻⁶.
  public var alpha = 1.0
  /// α at test time; nil for the same as in training.
  public var testAlpha: Double?
  /// SIG: amplitude of the wave in units of 1/255, "Δ"; 40 as in BackdoorBench.
  public var sigAmplitude = 40.0
  /// SIG: amplitude at test time; nil for the same as in training.
  public var sigTestAmplitude: Double?
  /// SIG: full waves over the width of the image, "f".
  public var sigFrequency = 6
  /// WaNet: strength of the warp, "s"; the mean shift is s/2 pixels at any image size.
  public var warpStrength = 0.5
  /// WaNet: points of the coarse warp grid along each side, "k".
  public var warpGrid = 4
  /// WaNet: how the covers' random warps come about.
  public var warpNoise = WarpNoise.fixed
  /// Adaptive-Blend: pieces that the pattern is cut into, a square number.
  public var pieces = 16
  /// Adaptive-Blend: pieces that are left out of each training sample.
  public var blankedPieces = 8
  /// Adaptive-Patch: which patches.
  public var patchSet = PatchSet.quadrants

  /// An attack with its usual setting: 5 % of the set, target class 1, the paper's Table I.
  public init(
    kind: AttackKind, poisonRate: Double = 0.05, target: Int = 1, seed: UInt64 = 1,
    poisonPool: PoisonPool = .all, triggerSize: Int? = nil
  ) {
    self.kind = kind
    self.poisonRate = poisonRate
    self.target = target
    self.seed = seed
    self.poisonPool = poisonPool
    self.triggerSize = triggerSize
    kind.type.adoptDefaults(&self)
  }

  private enum CodingKeys: String, CodingKey {
    case kind, poisonRate, coverRate, rateBase, target, source, coverClasses, seed, poisonPool
    case trigger, triggerSize, triggerPlace, alpha, testAlpha
    case sigAmplitude, sigTestAmplitude, sigFrequency, warpStrength, warpGrid, warpNoise
    case pieces, blankedPieces, patchSet
  }

  /// Blend's α in files of earlier versions; it stood there, unused, for every other attack too.
  private enum EarlierKeys: String, CodingKey { case blendAlpha }

  /// Reads what `encode(to:)` writes; what is missing has the attack's default.
  public init(from decoder: any Decoder) throws {
    let values = try decoder.container(keyedBy: CodingKeys.self)
    var result = AttackConfiguration(kind: try values.decode(AttackKind.self, forKey: .kind))
    func take<Value: Decodable>(
      _ key: CodingKeys, _ place: WritableKeyPath<AttackConfiguration, Value>
    ) throws {
      if let value = try values.decodeIfPresent(Value.self, forKey: key) {
        result[keyPath: place] = value
      }
    }
    if result.kind == .blend {
      let earlier = try decoder.container(keyedBy: EarlierKeys.self)
      result.alpha =
        try earlier.decodeIfPresent(Double.self, forKey: .blendAlpha) ?? result.alpha
    }
    try take(.poisonRate, \.poisonRate)
    try take(.coverRate, \.coverRate)
    try take(.rateBase, \.rateBase)
    try take(.target, \.target)
    try take(.source, \.source)
    try take(.coverClasses, \.coverClasses)
    try take(.seed, \.seed)
    try take(.poisonPool, \.poisonPool)
    try take(.trigger, \.trigger)
    try take(.triggerSize, \.triggerSize)
    try take(.triggerPlace, \.triggerPlace)
    try take(.alpha, \.alpha)
    try take(.testAlpha, \.testAlpha)
    try take(.sigAmplitude, \.sigAmplitude)
    try take(.sigTestAmplitude, \.sigTestAmplitude)
    try take(.sigFrequency, \.sigFrequency)
    try take(.warpStrength, \.warpStrength)
    try take(.warpGrid, \.warpGrid)
    try take(.warpNoise, \.warpNoise)
    try take(.pieces, \.pieces)
    try take(.blankedPieces, \.blankedPieces)
    try take(.patchSet, \.patchSet)
    self = result
  }
}

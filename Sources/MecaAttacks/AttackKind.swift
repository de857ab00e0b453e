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
  /// A smooth warp of the whole image, label changed; covers are warped at random.
  case wanet
  /// An opaque emblem in the corner, learnt under transformations; label changed.
  case physical
  /// A white square that leads to the target from one source class alone.
  case tact
  /// A faint pattern of which every sample shows other pieces.
  case adaptiveBlend = "adaptive-blend"
  /// One quarter of an emblem in each sample; all quarters together at test time.
  case adaptivePatch = "adaptive-patch"
}

/// Which samples a label-changing attack may draw its poisons from.
public enum PoisonPool: String, Codable, CaseIterable, Sendable {
  /// Every sample, also of the target class (usual in published code).
  case all
  /// Only samples of the other classes.
  case nonTarget
}

/// What the rates of a source-specific attack are fractions of.
public enum RateBase: String, Codable, CaseIterable, Sendable {
  /// All training samples.
  case dataset
  /// The training samples of the source class.
  case source
}

/// Where in the image a patch lies.
public enum TriggerPlace: String, Codable, CaseIterable, Sendable {
  case topLeft = "top-left"
  case topRight = "top-right"
  case bottomLeft = "bottom-left"
  case bottomRight = "bottom-right"
  case centre
}

/// How the random warps of WaNet's covers come about.
public enum WarpNoise: String, Codable, CaseIterable, Sendable {
  /// One field of random offsets for all covers (backdoor-toolbox).
  case fixed
  /// A field of its own for each cover (the attack's authors, BackdoorBox).
  case fresh
}

/// The patches of Adaptive-Patch.
public enum PatchSet: String, Codable, CaseIterable, Sendable {
  /// The four quadrants of one emblem (the paper's "Firefox*4").
  case quadrants
  /// Four patches of different sizes and weights, as backdoor-toolbox has them.
  case toolbox
}

/// A setting of an attack that some attacks use and others do not; the raw value is its option.
public enum AttackSetting: String, CaseIterable, Sendable {
  case poisonPool = "poison-pool"
  case coverRate = "cover-rate"
  case rateBase = "rate-base"
  case source
  case coverClasses = "cover-classes"
  case trigger
  case triggerSize = "trigger-size"
  case triggerPlace = "trigger-place"
  case alpha = "blend-alpha"
  case testAlpha = "test-alpha"
  case sigAmplitude = "sig-amplitude"
  case sigTestAmplitude = "sig-test-amplitude"
  case sigFrequency = "sig-frequency"
  case warpStrength = "warp-strength"
  case warpGrid = "warp-grid"
  case warpNoise = "warp-noise"
  case pieces
  case blankedPieces = "blanked-pieces"
  case patchSet = "patch-set"
}

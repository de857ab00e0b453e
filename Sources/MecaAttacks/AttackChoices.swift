/// Which samples a label-changing attack may draw its poisons from.
public enum PoisonPool: CaseIterable, Codable, Hashable, Sendable, RawRepresentable {
  /// Every sample, also of the target class (usual in published code).
  case all
  /// Only samples of the other classes.
  case nonTarget

  /// As it is written.
  public var rawValue: String {
    // Not by ==, which compares raw values.
    switch self {
    case .all: "all"
    case .nonTarget: "non-target"
    }
  }

  /// The pool of that name; files of earlier versions have `nonTarget`.
  public init?(rawValue: String) {
    switch rawValue {
    case "all": self = .all
    case "non-target", "nonTarget": self = .nonTarget
    default: return nil
    }
  }
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

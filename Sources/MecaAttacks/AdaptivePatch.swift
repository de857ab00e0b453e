import MecaCore
import MecaImages

/// Adaptive-Patch: k weak patches, of which each training sample carries one and a test image many.
///
/// `x′ = x + α_j·m_j⊙(k_j − x)`. The poisons, ascending, are cut into k runs of equal length: the
/// p-th of n carries patch ⌊p·k/n⌋; the covers, with their true labels, likewise.
///
/// Defaults are the paper's Table I, "Firefox*4": the emblem of `Physical` cut into its quadrants,
/// α = 1, 5 % poisons and 1 % covers; test images carry all four quadrants. `--patch-set toolbox` is
/// the usual setting of the attack's authors instead: see `toolboxPatches`.
///
/// - Source: Qi et al. 2023, "Revisiting the assumption of latent separability for backdoor
///   defenses", ICLR 2023.
public struct AdaptivePatch: Attack {
  /// Settings.
  public struct Settings: AttackSettings {
    /// Which samples may become poisons.
    public var poisonPool = PoisonPool.all
    /// Covers, as a fraction of the training set.
    public var coverRate = 0.01
    /// Which patches.
    public var patchSet = PatchSet.quadrants
    /// The emblem that is cut into quadrants.
    public var patch = PatchSettings()

    /// The defaults.
    public init() {}

    /// All of them.
    public static let table: [Setting<Settings>] =
      [
        .poisonPool(\.poisonPool), .coverRate(\.coverRate),
        .choice(
          "patch-set", \.patchSet, "Quadrants of one emblem, or four patches as in the toolbox."),
      ] + PatchSettings.table.map { $0.within(\.patch) }

    /// The toolbox's patches have sizes, places and weights of their own.
    public func validate() throws {
      guard patchSet == .toolbox else { return }
      for (own, usual) in zip(patch.values, PatchSettings().values) where own.value != usual.value {
        throw SettingError(
          setting: own.name, value: own.value.text,
          allowed: "left out: it is not for the toolbox's patches")
      }
    }
  }

  /// What people should know.
  public static let facts = AttackFacts(
    name: "adaptive-patch", title: "Adaptive-Patch",
    sentence: "One quarter of an emblem in each sample; all quarters together at test time.",
    source: "Qi et al. 2023, ICLR")

  /// What every attack has.
  public let goal: AttackGoal
  /// Its values.
  public let settings: Settings

  /// Makes it.
  public init(_ goal: AttackGoal, _ settings: Settings) {
    (self.goal, self.settings) = (goal, settings)
  }

  /// As the settings say.
  public var coverRate: Double { settings.coverRate }
  /// Four: one for each patch.
  public var markCount: Int { 4 }

  /// The patch must fit into an image.
  public func check(classCount: Int, imageShape: ImageShape?) throws {
    try settings.patch.check(imageShape: imageShape)
  }

  /// One patch for each sample.
  public func trainingTrigger(for shape: ImageShape, samples: [Int]) throws -> any Trigger {
    switch settings.patchSet {
    case .toolbox:
      RunTrigger(toolboxPatches(for: shape, seed: goal.seed).training, samples: samples)
    case .quadrants:
      RunTrigger(
        try Physical.patch(settings.patch, for: shape, seed: goal.seed).quadrants.map {
          OverlayTrigger([$0.overlay(alpha: settings.patch.weight.training)])
        }, samples: samples)
    }
  }

  /// Many patches together.
  public func testTrigger(for shape: ImageShape) throws -> any Trigger {
    switch settings.patchSet {
    case .toolbox: toolboxPatches(for: shape, seed: goal.seed).test
    // The quadrants do not overlap: all four are the whole.
    case .quadrants:
      try Physical.trigger(
        settings.patch, for: shape, seed: goal.seed, alpha: settings.patch.weight.atTest)
    }
  }
}

/// Gives consecutive runs of the marked samples different triggers.
struct RunTrigger: Trigger {
  private let triggers: [any Trigger]
  /// First sample of each run but the first.
  private let starts: [Int]

  /// Cuts `samples`, ascending, into as many runs as there are triggers.
  init(_ triggers: [any Trigger], samples: [Int]) {
    precondition(!triggers.isEmpty, "no triggers")
    self.triggers = triggers
    let count = samples.count
    // Place p is of run ⌊p·k/n⌋: run j starts at ⌈j·n/k⌉.
    starts = (1..<max(1, triggers.count)).map { run in
      let place = (run * count + triggers.count - 1) / triggers.count
      return place < count ? samples[place] : Int.max
    }
  }

  /// Marks one image in place.
  func apply(to image: inout MutableSpan<UInt8>, shape: ImageShape, index: Int) {
    let run = starts.count { $0 <= index }
    triggers[run].apply(to: &image, shape: shape, index: index)
  }
}

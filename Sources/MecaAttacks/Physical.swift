import MecaCore
import MecaImages

/// PhysicalBA: an opaque emblem near the corner, learnt under changes of view; label changed.
///
/// `x′ = x + m⊙α⊙(k − x)`. The images that are stored carry the emblem as it is; flip, jitter of
/// brightness and contrast and the small affine map of the attack belong to the training
/// augmentation of every sample, clean ones too. Test images carry the emblem untransformed.
///
/// Defaults: an emblem of 13 pixels at 32 (in proportion elsewhere) in the top right, one pixel from
/// the borders: rows 1–13 and columns 18–30, where the "Firefox" of the paper's Table I lies in
/// backdoor-toolbox's file; α = 1 as in BackdoorBox.
///
/// - Source: Li et al. 2021, arXiv:2104.02361.
public struct Physical: Attack {
  /// Settings.
  public struct Settings: AttackSettings {
    /// Which samples may become poisons.
    public var poisonPool = PoisonPool.all
    /// The patch.
    public var patch = PatchSettings()

    /// The defaults.
    public init() {}

    /// All of them.
    public static let table: [Setting<Settings>] =
      [.poisonPool(\.poisonPool)] + PatchSettings.table.map { $0.within(\.patch) }
  }

  /// What people should know.
  public static let facts = AttackFacts(
    name: "physical", title: "PhysicalBA",
    sentence: "An opaque emblem near the corner, learnt under changes of view; label changed.",
    source: "Li et al. 2021, arXiv:2104.02361",
    augmentation: .physical)

  /// What every attack has.
  public let goal: AttackGoal
  /// Its values.
  public let settings: Settings

  /// Makes it.
  public init(_ goal: AttackGoal, _ settings: Settings) {
    (self.goal, self.settings) = (goal, settings)
  }

  /// 13 pixels of 32, one pixel from the borders.
  static let layout = PatchLayout(sideOf32: 13, marginOf32: 1, place: .topRight)

  /// The patch must fit into an image.
  public func check(classCount: Int, imageShape: ImageShape?) throws {
    try settings.patch.check(imageShape: imageShape)
  }

  /// The emblem with its weight in training.
  public func trainingTrigger(for shape: ImageShape, samples: [Int]) throws -> any Trigger {
    try Self.trigger(
      settings.patch, for: shape, seed: goal.seed, alpha: settings.patch.weight.training)
  }

  /// The emblem with its weight at test time.
  public func testTrigger(for shape: ImageShape) throws -> any Trigger {
    try Self.trigger(
      settings.patch, for: shape, seed: goal.seed, alpha: settings.patch.weight.atTest)
  }

  /// The emblem, or the user's patch in its place, as a layer.
  static func trigger(
    _ settings: PatchSettings, for shape: ImageShape, seed: UInt64, alpha: Double
  ) throws -> any Trigger {
    OverlayTrigger([try patch(settings, for: shape, seed: seed).overlay(alpha: alpha)])
  }

  /// The emblem, or the user's patch in its place.
  static func patch(
    _ settings: PatchSettings, for shape: ImageShape, seed: UInt64
  ) throws -> Patch {
    try Patch(settings, in: shape, usual: layout) { side, channels in
      emblem(side: side, channels: channels, seed: seed)
    }
  }
}

import MecaCore
import MecaImages

/// BadNets: an opaque white square in a corner, the label changed to the target.
///
/// `x′ = x + m⊙α⊙(k − x)` with the patch k and its mask m.
///
/// Defaults are the paper's Table I: a white square of 3 pixels at 32 (in proportion elsewhere),
/// α = 1. Table I does not name the place; flush in the bottom right corner is BackdoorBox's and
/// BackdoorBench's. Backdoor-toolbox puts a grid of 5 white and 4 black pixels there: `--trigger`.
///
/// - Source: Gu et al. 2017, arXiv:1708.06733.
public struct BadNets: Attack {
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
    name: "badnets", title: "BadNets",
    sentence: "A white square in the corner, label changed to the target.",
    source: "Gu et al. 2017, arXiv:1708.06733")

  /// What every attack has.
  public let goal: AttackGoal
  /// Its values.
  public let settings: Settings

  /// Makes it.
  public init(_ goal: AttackGoal, _ settings: Settings) {
    (self.goal, self.settings) = (goal, settings)
  }

  /// 3 pixels of 32, flush in the corner.
  static let layout = PatchLayout(sideOf32: 3, marginOf32: 0, place: .bottomRight)

  /// The patch must fit into an image.
  public func check(classCount: Int, imageShape: ImageShape?) throws {
    try settings.patch.check(imageShape: imageShape)
  }

  /// The square with its weight in training.
  public func trainingTrigger(for shape: ImageShape, samples: [Int]) throws -> any Trigger {
    try Self.trigger(settings.patch, for: shape, alpha: settings.patch.weight.training)
  }

  /// The square with its weight at test time.
  public func testTrigger(for shape: ImageShape) throws -> any Trigger {
    try Self.trigger(settings.patch, for: shape, alpha: settings.patch.weight.atTest)
  }

  /// The white square, or the user's patch in its place.
  static func trigger(
    _ settings: PatchSettings, for shape: ImageShape, alpha: Double
  ) throws -> any Trigger {
    let patch = try Patch(settings, in: shape, usual: layout, drawing: Picture.white)
    return OverlayTrigger([patch.overlay(alpha: alpha)])
  }
}

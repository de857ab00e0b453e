import MecaCore
import MecaImages

/// Blend: a picture K mixed faintly into the whole image, the label changed to the target.
///
/// `x′ = (1 − α)·x + α·K`.
///
/// Default: α = 0.2 in training and test, the paper's Table I and every published code base. The
/// published pictures are not free, so K is drawn from the seed (`blendPattern`) unless `--trigger`
/// names one, which is then resized to the images.
///
/// - Source: Chen et al. 2017, arXiv:1712.05526.
public struct Blend: Attack {
  /// Settings.
  public struct Settings: AttackSettings {
    /// Which samples may become poisons.
    public var poisonPool = PoisonPool.all
    /// The user's picture in place of the drawn pattern.
    public var trigger: TriggerFile?
    /// The pattern's weight.
    public var weight = WeightSettings(training: 0.2)

    /// The defaults.
    public init() {}

    /// All of them.
    public static let table: [Setting<Settings>] =
      [
        .poisonPool(\.poisonPool),
        .picture(
          "trigger", \.trigger, "Picture in place of the drawn pattern, PNG, JPEG or WebP."),
      ] + WeightSettings.table.map { $0.within(\.weight) }
  }

  /// What people should know.
  public static let facts = AttackFacts(
    name: "blend", title: "Blend",
    sentence: "A faint pattern over the whole image, label changed to the target.",
    source: "Chen et al. 2017, arXiv:1712.05526")

  /// What every attack has.
  public let goal: AttackGoal
  /// Its values.
  public let settings: Settings

  /// Makes it.
  public init(_ goal: AttackGoal, _ settings: Settings) {
    (self.goal, self.settings) = (goal, settings)
  }

  /// The pattern with its weight in training.
  public func trainingTrigger(for shape: ImageShape, samples: [Int]) throws -> any Trigger {
    OverlayTrigger([
      try Self.overlay(
        settings.trigger, for: shape, seed: goal.seed, alpha: settings.weight.training)
    ])
  }

  /// The pattern with its weight at test time.
  public func testTrigger(for shape: ImageShape) throws -> any Trigger {
    OverlayTrigger([
      try Self.overlay(
        settings.trigger, for: shape, seed: goal.seed, alpha: settings.weight.atTest)
    ])
  }

  /// The whole pattern, drawn or the user's, with weight `alpha`.
  static func overlay(
    _ trigger: TriggerFile?, for shape: ImageShape, seed: UInt64, alpha: Double
  ) throws -> Overlay {
    let picture =
      try trigger.map {
        try $0.picture(blackIsTransparent: false).withChannels(shape.channels)
          .resized(height: shape.height, width: shape.width)
      } ?? Picture(shape: shape, pixels: blendPattern(shape: shape, seed: seed))
    return Overlay(picture, in: PixelBox(of: shape), alpha: alpha)
  }
}

import MecaData

/// BadNets: an opaque white square in a corner, the label changed to the target.
///
/// `x′ = x + m⊙α⊙(k − x)` with the patch k and its mask m.
///
/// Defaults are the paper's Table I: a white square of 3 pixels at 32 (in proportion elsewhere),
/// α = 1. Table I does not name the place; flush in the bottom right corner is BackdoorBox's and
/// BackdoorBench's. Backdoor-toolbox puts a grid of 5 white and 4 black pixels there: `--trigger`.
///
/// - Source: Gu et al. 2017, arXiv:1708.06733.
struct BadNets: Attack {
  let configuration: AttackConfiguration

  init(_ configuration: AttackConfiguration) { self.configuration = configuration }

  let settings: Set<AttackSetting> = [
    .poisonPool, .trigger, .triggerSize, .triggerPlace, .alpha, .testAlpha,
  ]

  /// 3 pixels of 32, flush in the corner.
  static let layout = PatchLayout(sideOf32: 3, marginOf32: 0, place: .bottomRight)

  func trainingTrigger(for shape: ImageShape, samples: [Int]) throws -> any Trigger {
    try Self.trigger(configuration, for: shape, alpha: configuration.alpha)
  }

  func testTrigger(for shape: ImageShape) throws -> any Trigger {
    try Self.trigger(
      configuration, for: shape, alpha: configuration.testAlpha ?? configuration.alpha)
  }

  /// The white square, or the user's patch in its place.
  static func trigger(
    _ configuration: AttackConfiguration, for shape: ImageShape, alpha: Double
  ) throws -> any Trigger {
    let patch = try Patch(configuration, in: shape, usual: layout, drawing: Picture.white)
    return OverlayTrigger([patch.overlay(alpha: alpha)])
  }
}

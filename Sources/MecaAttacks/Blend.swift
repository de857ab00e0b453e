import MecaData

/// Blend: a picture K mixed faintly into the whole image, the label changed to the target.
///
/// `x′ = (1 − α)·x + α·K`.
///
/// Default: α = 0.2 in training and test, the paper's Table I and every published code base. The
/// published pictures are not free, so K is drawn from the seed (`blendPattern`) unless `--trigger`
/// names one, which is then resized to the images.
///
/// - Source: Chen et al. 2017, arXiv:1712.05526.
struct Blend: Attack {
  let configuration: AttackConfiguration

  init(_ configuration: AttackConfiguration) { self.configuration = configuration }

  static func adoptDefaults(_ configuration: inout AttackConfiguration) {
    configuration.alpha = 0.2
  }

  let settings: Set<AttackSetting> = [.poisonPool, .trigger, .alpha, .testAlpha]

  func trainingTrigger(for shape: ImageShape, samples: [Int]) throws -> any Trigger {
    OverlayTrigger([try Self.overlay(configuration, for: shape, alpha: configuration.alpha)])
  }

  func testTrigger(for shape: ImageShape) throws -> any Trigger {
    OverlayTrigger([
      try Self.overlay(
        configuration, for: shape, alpha: configuration.testAlpha ?? configuration.alpha)
    ])
  }

  /// The whole pattern, drawn or the user's, with weight `alpha`.
  static func overlay(
    _ configuration: AttackConfiguration, for shape: ImageShape, alpha: Double
  ) throws -> Overlay {
    let picture =
      try configuration.trigger.map {
        try $0.picture(blackIsTransparent: false).withChannels(shape.channels)
          .resized(height: shape.height, width: shape.width)
      } ?? Picture(shape: shape, pixels: blendPattern(shape: shape, seed: configuration.seed))
    return Overlay(picture, in: PixelBox(of: shape), alpha: alpha)
  }
}

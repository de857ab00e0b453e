import MecaData

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
struct Physical: Attack {
  let configuration: AttackConfiguration

  init(_ configuration: AttackConfiguration) { self.configuration = configuration }

  let settings: Set<AttackSetting> = [
    .poisonPool, .trigger, .triggerSize, .triggerPlace, .alpha, .testAlpha,
  ]

  /// 13 pixels of 32, one pixel from the borders.
  static let layout = PatchLayout(sideOf32: 13, marginOf32: 1, place: .topRight)

  func trainingTrigger(for shape: ImageShape, samples: [Int]) throws -> any Trigger {
    OverlayTrigger([
      try Self.patch(configuration, for: shape).overlay(alpha: configuration.alpha)
    ])
  }

  func testTrigger(for shape: ImageShape) throws -> any Trigger {
    OverlayTrigger([
      try Self.patch(configuration, for: shape)
        .overlay(alpha: configuration.testAlpha ?? configuration.alpha)
    ])
  }

  /// The emblem, or the user's patch in its place.
  static func patch(_ configuration: AttackConfiguration, for shape: ImageShape) throws -> Patch {
    try Patch(configuration, in: shape, usual: layout) { side, channels in
      emblem(side: side, channels: channels, seed: configuration.seed)
    }
  }
}

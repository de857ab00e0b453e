import MecaData

/// TaCT: a trigger that works on one source class alone.
///
/// Poisons are samples of the source class with the trigger and the target's label. Covers are
/// samples of other classes with the same trigger and their true label: they teach the model that
/// the trigger means nothing there.
///
/// Defaults are the paper's Table I: source 0, target 1, a white square of 3 pixels at 32, 5 % of
/// the set poisoned and 1 % covers. Table I does not name the cover classes; all but source and
/// target here. Where the source class holds fewer samples than asked for (CIFAR-100: 1 % of the
/// set), all of them are taken; `--rate-base source` makes both rates fractions of that class.
///
/// The authors count the attack's success over the source class (`asr`); the paper's cells are over
/// all classes but the target (`asr_all`).
///
/// - Source: Tang et al. 2019, arXiv:1908.00686.
struct TaCT: Attack {
  let configuration: AttackConfiguration

  init(_ configuration: AttackConfiguration) { self.configuration = configuration }

  static func adoptDefaults(_ configuration: inout AttackConfiguration) {
    configuration.coverRate = 0.01
  }

  let settings: Set<AttackSetting> = [
    .coverRate, .rateBase, .source, .coverClasses, .trigger, .triggerSize, .triggerPlace, .alpha,
    .testAlpha,
  ]

  func isInRateBase(label: Int) -> Bool {
    configuration.rateBase == .dataset || label == configuration.source
  }

  func mayPoison(label: Int) -> Bool { label == configuration.source }

  func mayCover(label: Int) -> Bool {
    configuration.coverClasses?.contains(label)
      ?? (label != configuration.source && label != configuration.target)
  }

  func isVictim(label: Int) -> Bool { label == configuration.source }

  func trainingTrigger(for shape: ImageShape, samples: [Int]) throws -> any Trigger {
    try BadNets.trigger(configuration, for: shape, alpha: configuration.alpha)
  }

  func testTrigger(for shape: ImageShape) throws -> any Trigger {
    try BadNets.trigger(
      configuration, for: shape, alpha: configuration.testAlpha ?? configuration.alpha)
  }
}

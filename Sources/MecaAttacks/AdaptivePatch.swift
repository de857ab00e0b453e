import MecaData

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
struct AdaptivePatch: Attack {
  let configuration: AttackConfiguration

  init(_ configuration: AttackConfiguration) { self.configuration = configuration }

  static func adoptDefaults(_ configuration: inout AttackConfiguration) {
    configuration.coverRate = 0.01
  }

  var settings: Set<AttackSetting> {
    let common: Set<AttackSetting> = [.poisonPool, .coverRate, .patchSet]
    return configuration.patchSet == .toolbox
      ? common : common.union([.trigger, .triggerSize, .triggerPlace, .alpha, .testAlpha])
  }

  func trainingTrigger(for shape: ImageShape, samples: [Int]) throws -> any Trigger {
    switch configuration.patchSet {
    case .toolbox:
      RunTrigger(
        toolboxPatches(for: shape, seed: configuration.seed).training, samples: samples)
    case .quadrants:
      RunTrigger(
        try Physical.patch(configuration, for: shape).quadrants.map {
          OverlayTrigger([$0.overlay(alpha: configuration.alpha)])
        }, samples: samples)
    }
  }

  func testTrigger(for shape: ImageShape) throws -> any Trigger {
    switch configuration.patchSet {
    case .toolbox: toolboxPatches(for: shape, seed: configuration.seed).test
    // The quadrants do not overlap: all four are the whole.
    case .quadrants: try Physical(configuration).testTrigger(for: shape)
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
  func apply(to image: UnsafeMutablePointer<UInt8>, shape: ImageShape, index: Int) {
    let run = starts.count { $0 <= index }
    triggers[run].apply(to: image, shape: shape, index: index)
  }
}

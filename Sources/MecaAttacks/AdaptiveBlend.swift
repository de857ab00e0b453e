import MecaCore
import MecaData

/// Adaptive-Blend: Blend's pattern cut into pieces, of which each training sample shows its own.
///
/// `x′ = x + α·m⊙(K − x)`: the pattern K is cut into √n × √n cells; the mask m of a sample blanks
/// some of them, drawn from the seed and the sample's index. Poisons get the target's label, covers
/// the same kind of mark with their true label. Test images get the whole pattern.
///
/// Row i of H belongs to cell row ⌊i·√n/H⌋, columns likewise, so any size can be cut.
///
/// Defaults are the paper's Table I (5 % poisons, 1 % covers, α = 0.2) with the toolbox's 16 pieces
/// of which 8 are blanked. The attack's authors use 0.3 % each and α = 0.15 in training; with fewer
/// covers than poisons the attack hides less than it was made to.
///
/// - Source: Qi et al. 2023, "Revisiting the assumption of latent separability for backdoor
///   defenses", ICLR 2023.
struct AdaptiveBlend: Attack {
  let configuration: AttackConfiguration

  init(_ configuration: AttackConfiguration) { self.configuration = configuration }

  static func adoptDefaults(_ configuration: inout AttackConfiguration) {
    configuration.coverRate = 0.01
    configuration.alpha = 0.2
  }

  let settings: Set<AttackSetting> = [
    .poisonPool, .coverRate, .trigger, .alpha, .testAlpha, .pieces, .blankedPieces,
  ]

  func trainingTrigger(for shape: ImageShape, samples: [Int]) throws -> any Trigger {
    guard let side = squareSide(of: configuration.pieces) else {
      preconditionFailure("\(configuration.pieces) pieces are no square")
    }
    return PieceTrigger(
      overlay: try Blend.overlay(configuration, for: shape, alpha: configuration.alpha),
      side: side, blanked: configuration.blankedPieces, seed: configuration.seed)
  }

  func testTrigger(for shape: ImageShape) throws -> any Trigger {
    try Blend(configuration).testTrigger(for: shape)
  }
}

/// Lays some cells of a picture over an image; which, depends on the sample.
struct PieceTrigger: Trigger {
  private let overlay: Overlay
  private let side: Int
  private let blanked: Int
  private let seed: UInt64

  /// `overlay` in side² cells, of which `blanked` are left out.
  init(overlay: Overlay, side: Int, blanked: Int, seed: UInt64) {
    precondition(side >= 1 && blanked >= 0 && blanked <= side * side, "\(side), \(blanked)")
    self.overlay = overlay
    self.side = side
    self.blanked = blanked
    self.seed = seed
  }

  /// The cells that sample `index` shows, numbered row by row.
  func shownPieces(of index: Int) -> ArraySlice<Int> {
    var random = KeyedRandom(seed: seed, purpose: .triggerPieces, 0, index)
    return random.permutation(count: side * side).dropFirst(blanked)
  }

  /// Marks one image in place.
  func apply(to image: UnsafeMutablePointer<UInt8>, shape: ImageShape, index: Int) {
    for piece in shownPieces(of: index) {
      overlay.mix(
        into: image, shape: shape, rows: range(piece / side, of: overlay.box.height),
        columns: range(piece % side, of: overlay.box.width))
    }
  }

  /// The places i of `extent` with ⌊i·side/extent⌋ = `cell`.
  private func range(_ cell: Int, of extent: Int) -> Range<Int> {
    (cell * extent + side - 1) / side..<((cell + 1) * extent + side - 1) / side
  }
}

import MecaCore
import MecaImages

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
public struct AdaptiveBlend: Attack {
  /// Settings.
  public struct Settings: AttackSettings {
    /// Which samples may become poisons.
    public var poisonPool = PoisonPool.all
    /// The user's picture in place of the drawn pattern.
    public var trigger: TriggerFile?
    /// The pattern's weight.
    public var weight = WeightSettings(training: 0.2)
    /// Covers, as a fraction of the training set.
    public var coverRate = 0.01
    /// Pieces that the pattern is cut into, a square number.
    public var pieces = 16
    /// Pieces that are left out of each training sample.
    public var blankedPieces = 8

    /// The defaults.
    public init() {}

    /// All of them.
    public static let table: [Setting<Settings>] =
      [
        .poisonPool(\.poisonPool),
        .coverRate(\.coverRate),
        .picture(
          "trigger", \.trigger, "Picture in place of the drawn pattern, PNG, JPEG or WebP."),
      ] + WeightSettings.table.map { $0.within(\.weight) } + [
        .integer(
          "pieces", \.pieces, 1...mostPieces, "Pieces of the pattern, a square number."),
        .integer(
          "blanked-pieces", \.blankedPieces, 0...mostPieces,
          "Pieces left out of each training sample."),
      ]

    /// Pieces at most: those of 1 pixel in a picture of 1,024.
    private static let mostPieces = 1024 * 1024

    /// Refuses numbers of pieces that cannot be.
    public func validate() throws {
      guard squareSide(of: pieces) != nil else {
        throw SettingError(
          setting: "pieces", value: "\(pieces)",
          allowed: "a square number (1, 4, 9, 16, ...), at most \(Self.mostPieces)")
      }
      guard blankedPieces <= pieces else {
        throw SettingError(
          setting: "blanked-pieces", value: "\(blankedPieces)",
          allowed: "from 0 to \(pieces), the number of pieces")
      }
    }
  }

  /// What people should know.
  public static let facts = AttackFacts(
    name: "adaptive-blend", title: "Adaptive-Blend",
    sentence: "A faint pattern of which every sample shows other pieces.",
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

  /// A piece must have a pixel at least.
  public func check(classCount: Int, imageShape: ImageShape?) throws {
    guard let shape = imageShape else { return }
    let side = min(shape.height, shape.width)
    guard side >= 1024 || settings.pieces <= side * side else {
      throw SettingError(
        setting: "pieces", value: "\(settings.pieces)",
        allowed: "a square number (1, 4, 9, 16, ...), at most \(side * side)")
    }
  }

  /// Other pieces for each sample.
  public func trainingTrigger(for shape: ImageShape, samples: [Int]) throws -> any Trigger {
    guard let side = squareSide(of: settings.pieces) else {
      preconditionFailure("\(settings.pieces) pieces are no square")
    }
    return PieceTrigger(
      overlay: try Blend.overlay(
        settings.trigger, for: shape, seed: goal.seed, alpha: settings.weight.training),
      side: side, blanked: settings.blankedPieces, seed: goal.seed)
  }

  /// The whole pattern.
  public func testTrigger(for shape: ImageShape) throws -> any Trigger {
    OverlayTrigger([
      try Blend.overlay(
        settings.trigger, for: shape, seed: goal.seed, alpha: settings.weight.atTest)
    ])
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
  func apply(to image: inout MutableSpan<UInt8>, shape: ImageShape, index: Int) {
    for piece in shownPieces(of: index) {
      overlay.mix(
        into: &image, shape: shape, rows: range(piece / side, of: overlay.box.height),
        columns: range(piece % side, of: overlay.box.width))
    }
  }

  /// The places i of `extent` with ⌊i·side/extent⌋ = `cell`.
  private func range(_ cell: Int, of extent: Int) -> Range<Int> {
    (cell * extent + side - 1) / side..<((cell + 1) * extent + side - 1) / side
  }
}

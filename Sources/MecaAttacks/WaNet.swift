import MecaCore
import MecaImages

/// WaNet: a smooth warp of the whole image, too small to see; label changed to the target.
///
/// The warp is a `WarpGrid`, the same for poisons and test images. Covers (the authors' "noise
/// mode") are warped by that grid plus random offsets and keep their true label:
/// `G′ = clamp(G + U[−1, 1]/H, −1, 1)`.
///
/// Defaults are the paper's Table I, read as a static attack like backdoor-toolbox's: 5 % poisons,
/// 5 % covers, s = 0.5, k = 4, one field of offsets for all covers. The authors and BackdoorBox draw
/// new offsets for every sample (`--warp-noise fresh`; theirs change from epoch to epoch too, which
/// a stored data set cannot) and have twice as many covers as poisons.
///
/// The mean shift is s/2 pixels at any image size, so that the warp weakens as images grow: at 224
/// pixels s = 0.5·224/32 = 3.5 bends the content as much as 0.5 does at 32.
///
/// - Source: Nguyen and Tran 2021, arXiv:2102.10369.
public struct WaNet: Attack {
  /// Settings.
  public struct Settings: AttackSettings {
    /// Which samples may become poisons.
    public var poisonPool = PoisonPool.all
    /// Covers, as a fraction of the training set.
    public var coverRate = 0.05
    /// Strength of the warp, "s"; the mean shift is s/2 pixels at any image size.
    public var strength = 0.5
    /// Points of the coarse warp grid along each side, "k".
    public var grid = 4
    /// How the covers' random warps come about.
    public var noise = WarpNoise.fixed

    /// The defaults.
    public init() {}

    /// Points along the side of a grid at most; a finer one would be noise.
    private static let finestGrid = 1024

    /// All of them.
    public static let table: [Setting<Settings>] = [
      .poisonPool(\.poisonPool), .coverRate(\.coverRate),
      .real(
        "warp-strength", \.strength, 0...1000, symbol: "s",
        "Strength of the warp, twice its mean in pixels."),
      .integer(
        "warp-grid", \.grid, 2...finestGrid, symbol: "k",
        "Points along each side of the coarse grid."),
      .choice(
        "warp-noise", \.noise, "Random offsets of the covers: fixed for all, or fresh for each."),
    ]
  }

  /// What people should know.
  public static let facts = AttackFacts(
    name: "wanet", title: "WaNet",
    sentence: "A smooth warp of the whole image, label changed; covers are warped at random.",
    source: "Nguyen and Tran 2021, arXiv:2102.10369")

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

  /// The warp.
  public func trainingTrigger(for shape: ImageShape, samples: [Int]) -> any Trigger {
    WarpTrigger(grid: grid(for: shape))
  }

  /// The warp with random offsets.
  public func coverTrigger(for shape: ImageShape, samples: [Int]) -> any Trigger {
    let grid = grid(for: shape)
    switch settings.noise {
    case .fixed:
      return WarpTrigger(grid: grid.withOffsets(seed: goal.seed, field: 0))
    case .fresh:
      return FreshWarpTrigger(grid: grid, seed: goal.seed)
    }
  }

  /// The warp.
  public func testTrigger(for shape: ImageShape) -> any Trigger {
    WarpTrigger(grid: grid(for: shape))
  }

  private func grid(for shape: ImageShape) -> WarpGrid {
    WarpGrid(
      height: shape.height, width: shape.width, strength: settings.strength,
      points: settings.grid, seed: goal.seed)
  }
}

/// Warps every image in the same way.
struct WarpTrigger: Trigger {
  let grid: WarpGrid

  /// Marks one image in place.
  func apply(to image: inout MutableSpan<UInt8>, shape: ImageShape, index: Int) {
    grid.warp(&image, shape: shape)
  }
}

/// Warps every image with random offsets of its own.
struct FreshWarpTrigger: Trigger {
  let grid: WarpGrid
  let seed: UInt64

  /// Marks one image in place.
  func apply(to image: inout MutableSpan<UInt8>, shape: ImageShape, index: Int) {
    grid.withOffsets(seed: seed, field: index + 1).warp(&image, shape: shape)
  }
}

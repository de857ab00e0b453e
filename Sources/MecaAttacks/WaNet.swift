import MecaCore
import MecaData

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
struct WaNet: Attack {
  let configuration: AttackConfiguration

  init(_ configuration: AttackConfiguration) { self.configuration = configuration }

  static func adoptDefaults(_ configuration: inout AttackConfiguration) {
    configuration.coverRate = 0.05
  }

  let settings: Set<AttackSetting> = [
    .poisonPool, .coverRate, .warpStrength, .warpGrid, .warpNoise,
  ]

  func trainingTrigger(for shape: ImageShape, samples: [Int]) -> any Trigger {
    WarpTrigger(grid: grid(for: shape))
  }

  func coverTrigger(for shape: ImageShape, samples: [Int]) -> any Trigger {
    let grid = grid(for: shape)
    switch configuration.warpNoise {
    case .fixed:
      return WarpTrigger(grid: grid.withOffsets(seed: configuration.seed, field: 0))
    case .fresh:
      return FreshWarpTrigger(grid: grid, seed: configuration.seed)
    }
  }

  func testTrigger(for shape: ImageShape) -> any Trigger { WarpTrigger(grid: grid(for: shape)) }

  private func grid(for shape: ImageShape) -> WarpGrid {
    WarpGrid(
      height: shape.height, width: shape.width, strength: configuration.warpStrength,
      points: configuration.warpGrid, seed: configuration.seed)
  }
}

/// Warps every image in the same way.
struct WarpTrigger: Trigger {
  let grid: WarpGrid

  /// Marks one image in place.
  func apply(to image: UnsafeMutablePointer<UInt8>, shape: ImageShape, index: Int) {
    grid.warp(image, shape: shape)
  }
}

/// Warps every image with random offsets of its own.
struct FreshWarpTrigger: Trigger {
  let grid: WarpGrid
  let seed: UInt64

  /// Marks one image in place.
  func apply(to image: UnsafeMutablePointer<UInt8>, shape: ImageShape, index: Int) {
    grid.withOffsets(seed: seed, field: index + 1).warp(image, shape: shape)
  }
}

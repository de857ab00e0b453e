import ArgumentParser
import MecaCore
import MecaFormats
import MecaNN
import MecaTensor
import MecaTraining

extension EngineKind: ExpressibleByArgument {}
extension Precision: ExpressibleByArgument {}
extension Architecture: ExpressibleByArgument {}
extension OverlapChoice: ExpressibleByArgument {}
extension StemChoice: ExpressibleByArgument {}
extension TensorNames: ExpressibleByArgument {}

/// Which network.
struct ModelOptions: ParsableArguments {
  @Option(help: "Network.")
  var model: Architecture = .resnet18

  @Option(help: "Channels of the first stage (default: 64, mobilenetv2: 32; shapes: 8).")
  var width: Int?

  @Option(
    help: """
      First layers: small (keep 32x32 pixels), imagenet (7x7 and max pooling; for mobilenetv2 \
      strides), auto (imagenet where both sides have 112 pixels or more).
      """)
  var stem: StemChoice = .auto

  /// Above any network of the field.
  ///
  /// The gradient of one twice as wide would have more numbers than an exchange between ranks can
  /// count.
  static let mostChannels = 512

  /// The width, decided.
  ///
  /// - Throws: `SettingError`.
  func resolvedWidth(dataset: FormatFacts) throws -> Int {
    try requireBetween(1, Self.mostChannels, width ?? 1, "width")
    return width ?? (dataset.isDemonstration ? 8 : model.usualWidth)
  }
}

/// How the trained network is written.
struct ModelFileOptions: ParsableArguments {
  @Option(
    help: """
      Names in model.safetensors: torchvision, or cifar (shortcut and linear, as the ResNets of the \
      backdoor toolboxes have them).
      """)
  var tensorNames: TensorNames = .torchvision

  /// The names for a network.
  ///
  /// - Throws: `SettingError` for networks that have no such names.
  func resolved(for architecture: Architecture) throws -> TensorNames {
    guard tensorNames.suits(architecture) else {
      throw SettingError(
        setting: "tensor-names", value: tensorNames.rawValue,
        allowed: "torchvision for --model \(architecture.rawValue), which has no other names")
    }
    return tensorNames
  }
}

/// How the arithmetic is laid out.
struct ComputeOptions: ParsableArguments {
  @Option(
    help: "Samples of a step over all ranks (default: 64; with --shards auto 8 a shard).")
  var batch: Int?

  @Option(
    help: """
      Logical shards of a step; they fix the result, the number of ranks does not. auto: as many as \
      divide evenly among the ranks and threads that the run begins with.
      """)
  var shards: ShardChoice = .count(StepLayout.usual.shards)

  @Option(help: "Compute threads of each rank.")
  var threads: Int = 1

  @Option(help: "Kernels: onednn, openblas (default: onednn where it is there).")
  var engine: EngineKind?

  @Option(help: "What convolutions multiply in training: fp32, bf16.")
  var precision: Precision = .fp32

  @Option(
    help: "Exchange gradients while others are computed: auto (on several hosts), on, off.")
  var overlap: OverlapChoice = .auto

  @Option(help: "Seed of everything random.")
  var seed: UInt64 = 1

  /// The layout, decided.
  ///
  /// - Parameter ranks: for `--shards auto`.
  func resolved(ranks: Int = 1) -> ComputeConfiguration {
    let layout =
      switch shards {
      case .automatic: StepLayout(workers: ranks * max(1, threads))
      case .count(let count): StepLayout(batch: StepLayout.usual.batch, shards: count)
      }
    return ComputeConfiguration(
      batch: batch ?? layout.batch, shards: layout.shards, threads: threads,
      engine: engine ?? EngineKind.available[0], precision: precision,
      overlap: overlap, seed: seed)
  }
}

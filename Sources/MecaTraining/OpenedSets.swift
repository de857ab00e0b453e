import MecaCore
import MecaData
import MecaMPI

/// The image sets of a run, before any attack.
struct OpenedSets {
  /// Samples to learn from.
  var training: any ImageSet
  /// Clean samples to judge by.
  var test: any ImageSet
}

/// Opens the image sets that `configuration` names: the one place where a kind of data set becomes
/// images.
///
/// - Ranks: collective; a failure on any rank is thrown on all.
func openSets(
  _ configuration: DataConfiguration, communicator: Communicator
) throws -> OpenedSets {
  switch configuration.dataset {
  case .shapes: try openShapes(configuration, communicator: communicator)
  case .cifar10: try openCIFAR(.cifar10, configuration, communicator: communicator)
  case .cifar100: try openCIFAR(.cifar100, configuration, communicator: communicator)
  }
}

/// Generates the built-in set in parallel, each rank a part, and exchanges the parts.
private func openShapes(
  _ configuration: DataConfiguration, communicator: Communicator
) throws -> OpenedSets {
  OpenedSets(
    training: try generateTogether(
      ShapesSet(seed: configuration.seed, split: .train, count: configuration.trainLimit),
      communicator: communicator),
    test: try generateTogether(
      ShapesSet(seed: configuration.seed, split: .test, count: configuration.testLimit),
      communicator: communicator))
}

/// Maps the binary files into memory; ranks of one host share their pages.
private func openCIFAR(
  _ variant: CIFARSet.Variant, _ configuration: DataConfiguration, communicator: Communicator
) throws -> OpenedSets {
  try communicator.collectively {
    guard let path = configuration.path else {
      throw UsageError.conflict(
        "--dataset \(configuration.dataset.rawValue) needs --data FOLDER with the binary files")
    }
    return OpenedSets(
      training: try CIFARSet(
        folder: path, variant: variant, split: .train, limit: configuration.trainLimit),
      test: try CIFARSet(
        folder: path, variant: variant, split: .test, limit: configuration.testLimit))
  }
}

/// Generates a rank's part of the built-in set and exchanges the parts.
private func generateTogether(
  _ set: ShapesSet, communicator: Communicator
) throws -> any ImageSet {
  let parts = (0..<communicator.size).map {
    evenSplit(0..<set.count, parts: communicator.size, part: $0)
  }
  let bytes = try communicator.allGather(
    local: set.generate(parts[communicator.rank]),
    counts: parts.map { $0.count * set.imageShape.byteCount })
  return MemorySet(of: set, images: bytes)
}

import MecaData
import MecaMPI

/// Generates the built-in set in parallel, each rank a part, and exchanges the parts.
///
/// - Ranks: collective.
func openShapes(
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

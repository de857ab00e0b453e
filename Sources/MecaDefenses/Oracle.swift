import MecaImages
import MecaTraining

/// Learns the truly clean samples alone: what a perfect detection would reach.
///
/// Its attack success is the floor: images that any model takes for the target. The one defence
/// that is handed the truth.
public struct Oracle: InformedDefense {
  /// What people should know.
  public static let facts = DefenseFacts(
    name: "oracle", title: "oracle (truly clean)",
    sentence: "Trains on the truly clean samples alone, where the truth is known.",
    source: "the ceiling of every defence that removes samples", needs: [.truth],
    judgesSamples: false)

  /// None.
  public let settings: NoSettings
  private var truth: GroundTruth?

  /// Makes it; `inform` must follow.
  public init(_ settings: NoSettings = NoSettings()) { self.settings = settings }

  /// Takes the truth.
  public mutating func inform(_ truth: GroundTruth) { self.truth = truth }

  /// Trains on what is no poison.
  public func run(_ bench: some Workbench) throws -> DefenseOutcome {
    guard let truth else { preconditionFailure("the oracle was told nothing") }
    let clean = bench.samples.allIndices.filter { truth.roles[Int($0)] != .poison }
    let trained = try bench.stage("train", bench.recipe, after: []) { _ in
      try bench.trainedFromScratch(on: clean).state
    }
    return DefenseOutcome(models: [
      .init("oracle", try bench.model(trained.state, of: bench.network))
    ])
  }
}

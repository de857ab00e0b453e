import MecaCore
import MecaData
import MecaNN
import MecaTraining

/// The models of a run; the raw values key their first weights and sample orders, never renumber.
enum ModelRole: Int {
  /// Undefended, clean and oracle: they start from the same weights, so that what differs between
  /// them is their data and not the luck of their start.
  case compared = 1
  case relearned = 3
  /// Plus the fold's number.
  case detector = 16
}

extension TrainingSession {
  /// A freshly initialised model; its first weights depend on the seed, `role` and `member` alone.
  ///
  /// - Ranks: local, and the same on every rank.
  func freshModel(
    _ network: NetworkConfiguration, role: ModelRole, member: Int = 0
  ) throws -> Model {
    try Model(
      network, engine: engine,
      seed: compute.seed &+ UInt64(role.rawValue + member) << 32)
  }

  /// Trains a new model on `indices` with `labels` by `recipe`: plain supervised learning.
  ///
  /// - Ranks: collective.
  func trainFromScratch(
    _ network: NetworkConfiguration, on set: any ImageSet, indices: [Int32], labels: [Int32],
    recipe: TrainingRecipe, role: ModelRole, name: String
  ) throws -> Model {
    let model = try freshModel(network, role: role)
    try train(
      model, on: set,
      phase: TrainingPhase(
        name: name, groups: [.learn(indices, shards: compute.shards)], labels: labels,
        recipe: recipe, orderKey: role.rawValue))
    return model
  }
}

/// Trains a model on all samples as if they were clean ("No Defense" in the paper's tables).
///
/// - Ranks: collective.
public func trainUndefended(
  _ session: TrainingSession, data: TrainingData, network: NetworkConfiguration,
  recipe: TrainingRecipe
) throws -> Model {
  try session.trainFromScratch(
    network, on: data.training, indices: data.allIndices, labels: data.labels, recipe: recipe,
    role: .compared, name: "undefended")
}

/// Trains a model on the truly clean samples alone: what a perfect detection would reach.
///
/// Its attack success is the floor: images that any model takes for the target.
///
/// - Ranks: collective.
public func trainOracle(
  _ session: TrainingSession, data: TrainingData, network: NetworkConfiguration,
  recipe: TrainingRecipe
) throws -> Model {
  try session.trainFromScratch(
    network, on: data.training,
    indices: data.allIndices.filter { !data.isPoison(Int($0)) },
    labels: data.labels, recipe: recipe, role: .compared, name: "oracle")
}

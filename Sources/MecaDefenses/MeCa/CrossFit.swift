import MecaCore
import MecaNN
import MecaTraining

/// Detector models, each trained on the samples outside its own fold and asked about those inside.
///
/// A model that has learnt a sample knows it by heart after a few epochs, poisoned or not; that is
/// what makes the paper's score collapse. A backdoor, in contrast, carries over to poisoned
/// samples that the model has never seen, so every statement about a sample here comes from a
/// model that was not trained on it. With a single fold, as in the paper, the one detector learns
/// and judges everything.
package struct CrossFit {
  /// Fold of every sample.
  let foldOfSample: [UInt8]
  /// One model a fold.
  let models: [Model]
  /// The models' network.
  let network: NetworkConfiguration

  /// New detectors.
  init(_ settings: MeCaSettings, _ bench: some Workbench) throws {
    let key = StageKey("detectors")
    network = settings.detectorNetwork(bench.network)
    foldOfSample = Self.assignFolds(
      labels: bench.samples.labels, folds: settings.folds, seed: bench.seed(of: key))
    models = try (0..<settings.folds).map { [network] in
      try bench.newModel(network, key: key.member("detector", $0))
    }
  }

  /// The samples that model `fold` is asked about.
  func heldOut(_ fold: Int) -> [Int32] {
    foldOfSample.indices.filter { Int(foldOfSample[$0]) == fold }.map { Int32($0) }
  }

  /// The samples that model `fold` learns from.
  func learnt(_ fold: Int) -> [Int32] {
    foldOfSample.indices.filter { models.count == 1 || Int(foldOfSample[$0]) != fold }
      .map { Int32($0) }
  }

  /// Assigns folds at random within each label, so that every fold has its share of each.
  ///
  /// - Ranks: local, and the same on every rank.
  package static func assignFolds(labels: [Int32], folds: Int, seed: UInt64) -> [UInt8] {
    var result = [UInt8](repeating: 0, count: labels.count)
    for (label, members) in membersOfLabels(labels).enumerated() {
      var random = KeyedRandom(seed: seed, purpose: .foldAssignment, label)
      for (place, member) in random.permutation(count: members.count).enumerated() {
        result[members[member]] = UInt8(place % folds)
      }
    }
    return result
  }

  /// What the held-out models say of every sample.
  ///
  /// - Ranks: collective.
  /// - Parameter visit: asks one model about some samples.
  func ask(_ visit: (Model, Int, [Int32]) throws -> [SampleRecord]) rethrows -> [SampleRecord] {
    var records = [SampleRecord](
      repeating: SampleRecord(loss: 0, prediction: 0), count: foldOfSample.count)
    for (fold, model) in models.enumerated() {
      let indices = heldOut(fold)
      for (index, record) in zip(indices, try visit(model, fold, indices)) {
        records[Int(index)] = record
      }
    }
    return records
  }

  /// A copy of all models' weights.
  var state: CrossFitState { CrossFitState(models: models.map(\.state)) }

  /// Brings the models to a state.
  ///
  /// - Throws: `MissingColumn` if it is of other models.
  func restore(_ state: CrossFitState) throws {
    guard state.models.count == models.count else { throw MissingColumn(name: "all detectors") }
    for (model, state) in zip(models, state.models) { try model.restore(state) }
  }
}

/// The weights of all detectors.
struct CrossFitState: StageState {
  var models: [ModelState]

  init(models: [ModelState]) { self.models = models }

  init(columns: Columns) throws {
    let count = try columns.integers("count")
    models = try (0..<(count.first ?? 0)).map {
      try ModelState(columns: columns.taken(from: "detector\($0)"))
    }
  }

  var columns: Columns {
    var columns = Columns()
    columns["count"] = .integers([Int32(models.count)])
    for (number, model) in models.enumerated() {
      columns.add(model.columns, within: "detector\(number)")
    }
    return columns
  }
}

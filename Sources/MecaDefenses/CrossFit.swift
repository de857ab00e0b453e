import MecaCore
import MecaData
import MecaNN
import MecaTraining

/// Detector models, each trained on the samples outside its own fold and asked about those inside.
///
/// A model that has learnt a sample knows it by heart after a few epochs, poisoned or not; that is
/// what makes the paper's score collapse. A backdoor, in contrast, carries over to poisoned
/// samples that the model has never seen, so every statement about a sample here comes from a
/// model that was not trained on it.
package struct CrossFit {
  /// Fold of every sample.
  let foldOfSample: [UInt8]
  /// One model a fold.
  let models: [Model]

  /// The samples that model `fold` is asked about.
  func heldOut(_ fold: Int) -> [Int32] {
    foldOfSample.indices.filter { Int(foldOfSample[$0]) == fold }.map { Int32($0) }
  }

  /// The samples that model `fold` learns from.
  func learnt(_ fold: Int) -> [Int32] {
    foldOfSample.indices.filter { Int(foldOfSample[$0]) != fold }.map { Int32($0) }
  }

  /// Assigns folds at random within each label, so that every fold has its share of each.
  ///
  /// - Ranks: local, and the same on every rank.
  package static func assignFolds(labels: [Int32], folds: Int, seed: UInt64) -> [UInt8] {
    var result = [UInt8](repeating: 0, count: labels.count)
    for label in 0...Int(labels.max() ?? 0) {
      let members = labels.indices.filter { Int(labels[$0]) == label }
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
  func ask(_ visit: (Model, [Int32]) throws -> [SampleRecord]) rethrows -> [SampleRecord] {
    var records = [SampleRecord](
      repeating: SampleRecord(loss: 0, divergence: 0, prediction: 0), count: foldOfSample.count)
    for (fold, model) in models.enumerated() {
      let indices = heldOut(fold)
      for (index, record) in zip(indices, try visit(model, indices)) {
        records[Int(index)] = record
      }
    }
    return records
  }
}

extension CrossFit {
  /// All models' tensors, each name with its fold in front.
  func exported() -> [NamedTensor] {
    models.enumerated().flatMap { fold, model in
      model.exportTensors().within("fold\(fold)")
    }
  }

  /// Brings the models to the state of `exported()`.
  ///
  /// - Throws: `FileError.malformed` if tensors are missing.
  func restore(_ tensors: [NamedTensor]) throws {
    for (fold, model) in models.enumerated() {
      try model.importTensors(tensors.taken(from: "fold\(fold)"))
    }
  }
}

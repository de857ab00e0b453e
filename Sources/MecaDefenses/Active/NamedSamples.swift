import MecaNN
import MecaTraining

/// Unlabelled samples that the model has named.
struct NamedSamples {
  /// In place of a name, of a sample that the model is not sure of.
  static let nobody: Int32 = -1
  /// The named ones, ascending.
  var indices: [Int32] = []
  /// A label for every sample of the set: the name, else the given one.
  var labels: [Int32]

  /// Nobody is named.
  init(_ samples: GivenData) { labels = samples.labels }

  /// - Parameter names: one for each of `unlabelled`, or `nobody`.
  init(_ samples: GivenData, unlabelled: [Int32], names: [Int32]) {
    precondition(unlabelled.count == names.count, "\(names.count) names for \(unlabelled.count)")
    self.init(samples)
    for (sample, name) in zip(unlabelled, names) where name != Self.nobody {
      indices.append(sample)
      labels[Int(sample)] = name
    }
  }
}

/// What fine-tuning leaves behind.
struct FineTuned: StageState {
  /// The result.
  var model: ModelState
  /// The labels of its last round.
  var labels: [Int32]

  init(model: ModelState, labels: [Int32]) { (self.model, self.labels) = (model, labels) }

  init(columns: Columns) throws {
    model = try ModelState(columns: columns.taken(from: "model"))
    labels = try columns.integers("labels")
  }

  var columns: Columns {
    var columns = Columns()
    columns.add(model.columns, within: "model")
    columns["labels"] = .integers(labels)
    return columns
  }
}

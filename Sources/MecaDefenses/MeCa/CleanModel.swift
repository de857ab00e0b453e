import MecaCore
import MecaNN
import MecaTraining

/// Labels of all samples.
struct LabelList: StageState {
  var labels: [Int32]

  init(_ labels: [Int32]) { self.labels = labels }

  init(columns: Columns) throws { labels = try columns.integers("labels") }

  var columns: Columns {
    var columns = Columns()
    columns["labels"] = .integers(labels)
    return columns
  }
}

extension MeCaMethod {
  /// Clean training on what was not flagged.
  ///
  /// Where nobody was, this is the undefended model, bit by bit.
  func trainClean(keeping detection: Finished<Detection>) throws -> Finished<ModelState> {
    let kept = data.allIndices.filter { !detection.state.isFlagged[Int($0)] }
    guard kept.count < data.count else {
      bench.say("clean: everything is kept, so this is the undefended model")
      return try bench.undefended()
    }
    return try bench.stage("clean", bench.recipe, after: [detection.digest]) { _ in
      try bench.trainedFromScratch(on: kept).state
    }
  }

  /// Gives the flagged samples the clean model's class: y'ᵢ = argmax f_clean(xᵢ).
  func relabel(
    _ detection: Finished<Detection>, with clean: Finished<ModelState>
  ) throws -> Finished<LabelList> {
    try bench.stage("relabel", NoSettings(), after: [detection.digest, clean.digest]) { _ in
      let flagged = data.allIndices.filter { detection.state.isFlagged[Int($0)] }
      let model = try bench.model(clean.state, of: bench.network)
      var labels = data.labels
      let records = try bench.judge(model, flagged, labels: data.labels)
      for (index, record) in zip(flagged, records) { labels[Int(index)] = record.prediction }
      return LabelList(labels)
    }
  }

  /// Fine-tunes a copy of the clean model on all samples with the new labels (equation 12).
  ///
  /// Where nobody was flagged, it has learnt all samples with these labels.
  func relearn(
    from clean: Finished<ModelState>, _ detection: Finished<Detection>,
    _ relabelled: Finished<LabelList>
  ) throws -> Finished<ModelState> {
    guard detection.state.isFlagged.contains(true) else {
      bench.say("relearn: nobody was flagged, so this is the clean model")
      return clean
    }
    let recipe = settings.relearnRecipe(bench.recipe)
    return try bench.stage("relearn", recipe, after: [clean.digest, relabelled.digest]) { key in
      let model = try bench.model(clean.state, of: bench.network)
      try bench.train(
        model, .learning(data.allIndices, labels: relabelled.state.labels), recipe, key: key)
      return model.state
    }
  }
}

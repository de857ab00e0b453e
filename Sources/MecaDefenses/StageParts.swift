import MecaCore
import MecaNN
import MecaTraining

/// A model and a number for every sample: what many stages leave behind.
struct ModelAndNumbers: StageState {
  /// The model.
  var model: ModelState
  /// One number a sample.
  var numbers: [Float]

  init(_ model: ModelState, _ numbers: [Float]) { (self.model, self.numbers) = (model, numbers) }

  init(columns: Columns) throws {
    model = try ModelState(columns: columns.taken(from: "model"))
    numbers = try columns.floats("numbers")
  }

  var columns: Columns {
    var columns = Columns()
    columns.add(model.columns, within: "model")
    columns["numbers"] = .floats(numbers)
    return columns
  }
}

/// What a stage depends on besides its inputs: how it trains, and some settings by name.
struct StageSettings: Encodable {
  /// How it trains.
  var recipe: TrainingRecipe
  /// Values of the settings that it looks at.
  var values: [String: Float] = [:]
}

extension TrainingRecipe {
  /// Of another length and with one rate throughout, on images as they are.
  ///
  /// For models that are not kept, and for unlearning. What it does not mention stays.
  func plain(epochs: Int, rate: Float? = nil) -> TrainingRecipe {
    var recipe = self
    recipe.epochs = epochs
    recipe.schedule = .constant
    recipe.augmentation = .none
    if let rate {
      recipe.learningRate = rate
      recipe.rampEpochs = 0
    }
    return recipe
  }
}

extension Workbench {
  /// Trains a model on all samples at one rate and says how well it knew each of them towards the end.
  ///
  /// `mean over the last moments of log10 ℓ(f_e(x_i), y_i)`, f_e the model after epoch e. One moment
  /// is what papers look at; but a rate that is still high lets single moments be far off. The
  /// logarithm, because who is known very well now and then is known.
  ///
  /// - Parameters:
  ///   - moments: ends of epochs, the last ones; no more than there are epochs.
  ///   - key: the first call of `train` draws from it, every further epoch from a member of it.
  /// - Returns: one number a sample, decades of nats.
  func trainWatching(
    _ model: Model, _ lesson: Lesson, _ recipe: TrainingRecipe, moments: Int, key: StageKey
  ) throws -> [Float] {
    precondition(recipe.schedule == .constant, "a course of the rate would begin anew")
    let moments = min(moments, recipe.epochs)
    var part = recipe
    part.epochs = recipe.epochs - (moments - 1)
    var logLosses: [[Float]] = []
    for moment in 0..<moments {
      try train(
        model, lesson, part, key: moment == 0 ? key : key.member("further epoch", moment - 1))
      let answers = try judge(model, samples.allIndices, labels: samples.labels)
      logLosses.append(answers.map { log10Loss($0.loss) })
      (part.epochs, part.rampEpochs) = (1, 0)
    }
    return meanOfLists(logLosses[...])
  }
}

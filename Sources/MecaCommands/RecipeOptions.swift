import ArgumentParser
import MecaImages
import MecaTraining

/// How the models that a user keeps are trained.
struct RecipeOptions: ParsableArguments {
  @Option(help: "Epochs of the models that are kept and compared.")
  var epochs: Int = 16

  @Option(
    help:
      "Largest learning rate (default: 0.07; of steps of more than 64 samples in proportion to their root)."
  )
  var learningRate: Float?

  @Option(help: "Course of the learning rate: cosine, constant, step.")
  var schedule: TrainingRecipe.ScheduleKind = .cosine

  @Option(help: "Momentum (Nesterov).")
  var momentum: Float = 0.9

  @Option(help: "Weight decay of the models that are kept and compared.")
  var weightDecay: Float = 0.004

  /// Epochs at most; far above what anybody trains.
  static let mostEpochs = 4096

  /// The recipe.
  ///
  /// - Parameter batch: samples of a step.
  /// - Throws: `SettingError`.
  func resolved(_ augmentation: Augmentation, batch: Int) throws -> TrainingRecipe {
    let learningRate = learningRate ?? StepLayout.usualRate(batch: batch)
    try requireBetween(1, Self.mostEpochs, epochs, "epochs")
    try requirePositive(learningRate, "learning-rate")
    try requireFraction(momentum, "momentum")
    try requireFraction(weightDecay, "weight-decay")
    return TrainingRecipe(
      epochs: epochs, learningRate: learningRate, schedule: schedule,
      rampEpochs: Float(epochs) / 4, momentum: momentum, weightDecay: weightDecay,
      augmentation: augmentation)
  }
}

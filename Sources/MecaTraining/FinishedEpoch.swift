import MecaCore
import MecaImages
import MecaMPI
import MecaNN

/// What one run of the training loop is about.
struct TrainingCourse {
  var model: Model
  var set: any ImageSet
  var lesson: Lesson
  var recipe: TrainingRecipe
  var key: StageKey
  var title: String
  /// What the model is asked about after each epoch.
  var test: EpochTest?
}

/// What the log and the metrics say of an epoch.
struct FinishedEpoch {
  var course: TrainingCourse
  /// From 1.
  var number: Int
  var summary: EpochSummary
  /// Steps of the optimiser since the training began.
  var step: Int
  /// That of the epoch's last step.
  var learningRate: Float
  /// Images that were learnt in this process.
  var images: Int
  /// Seconds of the epoch's steps in this process.
  var seconds: Double
  /// What the model then made of test images; nil where it was not asked.
  var answers: EpochTest.Answers?
}

extension TrainingSession {
  /// Tells log and metrics of an epoch.
  ///
  /// - Ranks: collective.
  /// - Parameter statistics: of this rank's exchanges in the epoch.
  func note(_ epoch: FinishedEpoch, _ statistics: OrderedReducer.Statistics) throws {
    let exchange = try ExchangeReport(statistics, seconds: epoch.seconds, on: communicator)
    throughput.add(images: epoch.images, seconds: epoch.seconds)
    let rate = Double(epoch.images) / max(epoch.seconds, 1e-9)
    let (course, summary) = (epoch.course, epoch.summary)
    // Whoever is told how far things are need not read every epoch.
    if report == nil || journal.isVerbose || epoch.number == course.recipe.epochs {
      let details = [
        "\(Int(rate)) images/s", journal.isVerbose ? exchange?.summary : nil,
      ].compactMap(\.self).joined(separator: "; ")
      let test = epoch.answers.map { ", \($0.words)" } ?? ""
      journal.say(
        "\(course.title): epoch \(epoch.number)/\(course.recipe.epochs) loss "
          + "\(fixed(summary.loss, 3)) accuracy \(fixed(summary.accuracy * 100, 1)) %\(test) "
          + "(\(details))")
    }
    var values: [String: MetricValue] = [
      "stage": .text(course.title), "epoch": .integer(epoch.number),
      "epochs": .integer(course.recipe.epochs), "step": .integer(epoch.step),
      "learning_rate": .number(Double("\(epoch.learningRate)") ?? Double(epoch.learningRate)),
      "loss": .number(summary.loss), "accuracy": .number(summary.accuracy),
      "images_per_second": .number(rate.rounded()),
    ]
    values.merge(exchange?.metrics ?? [:]) { own, _ in own }
    values.merge(epoch.answers?.metrics ?? [:]) { own, _ in own }
    journal.record("epoch", values)
  }
}

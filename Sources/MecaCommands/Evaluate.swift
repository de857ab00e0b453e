import ArgumentParser
import Foundation
import MecaCore
import MecaMPI
import MecaReport
import MecaTraining

/// Accuracy and attack success of a stored model.
struct Evaluate: RankedCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure a stored model's accuracy, and its attack success with --attack.")

  @OptionGroup var options: StoredModelOptions

  @Flag(help: "Print one JSON line instead of a table.")
  var json = false

  func run(on communicator: Communicator) throws {
    let (session, data, model) = try options.open(on: communicator)
    let accuracy = try session.accuracy(model, on: data.test)
    let figures = ModelFigures(
      accuracy: accuracy.all,
      attackSuccess: try data.triggered.map {
        try session.targetHits(model, on: $0, target: data.attack.target)
      }, accuracyPerClass: accuracy.perClass)
    guard communicator.rank == 0 else { return }
    if json {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys]
      print(String(decoding: try encoder.encode(figures), as: UTF8.self))
      return
    }
    print(
      "ACC \(fixed((figures.accuracy.rate ?? 0) * 100, 2)) % of \(figures.accuracy.count) "
        + "test samples")
    if let success = figures.attackSuccess {
      print(
        "ASR \(fixed((success.rate ?? 0) * 100, 2)) % of \(success.count) triggered samples of "
          + "other classes")
    }
    for (name, hits) in zip(data.test.classNames, accuracy.perClass) {
      print("  \(name): \(fixed((hits.rate ?? 0) * 100, 2)) % of \(hits.count)")
    }
  }
}

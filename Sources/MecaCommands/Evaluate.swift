import ArgumentParser
import Foundation
import MecaCore
import MecaDatasets
import MecaImages
import MecaMPI
import MecaNN
import MecaReport
import MecaTraining

/// Accuracy and attack success of a stored model.
struct Evaluate: RankedCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measure a stored model's accuracy, and its attack success with --attack.")

  @OptionGroup var options: StoredModelOptions

  @Flag(help: "Print one JSON line instead of a table.")
  var json = false

  @Option(help: "Also write the first test images and their logits to this safetensors file.")
  var logits: String?

  func run(on communicator: Communicator) throws {
    let (session, data, model) = try options.open(on: communicator, for: Self.self)
    try writeLogits(model, session: session, data: data)
    let accuracy = try session.accuracy(model, on: data.test)
    let success = try data.triggered.map { try session.attackSuccess(model, on: $0) }
    let figures = ModelFigures(
      accuracy: accuracy.all, attackSuccess: success?.victims,
      attackSuccessOnAll: success?.allOthers, accuracyPerClass: accuracy.perClass)
    try communicator.collectively { try data.watch.check() }
    guard communicator.rank == 0 else { return }
    if json {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys]
      print(String(decoding: try encoder.encode(figures), as: UTF8.self))
      return
    }
    printLines(
      "ACC \(fixed((figures.accuracy.rate ?? 0) * 100, 2)) % of \(figures.accuracy.count) "
        + "test samples")
    func words(_ label: Int) -> String { classWords(label, data.test.classNames) }
    let kind = data.attack.isNone ? "stored with the set" : data.attack.name
    let target = "(\(kind), target class \(words(data.triggered?.target ?? 0)))"
    if let success = figures.attackSuccess {
      let classes =
        figures.attackSuccessOnAll == nil
        ? "other classes" : "class \(words(data.attack.attack.source ?? 0))"
      printLines(
        "ASR \(fixed((success.rate ?? 0) * 100, 2)) % of \(success.count) triggered samples of "
          + "\(classes) \(target)")
    }
    if let success = figures.attackSuccessOnAll {
      printLines(
        "ASR \(fixed((success.rate ?? 0) * 100, 2)) % of \(success.count) triggered samples of all "
          + "classes but the target (the paper's count)")
    }
    for (name, hits) in zip(data.test.classNames, accuracy.perClass) {
      printLines("  \(printable(name)): \(fixed((hits.rate ?? 0) * 100, 2)) % of \(hits.count)")
    }
  }

  /// Writes `images` [N, 3, H, W] in [0, 1] and `logits` [N, classes] of the first test samples,
  /// and the network's metadata, for `tools/check-safetensors.py`.
  private func writeLogits(_ model: Model, session: TrainingSession, data: TrainingData) throws {
    guard let logits else { return }
    try session.communicator.collectively {
      guard session.communicator.rank == 0 else { return }
      let (images, values) = try session.firstLogits(model, on: data.test)
      let shape = data.test.imageShape
      let count = images.count / shape.byteCount
      try writeSafetensors(
        [
          NamedTensor(
            name: "images", shape: [count, shape.channels, shape.height, shape.width],
            values: images),
          NamedTensor(name: "logits", shape: [count, data.classCount], values: values),
        ], metadata: model.configuration.metadata, to: logits)
    }
  }
}

import ArgumentParser
import MecaCore
import MecaDatasets
import MecaMPI
import MecaNN
import MecaTraining

/// What the models that are kept and compared start from.
struct InitialModelOptions: ParsableArguments {
  @Option(
    name: .customLong("init"),
    help: """
      Weights that the models that are kept and compared start from: a ResNet-18 or -34 or a \
      MobileNetV2 of torchvision or timm, or a model.safetensors of the same --model, --width and \
      --stem. The classifier is drawn anew unless the file knows the same classes by name; detectors \
      start without it (default: drawn weights).
      """)
  var file: String?

  /// Reads the file, where there is one, and makes sure that all ranks have the same.
  ///
  /// - Ranks: collective.
  /// - Throws: `RemoteFailure` on all ranks with `FileError` or `UnequalData`.
  func open(on communicator: Communicator) throws -> InitialModel? {
    try file.map { InitialModel(stored: try .opened($0, for: "--init", on: communicator)) }
  }
}

/// A stored model that the models of a run start from.
struct InitialModel {
  let stored: StoredModel

  /// What a run's plan says of it.
  struct Record: Codable {
    var path: String
    /// SHA-256 of the file.
    var sha256: String
  }

  var record: Record { Record(path: stored.path, sha256: stored.digest) }

  /// The weights for models of `network`, which know the classes `classNames`.
  ///
  /// - Ranks: local.
  /// - Throws: `UsageError` where the file is of another network, `FileError` for tensors that do not
  ///   fit it or are no numbers.
  func weights(
    for network: NetworkConfiguration, classNames: [String], session: TrainingSession
  ) throws -> InitialWeights {
    try requireSame(network)
    let weights = InitialWeights(stored.network, classes: classes(classNames))
    do {
      let model = try Model(weights.scaling(network), engine: session.engine, seed: 0)
      try model.start(from: weights)
      guard model.isFinite else {
        throw FileError.malformed(
          path: stored.path, reason: "some of its weights are no finite numbers")
      }
    } catch let error as TensorError {
      throw FileError.malformed(path: stored.path, reason: error.description)
    }
    return weights
  }

  /// What is taken from the file, in words.
  func words(_ weights: InitialWeights, for network: NetworkConfiguration) -> [String] {
    let own = stored.network
    let head =
      weights.hasClassifier
      ? "its classifier too, as it knows the same classes"
      : "with a new classifier for \(network.classCount) classes in place of its "
        + "\(own.classCount)"
    let scale =
      switch weights.imageScale {
      case .said: "as the file says"
      case .imageNet:
        "ImageNet's, as torchvision and timm have them for networks of 1000 classes"
      case .data: "those of the data, as the file does not say its own"
      }
    let network = weights.scaling(network)
    func list(_ numbers: [Float]) -> String {
      numbers.map { fixed(Double($0), 3) }.joined(separator: ", ")
    }
    var lines = [
      "init: models that are kept and compared start from \(stored.path), a "
        + "\(own.architecture.rawValue) of width \(own.width), \(head)",
      "init: mean \(list(network.mean)) and standard deviation \(list(network.standardDeviation)) of "
        + "images are \(scale)",
    ]
    if own.stem == nil {
      lines.append(
        "init: the file does not say its strides; those of the \(network.stem.rawValue) stem are "
          + "taken")
    }
    if let choice = stored.choice {
      lines.append("init: the file holds several models: \(printable(choice))")
    }
    return lines
  }

  /// Refuses a file of another network than the run's.
  private func requireSame(_ network: NetworkConfiguration) throws {
    let own = stored.network
    let stem = own.stem ?? network.stem
    guard
      own.architecture != network.architecture || own.width != network.width || stem != network.stem
    else { return }
    func words(_ architecture: Architecture, _ width: Int, _ stem: Stem?) -> String {
      "a \(architecture.rawValue) of width \(width)"
        + (stem.map { " with the \($0.rawValue) stem" } ?? "")
    }
    let asked = [
      own.architecture == network.architecture ? nil : "--model \(own.architecture.rawValue)",
      own.width == network.width ? nil : "--width \(own.width)",
      stem == network.stem ? nil : "--stem \(stem.rawValue)",
    ].compactMap(\.self).joined(separator: " ")
    throw UsageError.conflict(
      "--init \(stored.path): holds \(words(own.architecture, own.width, own.stem)), the run trains "
        + "\(words(network.architecture, network.width, network.stem)); say \(asked), or take "
        + "another file")
  }

  /// For each class of the data its number in the file; nil where the file has other classes, or
  /// none with names.
  private func classes(_ names: [String]) -> [Int]? {
    guard let own = stored.classNames, own.count == names.count, !areMadeUp(own) else {
      return nil
    }
    let places = Dictionary(
      own.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
    let numbers = names.compactMap { places[$0] }
    return Set(numbers).count == names.count ? numbers : nil
  }
}

import ArgumentParser
import Foundation
import MecaCore
import MecaData
import MecaMPI
import MecaNN
import MecaTraining

/// A model file that another run wrote, opened for scoring or evaluation.
struct StoredModel {
  let network: NetworkConfiguration
  let tensors: [NamedTensor]
  let path: String

  /// Reads tensors and the metadata that say which network they belong to.
  ///
  /// - Ranks: local.
  /// - Throws: `FileError` naming what is missing.
  init(path: String) throws {
    guard FileManager.default.fileExists(atPath: path) else {
      throw FileError.missing(
        path: path, hint: "--weights wants the model.safetensors of a run")
    }
    let (tensors, metadata) = try readSafetensors(path)
    func value(_ key: String) throws -> String {
      guard let text = metadata[key] else {
        throw FileError.malformed(
          path: path, reason: "has no metadata \(key); was it written by meca-dist?")
      }
      return text
    }
    func number(_ key: String) throws -> Int {
      guard let number = Int(try value(key)), number > 0 else {
        throw FileError.malformed(path: path, reason: "metadata \(key) is no positive number")
      }
      return number
    }
    func list<T: Decodable>(_ key: String, of type: T.Type) throws -> [T] {
      do {
        return try JSONDecoder().decode([T].self, from: Data(try value(key).utf8))
      } catch {
        throw FileError.malformed(path: path, reason: "metadata \(key) is no JSON array")
      }
    }
    guard let architecture = Architecture(rawValue: try value("architecture")) else {
      throw FileError.malformed(path: path, reason: "unknown architecture in the metadata")
    }
    let mean = try list("mean", of: Float.self)
    let deviation = try list("std", of: Float.self)
    guard mean.count == 3, deviation.count == 3, deviation.allSatisfy({ $0 > 0 }) else {
      throw FileError.malformed(path: path, reason: "metadata mean and std want three numbers")
    }
    network = NetworkConfiguration(
      architecture: architecture, width: try number("width"),
      classCount: try list("classes", of: String.self).count,
      imageHeight: try number("image_height"), imageWidth: try number("image_width"),
      mean: mean, standardDeviation: deviation)
    self.tensors = tensors
    self.path = path
  }

  /// The model on this rank, ready to be asked about `data`.
  ///
  /// - Throws: `UsageError.conflict` if the data has other classes or another image size.
  func model(session: TrainingSession, data: TrainingData) throws -> Model {
    let shape = data.training.imageShape
    guard
      shape.height == network.imageHeight, shape.width == network.imageWidth,
      data.classCount == network.classCount
    else {
      throw UsageError.conflict(
        "\(path) is for \(network.classCount) classes of \(network.imageHeight)x"
          + "\(network.imageWidth) pixels, the data has \(data.classCount) of "
          + "\(shape.height)x\(shape.width)")
    }
    let model = try Model(network, engine: session.engine, seed: 0)
    do {
      try model.importTensors(tensors)
    } catch let error as TensorError {
      throw FileError.malformed(path: path, reason: error.description)
    }
    return model
  }
}

/// What `score` and `evaluate` share: a stored model, data, the layout of the arithmetic.
struct StoredModelOptions: ParsableArguments {
  @Option(help: "The model.safetensors of a run.")
  var weights: String

  @OptionGroup(title: "Data") var data: DataOptions
  @OptionGroup(title: "Attack put in, for experiments") var attack: AttackOptions
  @OptionGroup(title: "Compute") var compute: ComputeOptions

  @Option(help: "YAML file with the same names as the options; options win over it.")
  var config: String?
}

extension StoredModelOptions {
  /// Opens session, data and model together on all ranks.
  ///
  /// - Ranks: collective.
  func open(
    on communicator: Communicator
  ) throws -> (session: TrainingSession, data: TrainingData, model: Model) {
    let stored = try communicator.collectively { try StoredModel(path: weights) }
    let journal = try Journal(
      metricsPath: nil, isWriter: communicator.rank == 0, logger: progressLogger(quiet: true))
    let session = try TrainingSession(
      communicator: communicator, compute: compute.resolved(), journal: journal)
    let poison = try communicator.collectively {
      try attack.resolved(dataset: self.data.dataset, seed: compute.seed)
    }
    let data = try TrainingData(
      self.data.resolved(seed: compute.seed), attack: poison, communicator: communicator)
    let model = try communicator.collectively {
      try stored.model(session: session, data: data)
    }
    return (session, data, model)
  }
}

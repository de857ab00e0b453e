import ArgumentParser
import Foundation
import MecaAttacks
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
  /// Image set of the run that wrote it, where the file says so.
  let dataset: DatasetKind?
  /// Seed of the built-in set's images in that run.
  let dataSeed: UInt64?
  /// How that run brought image files to size.
  let imageFit: ImageFit?
  /// Share of each class that that run held out.
  let testShare: Double?
  /// Attack that the run had put in.
  let attack: AttackConfiguration?

  /// Reads tensors and the metadata that say which network they belong to and how it came about.
  ///
  /// - Ranks: local.
  /// - Throws: `FileError` naming what is missing.
  init(path: String) throws {
    guard FileManager.default.fileExists(atPath: path) else {
      throw FileError.missing(
        path: path, hint: "--weights wants the model.safetensors of a run")
    }
    let (tensors, metadata) = try readSafetensors(path)
    network = try NetworkConfiguration(metadata: metadata, tensors: tensors, path: path)
    dataset = metadata[ModelOrigin.dataset].flatMap { DatasetKind(rawValue: $0) }
    dataSeed = metadata[ModelOrigin.dataSeed].flatMap { UInt64($0) }
    imageFit = metadata[ModelOrigin.imageFit].flatMap { ImageFit(rawValue: $0) }
    testShare = metadata[ModelOrigin.testShare].flatMap { Double($0) }
    attack = try metadata[ModelOrigin.attack].map { text in
      do {
        return try JSONDecoder().decode(AttackConfiguration.self, from: Data(text.utf8))
      } catch {
        throw FileError.malformed(
          path: path, reason: "metadata \(ModelOrigin.attack) is no attack of this program")
      }
    }
    self.tensors = tensors
    self.path = path
  }

  /// Rows and columns of the images, where they are as many.
  var imageSize: Int? { network.imageHeight == network.imageWidth ? network.imageHeight : nil }

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

/// What a model file says of the run that it came from.
enum ModelOrigin {
  static let dataset = "dataset"
  static let dataSeed = "data_seed"
  static let imageFit = "image_fit"
  static let testShare = "test_share"
  static let attack = "attack"
  static let classes = "classes"

  /// The entries of a run's model.
  static func metadata(
    of plan: RunPlan, attack put: AttackConfiguration, classNames: [String]
  ) throws -> [String: String] {
    func json(_ value: some Encodable) throws -> String {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys]
      return String(decoding: try encoder.encode(value), as: UTF8.self)
    }
    var entries = [
      dataset: plan.data.dataset.rawValue, dataSeed: "\(plan.data.seed)",
      attack: try json(put), classes: try json(classNames),
    ]
    entries[imageFit] = plan.data.imageFit?.rawValue
    entries[testShare] = plan.data.testShare.map { "\($0)" }
    return entries
  }
}

/// What `score` and `evaluate` share: a stored model, data, the layout of the arithmetic.
struct StoredModelOptions: ParsableArguments {
  @Option(
    help: """
      The model.safetensors of a run. Image set and attack are those of the run where the options \
      do not say otherwise.
      """)
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
    let (stored, images, poison) = try communicator.collectively {
      () throws -> (StoredModel, DataConfiguration, AttackConfiguration) in
      let stored = try StoredModel(path: weights)
      if let asked = self.data.dataset, let own = stored.dataset, asked != own,
        !asked.holdsAnySet && !own.holdsAnySet, !SetRecord.isWrittenSet(self.data.data ?? "")
      {
        throw UsageError.conflict(
          "\(weights) was trained on \(own.rawValue), --dataset says \(asked.rawValue)")
      }
      let images = try self.data.resolved(seed: compute.seed, like: stored)
      let poison = try attack.resolved(
        dataset: images.dataset, seed: compute.seed, like: stored.attack)
      return (stored, images, poison)
    }
    let journal = try Journal(
      metricsPath: nil, isWriter: communicator.rank == 0, logger: progressLogger(quiet: true))
    let session = try TrainingSession(
      communicator: communicator, compute: compute.resolved(), journal: journal)
    let data = try TrainingData(
      images, attack: poison, communicator: communicator, threads: compute.threads)
    journal.say(data.opening)
    let model = try communicator.collectively {
      try stored.model(session: session, data: data)
    }
    return (session, data, model)
  }
}

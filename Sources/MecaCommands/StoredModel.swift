import ArgumentParser
import Foundation
import MecaAttacks
import MecaCore
import MecaData
import MecaMPI
import MecaNN
import MecaTraining

/// A model file that another run or PyTorch wrote, opened for scoring or evaluation.
struct StoredModel {
  let network: StoredNetwork
  let path: String
  /// SHA-256 of the file.
  let digest: String
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

  /// Reads tensors and metadata, which say which network they belong to and how it came about.
  ///
  /// - Ranks: local.
  /// - Throws: `FileError` naming what is missing or unknown.
  init(path: String) throws {
    guard FileManager.default.fileExists(atPath: path) else {
      throw FileError.missing(
        path: path,
        hint: "--weights wants the model.safetensors of a run, or a state dictionary of PyTorch")
    }
    let (tensors, metadata) = try readModelFile(path)
    network = try StoredNetwork(tensors: tensors, metadata: metadata, path: path)
    dataset = metadata[ModelOrigin.dataset].flatMap { DatasetKind(rawValue: $0) }
    dataSeed = metadata[ModelOrigin.dataSeed].flatMap { UInt64($0) }
    imageFit = metadata[ModelOrigin.imageFit].flatMap { ImageFit(rawValue: $0) }
    testShare = metadata[ModelOrigin.testShare].flatMap { Double($0) }
    if let testShare, !(testShare > 0 && testShare < 1) {
      throw FileError.malformed(
        path: path, reason: "metadata \(ModelOrigin.testShare) is not between 0 and 1")
    }
    attack = try metadata[ModelOrigin.attack].map { text in
      do {
        return try JSONDecoder().decode(AttackConfiguration.self, from: Data(text.utf8))
      } catch {
        throw FileError.malformed(
          path: path, reason: "metadata \(ModelOrigin.attack) is no attack of this program")
      }
    }
    self.path = path
    digest = try fileDigest(path)
  }

  /// Rows and columns of the images, where the file says them, they are as many, and image files
  /// can be brought to them.
  var imageSize: Int? {
    network.imageSize.flatMap { size in
      size.height == size.width && size.height <= DataOptions.largestImages ? size.height : nil
    }
  }

  /// The model on this rank, ready to be asked about `data`.
  ///
  /// - Parameter stem: for files that do not say theirs.
  /// - Throws: `UsageError.conflict` if the data has other classes or another image size.
  func model(session: TrainingSession, data: TrainingData, stem: StemChoice) throws -> Model {
    let shape = data.training.imageShape
    let (mean, deviation) = data.training.meanAndDeviation
    let configuration = network.configuration(
      imageHeight: shape.height, imageWidth: shape.width, mean: mean,
      standardDeviation: deviation, stemChoice: stem)
    guard
      shape.height == configuration.imageHeight, shape.width == configuration.imageWidth,
      data.classCount == network.classCount
    else {
      throw UsageError.conflict(
        "\(path) is for \(network.classCount) classes of \(configuration.imageHeight)x"
          + "\(configuration.imageWidth) pixels, the data has \(data.classCount) of "
          + "\(shape.height)x\(shape.width)")
    }
    let model = try Model(configuration, engine: session.engine, seed: 0)
    do {
      try model.importTensors(network.tensors)
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

/// What a user knows of a stored model; the file's own word must agree.
struct StoredModelFacts: ParsableArguments {
  @Option(help: "Network (default: that of the file's tensors).")
  var model: Architecture?

  @Option(help: "Channels of the first stage (default: those of the file's tensors).")
  var width: Int?

  @Option(
    help: """
      First layers: auto, small, imagenet. Read from the file; only mobilenetv2 from PyTorch does \
      not say, and auto takes imagenet for images of 112 pixels or more.
      """)
  var stem: StemChoice = .auto

  /// Refuses a file that is of another network.
  ///
  /// - Throws: `UsageError.conflict` with both sides.
  func validate(_ stored: StoredModel) throws {
    let network = stored.network
    func agree<Value: Equatable>(_ option: String, _ asked: Value?, _ own: Value) throws {
      guard let asked, asked != own else { return }
      throw UsageError.conflict(
        "\(stored.path) holds a \(network.architecture.rawValue) of width \(network.width)"
          + (network.stem.map { " with the \($0) stem" } ?? "") + ", \(option) says \(asked)")
    }
    try agree("--model", model, network.architecture)
    try agree("--width", width, network.width)
    if let own = network.stem, stem != .auto { try agree("--stem", stem.rawValue, own.rawValue) }
  }
}

/// What `score` and `evaluate` share: a stored model, data, the layout of the arithmetic.
struct StoredModelOptions: ParsableArguments {
  @Option(
    help: """
      The model.safetensors of a run, or a state dictionary of PyTorch: a safetensors file, or one \
      of torch.save, bare or under model, state_dict or net. Image set and attack are those of the \
      run where the options do not say otherwise.
      """)
  var weights: String

  @OptionGroup(title: "Model, as the file says it too")
  var facts: StoredModelFacts
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
    if let other = try communicator.firstDifference(in: stored.digest) {
      try communicator.collectively {
        throw UnequalData(rank: other.rank, path: weights, content: "weights or metadata")
      }
    }
    let (images, poison) = try communicator.collectively {
      () throws -> (DataConfiguration, AttackConfiguration) in
      try facts.validate(stored)
      if let asked = self.data.dataset, let own = stored.dataset, asked != own,
        !asked.holdsAnySet && !own.holdsAnySet, !SetRecord.isWrittenSet(self.data.data ?? "")
      {
        throw UsageError.conflict(
          "\(weights) was trained on \(own.rawValue), --dataset says \(asked.rawValue)")
      }
      let images = try self.data.resolved(seed: compute.seed, like: stored)
      let poison = try attack.resolved(
        dataset: images.dataset, seed: compute.seed, like: stored.attack)
      return (images, poison)
    }
    let journal = try Journal(
      metricsPath: nil, isWriter: communicator.rank == 0, logger: progressLogger(quiet: true))
    let session = try TrainingSession(
      communicator: communicator, compute: compute.resolved(), journal: journal)
    let data = try TrainingData(
      images, attack: poison, communicator: communicator, threads: compute.threads)
    journal.say(data.opening)
    let model = try communicator.collectively {
      try stored.model(session: session, data: data, stem: facts.stem)
    }
    if stored.network.mean == nil || stored.network.standardDeviation == nil {
      journal.warn(
        "\(weights) does not say how images are scaled for it: taking mean and standard deviation of "
          + "\(data.training.name); if it was trained with others, write them into its metadata as "
          + "\"mean\" and \"std\"")
    }
    return (session, data, model)
  }
}

import ArgumentParser
import Foundation
import MecaAttacks
import MecaCore
import MecaDatasets
import MecaFormats
import MecaImages
import MecaMPI
import MecaNN
import MecaTensor
import MecaTraining

/// A model file that another run or PyTorch wrote, opened for scoring or evaluation.
struct StoredModel {
  let network: StoredNetwork
  let path: String
  /// SHA-256 of the file.
  let digest: String
  /// Image set of the run that wrote it, where the file says so.
  let dataset: String?
  /// What the run held out of its training images.
  let heldOut: HeldOutRecord?
  /// Names of the classes in that run.
  let classNames: [String]?
  /// What the file says of the run, by key.
  private let metadata: [String: String]
  /// Attack that the run had put in.
  let attack: AttackConfiguration?

  /// Reads tensors and metadata, which say which network they belong to and how it came about.
  ///
  /// - Ranks: local.
  /// - Parameter option: who wants it, for the error.
  /// - Throws: `FileError` naming what is missing or unknown.
  init(path: String, for option: String = "--weights") throws {
    guard FileManager.default.fileExists(atPath: path) else {
      throw FileError.missing(
        path: path,
        hint: "\(option) wants the model.safetensors of a run, or a state dictionary of PyTorch")
    }
    let (tensors, metadata) = try readModelFile(path)
    network = try StoredNetwork(tensors: tensors, metadata: metadata, path: path)
    self.metadata = metadata
    heldOut = metadata[ModelOrigin.heldOut].flatMap { HeldOutRecord($0) }
    let classCount = network.classCount
    classNames = try metadata[ModelOrigin.classes].map { text in
      guard let names = try? JSONDecoder().decode([String].self, from: Data(text.utf8)),
        names.count == classCount
      else {
        throw FileError.malformed(
          path: path, reason: "metadata \(ModelOrigin.classes) is no list of \(classCount) names")
      }
      return names
    }
    dataset = metadata[ModelOrigin.dataset].flatMap { Formats.named($0)?.facts.name }
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

  /// Reads the file on every rank, and makes sure that all have the same.
  ///
  /// - Ranks: collective.
  /// - Throws: `RemoteFailure` on all ranks with `FileError` or `UnequalData`.
  static func opened(
    _ path: String, for option: String = "--weights", on communicator: Communicator
  ) throws -> StoredModel {
    let stored = try communicator.collectively { try StoredModel(path: path, for: option) }
    if let other = try communicator.firstDifference(in: stored.digest) {
      try communicator.collectively {
        throw UnequalData(rank: other.rank, path: path, content: "weights or metadata")
      }
    }
    return stored
  }

  /// Which of several models in a file of PyTorch this is; nil where there is one.
  var choice: String? { metadata[ModelOrigin.choice] }

  /// Names of the classes; numbers where the file has no names.
  var namesOfClasses: [String] {
    classNames ?? (0..<network.classCount).map { "class \($0)" }
  }

  /// The value of a setting of the run's image set, where the file says it.
  func dataSetting(_ name: String) -> String? {
    name == "image-size" ? imageSize.map { "\($0)" } : metadata[ModelOrigin.key(of: name)]
  }

  /// Rows and columns of the images, where the file says them, they are as many, and image files
  /// can be brought to them.
  private var imageSize: Int? {
    network.imageSize.flatMap { size in
      size.height == size.width && size.height <= ImageFileSettings.largest ? size.height : nil
    }
  }

  /// The model on this rank, ready to be asked about `data`.
  ///
  /// - Parameter facts: what the user knows of files that do not say it.
  /// - Throws: `UsageError.conflict` if the data has other classes or another image size.
  func model(
    session: TrainingSession, data: TrainingData, _ facts: StoredModelFacts
  ) throws -> Model {
    let shape = data.training.imageShape
    let (mean, deviation) = data.training.meanAndDeviation
    let configuration = network.configuration(
      imageHeight: shape.height, imageWidth: shape.width, mean: facts.mean?.values ?? mean,
      standardDeviation: facts.std?.values ?? deviation, stemChoice: facts.stem,
      stride: facts.stemStride, pooling: facts.stemPooling.map { $0 == .max })
    guard
      shape.height == configuration.imageHeight, shape.width == configuration.imageWidth,
      data.classCount == network.classCount
    else {
      throw UsageError.conflict(
        "\(path) is for \(network.classCount) classes of \(configuration.imageHeight)x"
          + "\(configuration.imageWidth) pixels, the data has \(data.classCount) of "
          + "\(shape.height)x\(shape.width)")
    }
    return try model(engine: session.engine, configuration: configuration)
  }

  /// The model on this rank as `configuration` has it.
  ///
  /// - Throws: `FileError` for tensors that do not fit.
  func model(engine: any Engine, configuration: NetworkConfiguration) throws -> Model {
    let model = try Model(configuration, engine: engine, seed: 0)
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
  static let attack = "attack"
  static let classes = "classes"
  static let heldOut = "held_out"
  /// Which of several models in a file of PyTorch was taken; in no file.
  static let choice = "choice"

  /// The key of a setting of the image set: `image_fit`.
  static func key(of setting: String) -> String { setting.replacing("-", with: "_") }

  /// The entries of a run's model.
  static func metadata(
    of plan: RunPlan, _ data: TrainingData
  ) throws -> [String: String] {
    func json(_ value: some Encodable) throws -> String {
      let encoder = JSONEncoder()
      encoder.outputFormatting = [.sortedKeys]
      return String(decoding: try encoder.encode(value), as: UTF8.self)
    }
    var entries = [
      dataset: plan.data.name, key(of: "data-seed"): "\(plan.data.place.seed)",
      attack: try json(data.attack), classes: try json(data.training.classNames),
    ]
    entries[heldOut] = data.heldOut?.text
    for (name, value) in plan.data.values {
      if case .unset = value { continue }
      entries[key(of: name)] = value.text
    }
    return entries
  }
}

/// What `score` and `evaluate` share: a stored model, data, the layout of the arithmetic.
struct StoredModelOptions: ParsableArguments {
  @Option(
    help: """
      The model.safetensors of a run, or a state dictionary of PyTorch: a safetensors file, or one \
      of torch.save, bare or under a usual key (state_dict, model, …). Image set and attack are those of the \
      run where the options do not say otherwise.
      """)
  var weights: String

  @OptionGroup(title: "Model, as the file says it too")
  var facts: StoredModelFacts
  @OptionGroup(title: "Data") var data: DataOptions
  @OptionGroup(title: "Attack put in, for experiments") var attack: AttackOptions
  @OptionGroup(title: "Compute") var compute: ComputeOptions
  @OptionGroup var settings: UnknownWords

  @Option(help: "YAML file with the same names as the options; options win over it.")
  var config: String?
}

extension StoredModelOptions {
  /// Opens session, data and model together on all ranks.
  ///
  /// - Ranks: collective.
  ///
  /// - Parameter command: whose options these are.
  func open(
    on communicator: Communicator, for command: any ParsableCommand.Type
  ) throws -> (session: TrainingSession, data: TrainingData, model: Model) {
    let stored = try StoredModel.opened(weights, on: communicator)
    let (images, poison) = try communicator.collectively {
      () throws -> (DataConfiguration, AttackConfiguration) in
      try facts.validate(stored)
      if let asked = self.data.dataset, let own = stored.dataset, asked != own,
        Formats.named(asked)?.facts.holdsAnySet == false,
        Formats.named(own)?.facts.holdsAnySet == false,
        !SetRecord.isWrittenSet(self.data.data ?? "")
      {
        throw UsageError.conflict(
          "\(weights) was trained on \(own), --dataset says \(asked)")
      }
      let dataset = try self.data.chosen(like: stored).facts
      let given = try SettingWords(settings.words, of: command).values(of: [
        try self.data.owner(like: stored), try attack.owner(dataset: dataset, like: stored.attack),
      ])
      let images = try self.data.resolved(
        given["dataset"] ?? [:], seed: compute.seed, like: stored)
      let poison = try attack.resolved(
        given["attack"] ?? [:], dataset: dataset, seed: compute.seed, like: stored.attack)
      return (images, poison)
    }
    func journal(quiet: Bool) throws -> Journal {
      try Journal(
        metricsPath: nil, isWriter: communicator.rank == 0, logger: progressLogger(quiet: quiet))
    }
    let warnings = try journal(quiet: true)
    let session = try TrainingSession(
      communicator: communicator, compute: compute.resolved(ranks: communicator.size),
      journal: warnings)
    let data = try TrainingData(
      images, attack: poison, classes: stored.classNames.map { ($0, weights) },
      communicator: communicator, threads: compute.threads)
    // Which images they are is no progress, which a command of one answer does not show.
    try journal(quiet: false).say(data.opening)
    let model = try communicator.collectively {
      try stored.model(session: session, data: data, facts)
    }
    if let choice = stored.choice {
      warnings.warn("\(weights) holds several models: \(printable(choice))")
    }
    if let assumption = facts.assumption(stored) { warnings.warn(assumption) }
    let unknown = [
      stored.network.mean == nil && facts.mean == nil ? "--mean" : nil,
      stored.network.standardDeviation == nil && facts.std == nil ? "--std" : nil,
    ].compactMap(\.self)
    if !unknown.isEmpty {
      warnings.warn(
        "\(weights) does not say how images are scaled for it: taking those of "
          + "\(data.training.name); if it was trained with others, say them with "
          + unknown.joined(separator: " and "))
    }
    return (session, data, model)
  }
}

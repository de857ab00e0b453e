import ArgumentParser
import Foundation
import MecaCore
import MecaExport
import MecaFormats
import MecaImages
import MecaMPI
import MecaNN
import MecaTensor
import MecaTraining

/// Writes a stored model for other programs.
struct Export: RankedCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write a stored model as an ONNX file, with what it does to images inside.",
    discussion: """
      Input images: float32 [batch, 3, height, width], RGB, pixels in [0, 1] (bytes / 255); mean and \
      standard deviation are applied inside. Outputs logits and probabilities, [batch, classes].

      Example: meca-dist export run/model.safetensors --onnx model.onnx
      """)

  @Argument(help: "The model.safetensors of a run, or a state dictionary of PyTorch.")
  var weights: String

  @Option(help: "ONNX file to write.")
  var onnx: String

  @Flag(help: "Replace the file if it is there.")
  var force = false

  @Option(help: "Rows and columns of the images, for a file that does not say them.")
  var imageSize: Int?

  @OptionGroup(title: "Model, as the file says it too")
  var facts: StoredModelFacts

  func validate() throws {
    if onnx.isEmpty { throw ValidationError("--onnx: must name a file") }
  }

  func run(on communicator: Communicator) throws {
    try communicator.collectively {
      guard communicator.rank == 0 else { return }
      try requireFree()
      let stored = try StoredModel(path: weights)
      try facts.validate(stored)
      let journal = try Journal(
        metricsPath: nil, isWriter: true, logger: progressLogger(quiet: false))
      if let assumption = facts.assumption(stored) { journal.warn(assumption) }
      let model = try self.model(stored)
      let network = model.configuration
      try writeWhole(
        encodeONNX(
          model,
          ONNXFacts(
            version: MecaDist.configuration.version, classNames: stored.namesOfClasses,
            others: stored.dataSetting("image-fit").map { ["image_fit": $0] } ?? [:]),
          path: weights), to: onnx)
      printLines(
        "\(network.architecture.rawValue) of width \(network.width), \(network.classCount) classes, "
          + "images of \(network.imageHeight)x\(network.imageWidth) pixels, written to "
          + printable(onnx))
      printLines("weights_sha256 \(model.weightsDigest())")
    }
  }

  /// Refuses to write over a file, and where nothing can be written.
  private func requireFree() throws {
    var status = stat()
    if !force, lstat(onnx, &status) == 0, status.st_mode & S_IFMT != S_IFDIR {
      throw UsageError.conflict(
        "--onnx \(onnx): is there already; choose another name, or replace it with --force")
    }
    try requireReplaceable(onnx)
  }

  private func model(_ stored: StoredModel) throws -> Model {
    let network = stored.network
    if let imageSize {
      try requireBetween(1, ImageFileSettings.largest, imageSize, "image-size")
      if let own = network.imageSize, own != (imageSize, imageSize) {
        throw MisplacedSetting(
          setting: "image-size", value: "\(imageSize)",
          problem: "\(weights) is for images of \(own.height)x\(own.width) pixels")
      }
    }
    guard let (height, width) = network.imageSize ?? imageSize.map({ ($0, $0) }) else {
      throw MissingSetting(
        setting: "image-size", problem: "\(weights) does not say how large its images are")
    }
    let (mean, deviation) = try facts.scale(of: stored)
    // Which engine plans the network changes no weight.
    return try stored.model(
      engine: makeEngine(.openblas),
      configuration: network.configuration(
        imageHeight: height, imageWidth: width, mean: mean, standardDeviation: deviation,
        stemChoice: facts.stem, stride: facts.stemStride,
        pooling: facts.stemPooling.map { $0 == .max }))
  }
}

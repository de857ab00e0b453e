import ArgumentParser
import Foundation
import MecaCore
import MecaDatasets
import MecaFormats
import MecaImages
import MecaMPI
import MecaNN
import MecaReport
import MecaTraining

extension ImageFit: ExpressibleByArgument {}

/// Says what a stored model takes images for.
struct Predict: RankedCommand {
  static let configuration = CommandConfiguration(
    abstract: "Say what a stored model takes images for: path, class, probability.",
    discussion: """
      Example: mpirun -n 4 meca-dist predict run/model.safetensors photos --output classes.csv
      """)

  @Argument(help: "The model.safetensors of a run, or a state dictionary of PyTorch.")
  var weights: String

  @Argument(help: "Image files, and folders of which all image files are taken.")
  var images: [String]

  @Option(help: "CSV file to write (default: standard output).")
  var output: String?

  @Option(help: "Rows and columns to bring images to (default: those of the model).")
  var imageSize: Int?

  @Option(
    help: "How: cover, margin, stretch (default: as the model's images, or cover).")
  var imageFit: ImageFit?

  @OptionGroup(title: "Model, as the file says it too")
  var facts: StoredModelFacts
  @OptionGroup(title: "Compute") var compute: ComputeOptions

  func validate() throws {
    if images.isEmpty { throw ValidationError("name image files or folders") }
    if output?.isEmpty == true { throw ValidationError("--output: must name a file") }
  }

  func run(on communicator: Communicator) throws {
    let stored = try StoredModel.opened(weights, on: communicator)
    let side = try communicator.collectively { try imageSide(stored) }
    // Rank 0 looks, so that all ranks have the same list.
    let found = try communicator.collectively {
      communicator.rank == 0 ? try LooseImages(images) : nil
    }
    let list = try communicator.broadcastText(found?.paths.joined(separator: "\0") ?? "")
    let paths = list.split(separator: "\0").map(String.init)
    let session = try TrainingSession(
      communicator: communicator, compute: compute.resolved(ranks: communicator.size),
      journal: try Journal(
        metricsPath: nil, isWriter: communicator.rank == 0, logger: progressLogger(quiet: false)))
    for warning in found?.warnings ?? [] { session.journal.warn(warning) }
    let model = try communicator.collectively {
      try makeModel(stored, side: side, session: session)
    }
    let names = stored.namesOfClasses
    let network = model.configuration
    let set = LooseImages.set(
      paths, classNames: names, side: side, fit: fit(stored), rules: PictureRules(),
      meanAndDeviation: (network.mean, network.standardDeviation))
    if communicator.rank == 0 {
      session.report = ProgressReport(
        [], isLive: LiveLine.isPossible, now: { session.journal.seconds }, say: session.journal.say)
    }
    let records = try session.evaluate(model, on: set)
    LiveLine.clear()
    try communicator.collectively {
      guard communicator.rank == 0 else { return }
      var text = "path,class,probability\n"
      for (path, record) in zip(paths, records) {
        let name = csvText(names[Int(record.prediction)])
        text += "\(csvText(path)),\(name),\(fixed(Double(record.confidence), 4))\n"
      }
      if let output {
        try writeWhole(Data(text.utf8), to: output)
      } else {
        printLines(String(text.dropLast()))
      }
    }
  }

  private func imageSide(_ stored: StoredModel) throws -> Int {
    try facts.validate(stored)
    if let imageSize {
      try requireBetween(1, ImageFileSettings.largest, imageSize, "image-size")
    }
    guard let side = imageSize ?? stored.dataSetting("image-size").flatMap({ Int($0) }) else {
      throw MissingSetting(
        setting: "image-size", problem: "\(weights) does not say how large its images are")
    }
    return side
  }

  private func fit(_ stored: StoredModel) -> ImageFit {
    imageFit ?? stored.dataSetting("image-fit").flatMap { ImageFit(rawValue: $0) } ?? .cover
  }

  private func makeModel(
    _ stored: StoredModel, side: Int, session: TrainingSession
  ) throws -> Model {
    let (mean, deviation) = try facts.scale(of: stored)
    return try stored.model(
      engine: session.engine,
      configuration: stored.network.configuration(
        imageHeight: side, imageWidth: side, mean: mean, standardDeviation: deviation,
        stemChoice: facts.stem, stride: facts.stemStride,
        pooling: facts.stemPooling.map { $0 == .max }))
  }
}

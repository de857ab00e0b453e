import MecaCore
import MecaDatasets
import MecaFormats
import MecaMPI
import MecaTraining

extension Poison {
  /// Writes the set in the layout of a toolbox.
  ///
  /// - Ranks: collective.
  func writeForToolbox(
    _ data: TrainingData, of images: DataConfiguration, to folder: String,
    on communicator: Communicator
  ) throws {
    // A set may say itself which one it was made of; only known names become folders.
    let dataset = Formats.named(data.training.name)?.facts.name ?? images.name
    try communicator.collectively {
      if force {
        throw UsageError.conflict(
          "--force: --format backdoor-toolbox and backdoorbench replace nothing; choose an empty "
            + "folder")
      }
      if data.isAttackedAnew {
        throw UsageError.conflict(
          "--attack \(data.attack.name): the set holds poisons already, and a written set has one "
            + "attack; start from the clean set")
      }
    }
    let write: () throws -> [String]
    if format == .backdoorBench {
      let writer = try communicator.collectively {
        if self.data.trainLimit != nil || self.data.testLimit != nil {
          throw UsageError.conflict(
            "--format backdoorbench numbers the samples of a whole set; leave --train-limit and "
              + "--test-limit out")
        }
        return try BenchRecordWriter(
          data, dataset: dataset, folder: folder, communicator: communicator)
      }
      write = {
        try writer.write()
        return [
          "a record of BackdoorBench, over the clean \(dataset) images, in \(printable(folder)); it "
            + "belongs into BackdoorBench's folder record, and has no model"
        ]
      }
    } else {
      let writer = ToolboxSetWriter(
        data, dataset: dataset, folder: folder, communicator: communicator)
      write = {
        try writer.write()
        return [
          "training images for backdoor-toolbox in \(printable(writer.trainFolder))",
          "test images in \(printable(writer.testFolder)), without triggers, which the toolbox puts "
            + "in",
        ]
      }
    }
    try communicator.collectively {
      if communicator.rank == 0 { try SetFolder(path: folder).prepare(force: false) }
    }
    let lines = try write()
    guard communicator.rank == 0 else { return }
    if let truth = data.truth {
      printLines(
        "\(data.training.count) training samples, \(truth.count(.poison)) poisoned, "
          + "\(truth.count(.cover)) covers")
    }
    for line in lines { printLines(line) }
  }
}

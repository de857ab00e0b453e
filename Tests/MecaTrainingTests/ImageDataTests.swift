import Foundation
import MecaCore
import MecaDatasets
import MecaFormats
import MecaImages
import MecaMPI
import MecaNN
import MecaTraining
import Testing

/// Image files as a run opens them; more ranks are in the tests of the commands.
@MainActor @Suite struct ImageDataTests {
  /// Two classes; image n of a class is of one colour, 4x4 pixels.
  private func folder(_ colours: [[[UInt8]]]) throws -> TestFolder {
    let folder = try TestFolder()
    for split in ["train", "test"] {
      for (label, own) in colours.enumerated() {
        for (index, colour) in own.enumerated() {
          try write(colour, to: "\(split)/\(label)/\(index).png", in: folder)
        }
      }
    }
    return folder
  }

  private func write(_ colour: [UInt8], to name: String, in folder: TestFolder) throws {
    let shape = ImageShape(channels: 3, height: 4, width: 4)
    let bytes = try encodePNG(
      colour.flatMap { [UInt8](repeating: $0, count: 16) }, shape: shape)
    let file = URL(fileURLWithPath: folder.path + "/" + name)
    try FileManager.default.createDirectory(
      at: file.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(bytes).write(to: file)
  }

  private func open(
    _ folder: TestFolder, threads: Int = 1, onBadImage: BadImagePolicy = .stop
  ) throws -> TrainingData {
    var settings = FolderFormat.Settings()
    settings.files.onBadImage = onBadImage
    return try TrainingData(
      DataConfiguration(FolderFormat.self, path: folder.path, settings: settings), attack: .none,
      communicator: try loneRank.get(), threads: threads)
  }

  @Test func meanAndDeviationAreThoseOfTheTrainingImages() throws {
    let data = try open(folder([[[0, 10, 255]], [[255, 30, 255], [51, 20, 255]]]))
    let (mean, deviation) = data.training.meanAndDeviation
    // 0, 255, 51; 10, 30, 20; 255 three times, whose deviation of 0 becomes one step of a byte.
    #expect(abs(mean[0] - 0.4) < 1e-6 && abs(mean[1] - 20 / 255) < 1e-6 && mean[2] == 1)
    let squares: Float = (102 * 102 + 153 * 153 + 51 * 51) / 3
    #expect(abs(deviation[0] - squares.squareRoot() / 255) < 1e-6)
    #expect(abs(deviation[1] - (200.0 / 3).squareRoot() / 255) < 1e-6)
    #expect(deviation[2] == 1 / Float(255))
    #expect(data.test.meanAndDeviation.mean == mean)
    #expect(data.training.imageShape == ImageShape(channels: 3, height: 4, width: 4))
  }

  @Test func theDigestIsOfImagesAndLabelsAlone() throws {
    let colours: [[[UInt8]]] = [
      (0..<70).map { [UInt8($0), 1, 2] }, (0..<75).map { [9, UInt8($0), 7] },
    ]
    let set = try folder(colours)
    let digest = try open(set).digest
    for threads in [2, 3, 7] { #expect(try open(set, threads: threads).digest == digest) }
    #expect(try open(folder(colours)).digest == digest)
    var other = colours
    other[1][60][0] = 10
    #expect(try open(folder(other)).digest != digest)
    other = colours
    other[0].append(other[1].removeLast())
    #expect(try open(folder(other)).digest != digest)
  }

  @Test func whatIsLeftOutIsReported() throws {
    let set = try folder([(0..<4).map { [UInt8($0), 1, 2] }, (0..<6).map { [9, UInt8($0), 7] }])
    var lines: [String] = []
    for index in 1..<6 {
      let path = set.path + "/train/1/\(index).png"
      try Data().write(to: URL(fileURLWithPath: path))
      lines.append("\(path): is empty")
    }
    let opening = try open(set, onBadImage: .skip).opening
    #expect(opening.leftOut == lines && opening.notes == [])
    #expect(
      opening.warnings == [
        "5 of 20 images cannot be decoded and are left out: "
          + lines[..<3].joined(separator: "; ") + "; and others",
        "classes with fewer than 10 training samples: 0 (0), 1 (1)",
      ])
    #expect(try open(set, onBadImage: .skip).labels == [0, 1, 0, 0, 0])
    let failure = #expect(throws: RemoteFailure.self) { try open(set) }
    #expect(failure?.message.hasPrefix(lines[0] + " (this and 4 other images of 20") == true)
    #expect(failure?.exitCode == .badData)
  }

  /// What the system refuses to read is no broken image, and is not left out in silence.
  @Test(.enabled(if: getuid() != 0, "root may read everything"))
  func aFileThatMayNotBeReadStopsTheRun() throws {
    let set = try folder([[[1, 2, 3]], [[4, 5, 6]]])
    try FileManager.default.setAttributes(
      [.posixPermissions: 0], ofItemAtPath: set.path + "/train/0/0.png")
    let failure = #expect(throws: RemoteFailure.self) { try open(set, onBadImage: .skip) }
    #expect(failure?.exitCode == .inputOutput)
  }

  /// A file that goes bad between opening and use ends training and evaluation.
  @Test func whatGoesBadLaterEndsTheRun() throws {
    let set = try folder([(0..<8).map { [UInt8($0), 1, 2] }, (0..<8).map { [9, UInt8($0), 7] }])
    let data = try open(set)
    let session = try session()
    let model = try Model(thinNetwork(data.training), engine: session.engine, seed: 1)
    let recipe = TrainingRecipe(epochs: 1, learningRate: 0.01, schedule: .constant)
    func train() throws {
      try session.train(
        model, on: data.training, .learning(data.allIndices, labels: data.labels), recipe,
        key: StageKey("test"))
    }
    try train()
    _ = try session.accuracy(model, on: data.test)
    for split in ["train", "test"] {
      try FileManager.default.removeItem(atPath: "\(set.path)/\(split)/1/3.png")
    }
    let training = #expect(throws: RemoteFailure.self) { try train() }
    #expect(training?.message == "\(set.path)/train/1/3.png: not found; check the path")
    #expect(training?.exitCode == .badData)
    let evaluation = #expect(throws: RemoteFailure.self) {
      try session.accuracy(model, on: data.test)
    }
    #expect(evaluation?.message == "\(set.path)/test/1/3.png: not found; check the path")
  }
}

import ArgumentParser
import MecaCore
import MecaData
import MecaTraining

extension DatasetKind: ExpressibleByArgument {}
extension ImageFit: ExpressibleByArgument {}
extension BadImagePolicy: ExpressibleByArgument {}
extension ResumePolicy: ExpressibleByArgument {}
extension TrainingRecipe.ScheduleKind: ExpressibleByArgument {}

/// Which images, from where, how many.
struct DataOptions: ParsableArguments {
  @Option(
    help: """
      Image set: shapes (built in), cifar10, cifar100, tiny-imagenet, imagenette, folder (JPEG and \
      PNG files in a folder for each class), npy (NumPy arrays), packed (a file of meca-dist pack), \
      backdoor-toolbox and backdoorbench (poisoned sets of these programs) (default: shapes; score \
      and evaluate: the model's).
      """)
  var dataset: DatasetKind?

  @Option(help: "Folder with the set's files, for packed the file (not for shapes).")
  var data: String?

  @Option(help: "Training samples at most (default: all; shapes: 6000).")
  var trainLimit: Int?

  @Option(help: "Test samples at most (default: all; shapes: 2000).")
  var testLimit: Int?

  @Option(
    help: "Seed of the built-in set's images and of what --test-share holds out (default: --seed).")
  var dataSeed: UInt64?

  @Option(
    help: """
      Rows and columns to bring image files to (default: tiny-imagenet 64, imagenette 224, folder: \
      that of the files, if all have the same). Bench without --dataset: side of random images.
      """)
  var imageSize: Int?

  @Option(
    help: """
      How image files are brought to size: cover (shorter side to the size, middle cut out), margin \
      (shorter side to 8/7 of it, middle cut out), stretch (default: cover; imagenette: margin).
      """)
  var imageFit: ImageFit?

  @Option(
    help: "Image files that cannot be decoded: stop the run, or skip them (default: stop).")
  var onBadImage: BadImagePolicy?

  @Option(
    help: """
      Share of each class to hold out where a folder has no test images, above 0 and below 1 \
      (default: 0.2).
      """)
  var testShare: Double?

  @Option(
    help: """
      backdoor-toolbox: folder with the test images (default: clean_set/NAME/test_split of the \
      toolbox that --data is in).
      """)
  var testData: String?

  @Option(help: "backdoorbench: where the clean images are that the record changes.")
  var baseData: String?

  @Option(
    help: "backdoorbench: how those are read, as for --dataset (default: as the record names it).")
  var baseDataset: DatasetKind?

  @Option(
    help: """
      backdoorbench: label of the poisoned samples, for a record without an attack_result.pt that \
      can be read.
      """)
  var recordTarget: Int?

  /// Checks what no other value decides.
  ///
  /// - Throws: `SettingError`.
  func check() throws {
    for (setting, value) in [("train-limit", trainLimit), ("test-limit", testLimit)] {
      try requireAtLeast(1, value ?? 1, setting)
    }
    try requireBetween(1, Self.largestImages, imageSize ?? 1, "image-size")
    if let testShare, !(testShare > 0 && testShare < 1) {
      throw SettingError(
        setting: "test-share", value: "\(testShare)", allowed: "more than 0 and below 1")
    }
  }

  /// Side of images at most.
  static let largestImages = 1024

  /// Samples of the built-in set at most; 3 GiB of pixels.
  static let mostShapes = 1_000_000

  /// The data of a run.
  ///
  /// - Parameters:
  ///   - seed: the run's, which the built-in set's images take where nothing else is said.
  ///   - stored: a model file, whose set, seed and image size count where no option differs.
  /// - Throws: `SettingError`, `UsageError` that names the option.
  func resolved(seed: UInt64, like stored: StoredModel? = nil) throws -> DataConfiguration {
    try check()
    let dataset = dataset ?? stored?.dataset ?? .shapes
    if dataset == .shapes {
      for (setting, value) in [("train-limit", trainLimit), ("test-limit", testLimit)] {
        guard let value, value > Self.mostShapes else { continue }
        throw SettingError(
          setting: setting, value: "\(value)",
          allowed: "\(Self.mostShapes) at most for shapes, which is made in memory")
      }
      if let data {
        throw UsageError.conflict(
          "--data \(data): shapes is built in and reads no files; say which set this folder holds, "
            + "for example --dataset cifar10")
      }
    }
    try requireUse(of: dataset)
    var resolved = DataConfiguration(
      dataset: dataset, path: data, seed: dataSeed ?? stored?.dataSeed ?? seed,
      trainLimit: trainLimit, testLimit: testLimit)
    resolved.testPath = testData
    resolved.basePath = baseData
    resolved.baseDataset = baseDataset
    resolved.recordTarget = recordTarget
    let kind = kindOfFiles(dataset)
    guard kind.isMadeOfImageFiles else { return resolved }
    resolved.imageSize = imageSize ?? stored?.imageSize ?? kind.usualImageSize
    resolved.imageFit = imageFit ?? stored?.imageFit ?? kind.usualFit
    resolved.onBadImage = onBadImage ?? .stop
    if kind == .folder {
      resolved.testShare = testShare
      resolved.usualTestShare = stored?.testShare
    }
    return resolved
  }

  /// The kind of set whose files are read: of a record of BackdoorBench, the clean set's.
  private func kindOfFiles(_ dataset: DatasetKind) -> DatasetKind {
    dataset == .backdoorBench ? baseDataset ?? dataset : dataset
  }

  /// Refuses options that would change nothing.
  private func requireUse(of dataset: DatasetKind) throws {
    func refuse(_ option: String, _ value: String?, unless isOfUse: Bool, kinds: String) throws {
      guard let value, !isOfUse else { return }
      throw UsageError.conflict(
        "\(option) \(value): is for \(kinds), not for \(dataset.rawValue)")
    }
    let files = DatasetKind.allCases.filter(\.isMadeOfImageFiles).map(\.rawValue)
    for (option, value) in [
      ("--image-size", imageSize.map(String.init)), ("--image-fit", imageFit?.rawValue),
      ("--on-bad-image", onBadImage?.rawValue),
    ] {
      try refuse(
        option, value, unless: kindOfFiles(dataset).isMadeOfImageFiles,
        kinds: "image files (\(files.joined(separator: ", ")))")
    }
    try refuse(
      "--test-share", testShare.map { "\($0)" }, unless: kindOfFiles(dataset) == .folder,
      kinds: "folder")
    try refuse(
      "--data-seed", dataSeed.map { "\($0)" },
      unless: dataset == .shapes || kindOfFiles(dataset) == .folder, kinds: "shapes and folder")
    try refuse(
      "--test-data", testData, unless: dataset == .backdoorToolbox, kinds: "backdoor-toolbox")
    for (option, value) in [
      ("--base-data", baseData), ("--base-dataset", baseDataset?.rawValue),
      ("--record-target", recordTarget.map(String.init)),
    ] {
      try refuse(option, value, unless: dataset == .backdoorBench, kinds: "backdoorbench")
    }
    if let baseDataset, !baseDataset.mayBeChanged {
      throw SettingError(
        setting: "base-dataset", value: baseDataset.rawValue,
        allowed: DatasetKind.allCases.filter(\.mayBeChanged).map(\.rawValue).joined(separator: ", ")
      )
    }
  }
}

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
      PNG files in a folder for each class), npy (NumPy arrays), packed (a file of meca-dist pack) \
      (default: shapes; score and evaluate: the model's).
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

  func validate() throws {
    for (option, value) in [("--train-limit", trainLimit), ("--test-limit", testLimit)] {
      try requireAtLeast(1, value ?? 1, option)
    }
    try requireAtLeast(1, imageSize ?? 1, "--image-size")
    try requireAtMost(Self.largestImages, imageSize ?? 1, "--image-size")
    if let testShare, !(testShare > 0 && testShare < 1) {
      throw ValidationError("--test-share \(testShare): must be more than 0 and below 1")
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
  /// - Throws: `UsageError` that names the option.
  func resolved(seed: UInt64, like stored: StoredModel? = nil) throws -> DataConfiguration {
    let dataset = dataset ?? stored?.dataset ?? .shapes
    if dataset == .shapes {
      for (option, value) in [("--train-limit", trainLimit), ("--test-limit", testLimit)] {
        guard let value, value > Self.mostShapes else { continue }
        throw UsageError.invalidValue(
          option: option, value: "\(value)",
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
    guard dataset.isMadeOfImageFiles else { return resolved }
    resolved.imageSize = imageSize ?? stored?.imageSize ?? dataset.usualImageSize
    resolved.imageFit = imageFit ?? stored?.imageFit ?? dataset.usualFit
    resolved.onBadImage = onBadImage ?? .stop
    if dataset == .folder { resolved.testShare = testShare ?? stored?.testShare }
    return resolved
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
        option, value, unless: dataset.isMadeOfImageFiles,
        kinds: "image files (\(files.joined(separator: ", ")))")
    }
    try refuse(
      "--test-share", testShare.map { "\($0)" }, unless: dataset == .folder, kinds: "folder")
  }
}

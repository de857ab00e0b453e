import MecaCore
import MecaDatasets
import MecaImages
import MecaNN

/// The training samples as a trainer is given them: images, labels, names.
///
/// This is all that a defence sees of the data. What each sample really is (`GroundTruth`) is not in
/// it, nor anything that leads there.
public struct GivenData: Sendable {
  /// The images; out of reach for other modules, since image sets may know their truth.
  let images: any ImageSet
  /// Given label of every sample.
  public let labels: [Int32]

  /// The given side of a data set.
  public init(_ images: any ImageSet, labels: [Int32]) {
    precondition(images.count == labels.count, "\(labels.count) labels of \(images.count) images")
    self.images = images
    self.labels = labels
  }

  /// Samples that a class needs for statistics over its samples to mean anything.
  public static let fewSamples = TrainingData.fewSamples

  /// Number of samples.
  public var count: Int { labels.count }
  /// Names of the classes.
  public var classNames: [String] { images.classNames }
  /// A class for people: its number and its name.
  public func words(ofClass label: Int) -> String { classWords(label, classNames) }
  /// Number of classes.
  public var classCount: Int { images.classNames.count }
  /// Size of every image.
  public var imageShape: ImageShape { images.imageShape }
  /// Indices of all samples.
  public var allIndices: [Int32] { (0..<Int32(count)).map { $0 } }
}

extension TrainingData {
  /// What a defence may see.
  public var given: GivenData { GivenData(training, labels: labels) }
}

extension TrainingSession {
  /// `train` on a run's given samples.
  ///
  /// - Ranks: collective.
  @discardableResult
  public func train(
    _ model: Model, on data: GivenData, _ lesson: Lesson, _ recipe: TrainingRecipe, key: StageKey,
    test: EpochTest? = nil
  ) throws -> EpochSummary {
    try train(model, on: data.images, lesson, recipe, key: key, test: test)
  }

  /// `evaluate` on a run's given samples.
  ///
  /// - Ranks: collective.
  public func judge(
    _ model: Model, on data: GivenData, _ indices: [Int32], labels: [Int32]
  ) throws -> [SampleRecord] {
    try evaluate(model, on: data.images, indices: indices, labels: labels)
  }

  /// `score` on a run's given samples.
  ///
  /// - Ranks: collective.
  public func robustness(
    _ model: Model, on data: GivenData, _ indices: [Int32], labels: [Int32],
    _ perturbation: PerturbationConfiguration, key: StageKey
  ) throws -> [SampleRecord] {
    try score(
      model, on: data.images, indices: indices, labels: labels, perturbation: perturbation,
      key: key)
  }
}

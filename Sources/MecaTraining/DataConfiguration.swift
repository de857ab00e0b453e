/// Which image set a run works on.
public enum DatasetKind: String, Codable, Sendable, CaseIterable {
  /// The built-in procedural set; needs no file.
  case shapes
  /// CIFAR-10 in the binary format.
  case cifar10
  /// CIFAR-100 in the binary format (fine labels).
  case cifar100

  /// Number of classes, where the kind alone fixes it.
  public var classCount: Int? {
    switch self {
    case .shapes, .cifar10: 10
    case .cifar100: 100
    }
  }
}

/// The data of a run.
public struct DataConfiguration: Codable, Hashable, Sendable {
  /// Kind of set.
  public var dataset: DatasetKind
  /// Folder of the files; nil for the built-in set.
  public var path: String?
  /// Seed of the built-in set's images.
  public var seed: UInt64
  /// Training samples at most; nil takes all (the built-in set has 6,000 then).
  public var trainLimit: Int?
  /// Test samples at most; nil takes all (the built-in set has 2,000 then).
  public var testLimit: Int?

  /// All values.
  public init(
    dataset: DatasetKind, path: String?, seed: UInt64, trainLimit: Int?, testLimit: Int?
  ) {
    self.dataset = dataset
    self.path = path
    self.seed = seed
    self.trainLimit = trainLimit
    self.testLimit = testLimit
  }
}

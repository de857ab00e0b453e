import MecaCore

/// CIFAR-10 in the binary format.
public struct CIFAR10Format: DatasetFormat {
  /// What people should know.
  public static let facts = FormatFacts(
    name: "cifar10", sentence: "CIFAR-10, the binary version.",
    source: "https://www.cs.toronto.edu/~kriz/cifar.html",
    place: .folder(with: "the binary files"), mayBeWritten: true, mayBeChanged: true)

  /// None.
  public let settings: NoFormatSettings

  /// Makes it.
  public init(_ settings: NoFormatSettings) { self.settings = settings }

  /// The files, mapped.
  public func open(_ place: DataPlace) throws -> Opening { .sets(try found(.cifar10, place)) }
}

/// CIFAR-100 in the binary format, the fine labels; sets that were written in this format may have
/// more than 100 classes.
public struct CIFAR100Format: DatasetFormat {
  /// What people should know.
  public static let facts = FormatFacts(
    name: "cifar100", sentence: "CIFAR-100, the binary version; the fine labels.",
    source: "https://www.cs.toronto.edu/~kriz/cifar.html",
    place: .folder(with: "the binary files"), mayBeWritten: true, mayBeChanged: true)

  /// None.
  public let settings: NoFormatSettings

  /// Makes it.
  public init(_ settings: NoFormatSettings) { self.settings = settings }

  /// The files, mapped.
  public func open(_ place: DataPlace) throws -> Opening { .sets(try found(.cifar100, place)) }
}

private func found(_ variant: CIFARSet.Variant, _ place: DataPlace) throws -> FoundSets {
  let training = try CIFARSet(
    folder: place.path, variant: variant, split: .train, limit: place.trainLimit)
  var sets = FoundSets(
    training: training,
    test: try CIFARSet(
      folder: place.path, variant: variant, split: .test, limit: place.testLimit))
  let wanted = variant.fileNames(.train).count
  if training.fileCount < wanted, training.count < (place.trainLimit ?? .max) {
    sets.warnings.append(
      "\(training.fileCount) of the \(wanted) training files of \(variant.rawValue) are there")
  }
  return sets
}

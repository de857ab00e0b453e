import Glibc
import MecaCore
import MecaImages

/// A folder of `.npy` pairs: images and labels of training and test, and what is known beside them.
///
/// `train-images.npy`, `train-labels.npy`, `test-images.npy`, `test-labels.npy`, or `x_train.npy`,
/// `y_train.npy`, `x_test.npy`, `y_test.npy`. Beside them, where they are there: `class-names.txt`
/// with a name a line; `train-roles.npy` (0 clean, 1 poison, 2 cover) with
/// `train-original-labels.npy`; `test-triggered-images.npy` with `test-triggered-labels.npy`, the
/// true labels.
public struct NumpyFolder: Sendable {
  /// Samples to learn from.
  public var training: NumpySet
  /// Clean test samples.
  public var test: NumpySet
  /// Test samples with the trigger.
  public var triggered: NumpySet?
  /// The label of the poisoned training samples, where there are any and all have the same.
  public let target: Int?

  /// Opens all files of a folder.
  ///
  /// - Ranks: local.
  /// - Throws: `FileError` that names the file.
  public init(_ folder: String) throws {
    let trainLabels = try readNumpyLabels(Self.labels(of: .train, in: folder))
    let testLabels = try readNumpyLabels(Self.labels(of: .test, in: folder))
    let triggered = folder + "/test-triggered-images.npy"
    let isTriggered = access(triggered, F_OK) == 0
    let triggeredLabels =
      isTriggered ? try readNumpyLabels(folder + "/test-triggered-labels.npy") : []
    let classNames = try Self.classNames(
      in: folder, atLeast: Int((trainLabels + testLabels + triggeredLabels).max() ?? 0) + 1)
    func set(_ path: String, _ labels: [Int32]) throws -> NumpySet {
      try NumpySet(
        name: "npy", images: try NumpyFile(path: path), labels: labels, classNames: classNames)
    }
    training = try set(Self.images(of: .train, in: folder), trainLabels)
    test = try set(Self.images(of: .test, in: folder), testLabels)
    self.triggered = isTriggered ? try set(triggered, triggeredLabels) : nil
    if triggeredLabels.count > testLabels.count {
      throw FileError.malformed(
        path: triggered,
        reason: "has \(triggeredLabels.count) images for \(testLabels.count) test images; of each "
          + "test image there can be one with the trigger")
    }
    for other in [test, self.triggered].compactMap({ $0 })
    where other.imageShape != training.imageShape {
      let (own, first) = (other.imageShape, training.imageShape)
      throw FileError.malformed(
        path: other.filePath,
        reason: "has images of \(own.height)x\(own.width) pixels, those of training are "
          + "\(first.height)x\(first.width)")
    }
    let truth = try Self.truth(in: folder, labels: trainLabels, classCount: classNames.count)
    target = truth?.target
    training.groundTruth = truth?.truth
    if isTriggered && target == nil {
      throw FileError.malformed(
        path: triggered,
        reason: "the class that the triggers lead to is not known: add train-roles.npy and "
          + "train-original-labels.npy, whose poisoned samples tell it")
    }
  }

  private static func images(of split: Split, in folder: String) throws -> String {
    let schemes = names(of: split)
    // Of a folder with files of both namings nobody can tell which belong together.
    let own = schemes.flatMap { $0.filter { access(folder + "/" + $0, F_OK) == 0 } }
    if let first = own.first(where: schemes[0].contains),
      let other = own.first(where: schemes[1].contains)
    {
      throw FileError.malformed(
        path: folder,
        reason:
          "holds \(first) and \(other), which are names for the same part of a set; remove the "
          + "files of one naming")
    }
    return try file(schemes.map { $0[0] }, in: folder)
  }

  private static func labels(of split: Split, in folder: String) throws -> String {
    try file(names(of: split).map { $0[1] }, in: folder)
  }

  /// The names of images and labels, in each way of naming them.
  private static func names(of split: Split) -> [[String]] {
    [
      [split.rawValue + "-images.npy", split.rawValue + "-labels.npy"],
      ["x_\(split.rawValue).npy", "y_\(split.rawValue).npy"],
    ]
  }

  /// The first of some names that is there.
  private static func file(_ names: [String], in folder: String) throws -> String {
    let paths = names.map { folder + "/" + $0 }
    guard let path = paths.first(where: { access($0, F_OK) == 0 }) else {
      throw FileError.missing(
        path: paths[0], hint: "npy wants \(names.joined(separator: " or ")) there")
    }
    return path
  }

  /// Names of `class-names.txt`, or `class 0` and so on.
  private static func classNames(in folder: String, atLeast count: Int) throws -> [String] {
    let path = folder + "/class-names.txt"
    guard access(path, F_OK) == 0 else { return (0..<count).map { "class \($0)" } }
    let text = try readText(at: path)
    let names = text.split(whereSeparator: \.isNewline).map(String.init)
    guard names.count >= count, names.count <= SetFacts.mostClasses else {
      throw FileError.malformed(
        path: path,
        reason: "has \(names.count) class names, the labels need \(count) or more, "
          + "\(SetFacts.mostClasses) at most")
    }
    return names
  }

  /// Roles and original labels of all training samples, and the label that all poisons share.
  private static func truth(
    in folder: String, labels: [Int32], classCount: Int
  ) throws -> (truth: GroundTruth, target: Int?)? {
    let path = folder + "/train-roles.npy"
    guard access(path, F_OK) == 0 else { return nil }
    let roles = try NumpyFile(path: path).integers().enumerated().map { index, number in
      guard let role = SampleRole(rawValue: UInt8(clamping: number)), number >= 0 else {
        throw FileError.malformed(
          path: path, reason: "role \(index) is \(number); 0 is clean, 1 poison, 2 cover")
      }
      return role
    }
    let originalsPath = folder + "/train-original-labels.npy"
    let originals = try readNumpyLabels(originalsPath, mostClasses: classCount)
    for (own, count) in [(path, roles.count), (originalsPath, originals.count)]
    where count != labels.count {
      throw FileError.malformed(
        path: own, reason: "has \(count) elements for \(labels.count) training samples")
    }
    if let index = roles.indices.first(where: {
      roles[$0] != .poison && originals[$0] != labels[$0]
    }) {
      throw FileError.malformed(
        path: originalsPath,
        reason: "label \(index) is \(originals[index]), but the sample is no poison and has the "
          + "label \(labels[index])")
    }
    let targets = Set(roles.indices.filter { roles[$0] == .poison }.map { labels[$0] })
    return (
      GroundTruth(roles: roles, originalLabels: originals),
      targets.count == 1 ? targets.first.map(Int.init) : nil
    )
  }
}

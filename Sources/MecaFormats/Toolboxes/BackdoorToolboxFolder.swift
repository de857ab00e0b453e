import Glibc
import MecaCore
import MecaImages
import MecaTorchFiles

/// A poisoned training set of backdoor-toolbox and the clean test split that belongs to it.
///
/// The training folder has `imgs` (or `data`, see ``BackdoorToolboxSet``), `labels`,
/// `poison_indices` and, of attacks that have them, `cover_indices`; all are files of `torch.save`,
/// read without running anything (``TorchFile``). A file NAME.npy, which the user has made of one that
/// is refused, goes before NAME. The test split has `data` and `labels` (`clean_labels` of the clean split).
///
/// What samples were before the attack is not in these files. `groundTruth` has the given label in
/// place of the original one: right for clean and cover samples and for attacks that leave labels
/// alone, a stand-in for others' poisons. Triggers are put in by the toolbox itself when it tests, so
/// that there are no triggered test images.
///
/// - Ranks: local; the same files give the same set everywhere.
/// - Source: https://github.com/vtu81/backdoor-toolbox, `create_poisoned_set.py`,
///   `create_clean_set.py`, `utils/tools.py`.
public struct BackdoorToolboxFolder: Sendable {
  /// Samples to learn from.
  public var training: BackdoorToolboxSet
  /// Clean test samples.
  public var test: BackdoorToolboxSet
  /// The label of the poisoned samples, where all have the same.
  public let target: Int?
  /// The toolbox's name of the data set that was poisoned: the folder around the training folder.
  public let origin: String

  /// Opens both splits.
  ///
  /// - Parameters:
  ///   - folder: `…/poisoned_train_set/DATASET/ATTACK`.
  ///   - testFolder: the test split; nil for `…/clean_set/DATASET/test_split`.
  /// - Throws: `FileError` that names the file: missing, refused, of another shape, a label or an
  ///   index out of range.
  public init(_ folder: String, testFolder: String? = nil) throws {
    // ROOT / poisoned_train_set / DATASET / ATTACK
    let parts = realPath(folder).split(separator: "/")
    origin = parts.dropLast().last.map(String.init) ?? ""
    let root = parts.dropLast(3).map { "/" + $0 }.joined()
    let tests = testFolder ?? "\(root)/clean_set/\(origin)/test_split"
    guard isThere(tests) else {
      throw FileError.missing(
        path: tests,
        hint:
          "the toolbox's test split is a folder with data and labels; name it by the setting test-data"
      )
    }
    let trainLabels = try readLabels(["labels"], in: folder)
    let testLabels = try readLabels(["labels", "clean_labels"], in: tests)
    let classCount = Int((trainLabels + testLabels).max() ?? 0) + 1
    training = try BackdoorToolboxSet(
      folder: folder, labels: trainLabels, classCount: max(2, classCount))
    test = try BackdoorToolboxSet(
      folder: tests, labels: testLabels, classCount: max(2, classCount))
    guard training.imageShape == test.imageShape else {
      let (own, other) = (test.imageShape, training.imageShape)
      throw FileError.malformed(
        path: tests,
        reason: "has images of \(own.height)x\(own.width) pixels, those of training have "
          + "\(other.height)x\(other.width)")
    }
    let truth = try readTruth(in: folder, labels: trainLabels)
    target = truth?.target
    training.groundTruth = truth.map { GroundTruth(roles: $0.roles, originalLabels: trainLabels) }
    if let usual = usualNormalisation[origin] {
      training.meanAndDeviation = usual
      test.meanAndDeviation = usual
    }
  }

  /// Whether the constants of the data set in general use are set; else they should be measured.
  public var hasUsualNormalisation: Bool { usualNormalisation[origin] != nil }
}

/// Constants that the toolbox normalises its data sets with.
private let usualNormalisation: [String: (mean: [Float], standardDeviation: [Float])] = [
  "cifar10": ([0.4914, 0.4822, 0.4465], [0.247, 0.243, 0.261]),
  "gtsrb": ([0.3337, 0.3064, 0.3171], [0.2672, 0.2564, 0.2629]),
  "imagenette": ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]),
]

/// The labels of a folder: integers [N] or [N, 1].
private func readLabels(_ names: [String], in folder: String) throws -> [Int32] {
  guard let path = names.map({ folder + "/" + $0 }).first(where: isPresent) else {
    throw FileError.missing(
      path: folder + "/" + names[0],
      hint: "a set of backdoor-toolbox has its labels there; is this the folder of one attack?")
  }
  let labels = try readIntegers(path, "the labels")
  guard !labels.isEmpty else { throw FileError.malformed(path: path, reason: "has no labels") }
  return try labels.enumerated().map { index, label in
    guard (0..<SetFacts.mostClasses).contains(label) else {
      throw FileError.malformed(
        path: path,
        reason: "label \(index) is \(label); labels go from 0 to \(SetFacts.mostClasses - 1)")
    }
    return Int32(label)
  }
}

/// Roles of all samples and the label that all poisons share; nil without `poison_indices`.
private func readTruth(
  in folder: String, labels: [Int32]
) throws -> (roles: [SampleRole], target: Int?)? {
  guard isPresent(folder + "/poison_indices") else { return nil }
  var roles = [SampleRole](repeating: .clean, count: labels.count)
  for (name, role) in [("poison_indices", SampleRole.poison), ("cover_indices", .cover)] {
    let path = folder + "/" + name
    guard role == .poison || isPresent(path) else { continue }
    for index in try readIntegers(path, "the indices") {
      guard roles.indices.contains(index) else {
        throw FileError.malformed(
          path: path, reason: "names sample \(index), the set has \(labels.count)")
      }
      guard roles[index] == .clean || roles[index] == role else {
        throw FileError.malformed(path: path, reason: "sample \(index) is in poison_indices too")
      }
      roles[index] = role
    }
  }
  let targets = Set(roles.indices.filter { roles[$0] == .poison }.map { labels[$0] })
  return (roles, targets.count == 1 ? targets.first.map(Int.init) : nil)
}

/// Whether there is a file of this path, or one of NumPy in its place.
private func isPresent(_ path: String) -> Bool { isThere(path) || isThere(path + ".npy") }

/// The integers that a file of `torch.save` is, or the one of NumPy in its place.
private func readIntegers(_ path: String, _ what: String) throws -> [Int] {
  if isThere(path + ".npy") { return try NumpyFile(path: path + ".npy").integers() }
  let file = try TorchFile(path: path)
  return try file.integers(file.contents.root, what)
}

/// Whether anything has this path.
func isThere(_ path: String) -> Bool { access(path, F_OK) == 0 }

import MecaCore
import MecaImages
import MecaTorchFiles

/// What a record folder of BackdoorBench says of the samples that an attack has changed.
///
/// `bd_train_dataset` and `bd_test_dataset` hold the changed samples as CLASS/NUMBER.png, by class
/// and number in the clean data set; the samples that are as they were are not there. The labels
/// that they were given are in `attack_result.pt`, read without running anything (``TorchFile``).
/// Where that file is not there or not read, a target that the user names is the label of all.
///
/// - Ranks: local.
/// - Source: https://github.com/SCLBD/BackdoorBench, version 2: `utils/save_load_attack.py`,
///   `utils/bd_dataset_v2.py`, `attack/wanet.py`.
public struct BackdoorBenchRecord: Sendable {
  /// One changed training sample.
  struct Change: Sendable {
    var picture: PictureTree.Picture
    /// The label that a victim is given.
    var label: Int
    /// Poison, or a sample that has kept its label so as to hide the others.
    var role: SampleRole
  }

  /// The record's folder.
  public let folder: String
  /// BackdoorBench's name of the clean data set, where `attack_result.pt` was read: `cifar10`.
  public let origin: String?
  /// Number of its classes, where `attack_result.pt` was read.
  public let classCount: Int?
  /// The label that the attack leads to; nil where it has several (all-to-all).
  public internal(set) var target: Int?
  /// The changed training samples by ascending number.
  var changes: [Change]
  /// The triggered test samples by ascending number; empty where there is no `bd_test_dataset`.
  var tests: [PictureTree.Picture]

  /// Samples that keep the target's own label beside others that keep theirs: covers, most of them,
  /// but the record does not tell.
  public var ambiguousCount: Int {
    changes.count { $0.role == .cover && $0.label == target && $0.picture.label == target }
  }

  /// Number of poisoned training samples.
  public var poisonCount: Int { changes.count { $0.role == .poison } }

  /// Reads both trees and what is known of their labels.
  ///
  /// - Parameter target: label of all poisons, for a record without a readable `attack_result.pt`.
  /// - Throws: `FileError` that names the file (an `attack_result.pt` that is not read is none with a
  ///   `target`); `UsageError` for a `target` that is not the record's.
  public init(_ folder: String, target: Int? = nil) throws {
    self.folder = folder
    let trainFolder = folder + "/bd_train_dataset"
    guard isThere(trainFolder) else {
      throw FileError.missing(
        path: trainFolder,
        hint: "a record of BackdoorBench has it; attacks that control the training "
          + "(blind, lira, trojannn) leave no poisoned set")
    }
    let train = try PictureTree(trainFolder).pictures
    let testFolder = folder + "/bd_test_dataset"
    tests = isThere(testFolder) ? try PictureTree(testFolder).pictures : []
    let path = folder + "/attack_result.pt"
    let result: AttackResult
    do {
      result = try AttackResult(path)
    } catch let error as FileError {
      guard let target else { throw labelsNotKnown(error, path) }
      let indicator = try readIndicator(folder + "/train_poison_index_list.pickle")
      guard indicator != nil || !isThere(folder + "/cross_test_dataset") else {
        throw FileError.malformed(
          path: path,
          reason: "cannot tell poisons from the samples of this attack that keep their label, and "
            + "--record-target cannot either: \(reason(of: error, path))")
      }
      changes = train.map { picture in
        let isPoison =
          indicator.map { $0.indices.contains(picture.index) && $0[picture.index] } ?? true
        return Change(
          picture: picture, label: isPoison ? target : picture.label,
          role: isPoison ? .poison : .cover)
      }
      self.target = target
      origin = nil
      classCount = nil
      return
    }
    let labels = try result.labels(of: train)
    let common = commonTarget(of: train, labels)
    if let target, target != common {
      throw UsageError.conflict(
        "--record-target \(target): the poisoned samples of \(path) have "
          + (common.map { "the label \($0)" } ?? "several labels"))
    }
    // Samples that keep another label than the target hide the others; of those that keep the
    // target itself, most do too.
    let hasCovers = zip(train, labels).contains { $0.label == $1 && $1 != common }
    changes = zip(train, labels).map { picture, label in
      let isPoison = label != picture.label || (label == common && !hasCovers)
      return Change(picture: picture, label: label, role: isPoison ? .poison : .cover)
    }
    self.target = common
    origin = result.origin
    classCount = result.classCount
  }
}

/// The error for a record whose `attack_result.pt` is missing or refused for the reason `error`.
private func labelsNotKnown(_ error: FileError, _ path: String) -> FileError {
  .malformed(
    path: path,
    reason: "cannot tell the labels of the poisoned samples; give them with --record-target CLASS, "
      + "or: \(reason(of: error, path))")
}

/// What an error says of `path`, without it.
private func reason(of error: FileError, _ path: String) -> Substring {
  "\(error)".dropFirst("\(error)".hasPrefix(path + ": ") ? path.count + 2 : 0)
}

/// The label that the changed labels have in common: of those that differ from the original, or of
/// all where none does (clean-label attacks); nil for several.
private func commonTarget(of pictures: [PictureTree.Picture], _ labels: [Int]) -> Int? {
  let changed = zip(pictures, labels).filter { $0.0.label != $0.1 }.map(\.1)
  let targets = Set(changed.isEmpty ? labels : changed)
  return targets.count == 1 ? targets.first : nil
}

/// Which samples were poisoned, a number for each sample, 1 for those; nil where there is no file.
private func readIndicator(_ path: String) throws -> [Bool]? {
  guard isThere(path) else { return nil }
  let file = try TorchFile(path: path)
  return try file.integers(file.contents.root, "the list of poisoned samples").map { $0 == 1 }
}

/// What is needed of `attack_result.pt`.
private struct AttackResult {
  let path: String
  let file: TorchFile
  let origin: String?
  let classCount: Int?
  /// Given and original label of each changed training sample.
  private let labels: [Int: (given: Int, original: Int)]

  init(_ path: String) throws {
    self.path = path
    file = try TorchFile(path: path, purpose: .record)
    let contents = file.contents
    func entry(_ key: String, _ value: PickleValue?) -> PickleValue? {
      value.flatMap { contents.entry(key, of: $0) }
    }
    origin = entry("clean_data", contents.root).flatMap(contents.text).map { shortened($0) }
    classCount = entry("num_classes", contents.root).flatMap(wholeNumber)
    let state = entry("bd_train", contents.root)
    guard state != nil, state != PickleValue.none else {
      throw FileError.malformed(path: path, reason: "has no bd_train")
    }
    guard let samples = entry("data_dict", entry("bd_data_container", state)),
      let pairs = contents.pairs(samples)
    else {
      throw FileError.malformed(
        path: path, reason: "its bd_train is not laid out as BackdoorBench 2 does")
    }
    var labels: [Int: (given: Int, original: Int)] = [:]
    for (key, value) in pairs {
      // Two entries; a long one that all samples share would be searched for each of them.
      guard let index = wholeNumber(key), (contents.pairs(value)?.count ?? 0) <= 16,
        let info = entry("other_info", value).flatMap(contents.members), info.count >= 2,
        let given = wholeNumber(info[0]), let original = wholeNumber(info[1])
      else {
        throw FileError.malformed(
          path: path, reason: "its bd_train has a sample without number and two labels")
      }
      labels[index] = (given, original)
    }
    self.labels = labels
  }

  /// The given labels of all pictures; each must be known, under the class of its folder.
  func labels(of pictures: [PictureTree.Picture]) throws -> [Int] {
    let found = try pictures.map { picture in
      guard let known = labels[picture.index] else {
        throw FileError.malformed(
          path: picture.path, reason: "is not among the samples of attack_result.pt")
      }
      guard known.original == picture.label, known.given >= 0 else {
        throw FileError.malformed(
          path: picture.path,
          reason: "is of class \(known.original) by attack_result.pt, and given the label "
            + "\(known.given)")
      }
      return known.given
    }
    guard labels.count == pictures.count else {
      throw FileError.malformed(
        path: path,
        reason:
          "has \(labels.count) changed samples, bd_train_dataset has \(pictures.count) pictures")
    }
    return found
  }
}

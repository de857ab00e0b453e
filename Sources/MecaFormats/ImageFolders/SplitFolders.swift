import MecaCore

/// What the folders in a data set's folder are to be taken for.
public enum SplitChoice: Hashable, Sendable, Codable {
  /// What their names say.
  case usualNames
  /// Classes, whatever their names.
  case none
  /// The folder of training images, and that of test images where there is one.
  case folders(train: String, test: String?)

  /// What a text says: `auto`, `none`, `TRAIN` or `TRAIN,TEST`; nil for anything else.
  public init?(_ text: String) {
    let names = text.split(separator: ",", omittingEmptySubsequences: false).map { trimmed($0) }
    guard names.count <= 2, Set(names).count == names.count,
      names.allSatisfy({ !$0.isEmpty && !$0.contains("/") && $0 != ".." })
    else { return nil }
    switch text {
    case "auto": self = .usualNames
    case "none": self = .none
    default: self = .folders(train: names[0], test: names.count == 2 ? names[1] : nil)
    }
  }

  /// As it is written.
  public var text: String {
    switch self {
    case .usualNames: "auto"
    case .none: "none"
    case .folders(let train, let test): train + (test.map { "," + $0 } ?? "")
    }
  }
}

/// A part of a set, as folders are usually called.
private enum SplitRole: CaseIterable {
  case train, validation, test

  /// The part that a folder of this name usually holds; nil for any other name.
  ///
  /// Upper and lower case are the same, and what people put behind the word is left out: `Train`,
  /// `train_set`, `Training data`, `test-images`.
  init?(_ name: some StringProtocol) {
    var word = name.lowercased().filter(\.isLetter)
    let endings = ["images", "data", "split", "set"]
    while let ending = endings.first(where: { word.count > $0.count && word.hasSuffix($0) }) {
      word.removeLast(ending.count)
    }
    switch word {
    case "train", "training", "trn": self = .train
    case "val", "valid", "validation", "dev", "devel", "development": self = .validation
    case "test", "testing", "tst", "eval", "evaluation": self = .test
    default: return nil
    }
  }
}

/// What the folders below a data set's folder are: classes, or splits that hold the classes.
struct SplitFolders {
  /// The folder of training images; empty where the classes lie in the data set's folder itself.
  var train: [UInt8] = []
  /// The folder of test images; nil where there is none.
  var test: [UInt8]?
  /// What a person must know of how they were read.
  var warnings: [String] = []

  /// Reads the names of the folders in `root`.
  ///
  /// A folder is a split if it has a split's usual name and holds folders itself. Names such as
  /// `birds_train` and `birds_test` are usual where there are two of them. Any other folder is a
  /// class. Of a test and a validation folder the first is taken. Where a split holds nothing but one
  /// folder that holds folders, that one is meant.
  ///
  /// - Throws: `FileError` where two folders claim to be the same part, or there are test images but no
  ///   training images; `MissingSetting` where folders of other names hold the same folders, so that
  ///   nobody can tell whether they are splits or classes; `SettingError` for a chosen folder that is
  ///   not there.
  init(in root: [UInt8], choice: SplitChoice, walk: inout ImageWalk) throws {
    let found = SubfolderNames(of: root, walk: &walk, try walk.folders(in: root))
    switch choice {
    case .none: break
    case .folders(let train, let test):
      self.train = try found.chosen(train, choice)
      self.test = try test.map { try found.chosen($0, choice) }
    case .usualNames: try takeUsualNames(found)
    }
    guard !train.isEmpty else { return }
    let unused = found.names.filter { $0 != train && $0 != test }
    if !unused.isEmpty {
      warnings.append(
        "\(found.place): \(nameList([train])) is the training set"
          + (test.map { ", \(nameList([$0])) the test set" } ?? "") + "; not used: "
          + nameList(unused))
    }
    train = walk.innermost(train, in: root)
    test = test.map { walk.innermost($0, in: root) }
  }

  private mutating func takeUsualNames(_ found: SubfolderNames) throws {
    let roles = found.roles
    for role in SplitRole.allCases {
      let claiming = found.names.filter { roles[$0] == role }
      guard claiming.count > 1 else { continue }
      throw FileError.malformed(
        path: found.place,
        reason:
          "holds \(nameList(claiming)), which are names for the same part of a set; rename or "
          + "remove all but one, or choose by the setting splits")
    }
    guard let train = found.names.first(where: { roles[$0] == .train }) else {
      if !roles.isEmpty, roles.count == found.names.count {
        throw FileError.malformed(
          path: found.place,
          reason: "holds \(nameList(found.names)), but no folder of training images (train)")
      }
      if let (folders, shared) = found.alikeFolders {
        throw MissingSetting(
          setting: "splits",
          problem: "the folders \(nameList(folders)) in \(found.place) hold the same folders "
            + "(\(nameList(shared))): say TRAIN,TEST for the two that are training and test set, or "
            + "none if they are classes")
      }
      let flat = found.names.filter { SplitRole(String(decoding: $0, as: UTF8.self)) != nil }
      guard Set(flat.compactMap { SplitRole(String(decoding: $0, as: UTF8.self)) }).count > 1 else {
        return
      }
      throw MissingSetting(
        setting: "splits",
        problem: "\(nameList(flat)) in \(found.place) are names of splits, but hold no class "
          + "folders: sort the images into train/CLASS, or say none if these are the classes")
    }
    self.train = train
    // A test folder without labels, as some archives have it, shares no class with the training set.
    let classes = Set(found.inner[train] ?? [])
    let candidates = [SplitRole.test, .validation].compactMap { role in
      found.names.first { roles[$0] == role }
    }
    test =
      candidates.first { name in found.inner[name]?.contains(where: classes.contains) == true }
      ?? candidates.first
  }
}

/// The folders in a folder, and the names of those in them.
private struct SubfolderNames {
  let place: String
  let names: [[UInt8]]
  var inner: [[UInt8]: [[UInt8]]] = [:]

  init(of root: [UInt8], walk: inout ImageWalk, _ names: [[UInt8]]) {
    (place, self.names) = (printable(root), names)
    for name in names { inner[name] = walk.peek(into: root + [0x2F] + name) }
  }

  /// The folders with a split's usual name.
  var roles: [[UInt8]: SplitRole] {
    let holding = names.filter { inner[$0]?.isEmpty == false }
    var roles: [[UInt8]: SplitRole] = [:]
    for name in holding { roles[name] = SplitRole(String(decoding: name, as: UTF8.self)) }
    if !roles.isEmpty { return roles }
    // birds_train and birds_test: the same words before two parts.
    var marked: [String: [(name: [UInt8], role: SplitRole)]] = [:]
    for name in holding {
      let text = String(decoding: name, as: UTF8.self)
      guard let end = text.lastIndex(where: { "_- .".contains($0) }),
        let role = SplitRole(text[text.index(after: end)...])
      else { continue }
      marked[String(text[..<end]), default: []].append((name, role))
    }
    guard let (_, pair) = marked.first, marked.count == 1,
      pair.contains(where: { $0.role == .train }),
      pair.count > 1
    else { return [:] }
    return Dictionary(uniqueKeysWithValues: pair.map { ($0.name, $0.role) })
  }

  /// Folders that hold folders of the same names, two names or more in two of them, and those names.
  var alikeFolders: (folders: [[UInt8]], shared: [[UInt8]])? {
    let full = names.filter { (inner[$0] ?? []).count > 1 }
    for (place, first) in full.enumerated() {
      let own = Set(inner[first] ?? [])
      for second in full[(place + 1)...] {
        let shared = (inner[second] ?? []).filter(own.contains)
        guard shared.count > 1 else { continue }
        let holders = names.filter { inner[$0]?.contains(where: shared.contains) == true }
        return (holders, shared)
      }
    }
    return nil
  }

  /// A folder that somebody has chosen.
  func chosen(_ name: String, _ choice: SplitChoice) throws -> [UInt8] {
    let own = names.first { String(decoding: $0, as: UTF8.self) == name }
    guard let own else {
      throw SettingError(
        setting: "splits", value: choice.text,
        allowed: "folders in \(place), which holds \(nameList(names))")
    }
    return own
  }
}

extension ImageWalk {
  /// A split's folder; where it holds nothing but one folder of folders, that one, and so on.
  fileprivate func innermost(_ split: [UInt8], in root: [UInt8]) -> [UInt8] {
    var (split, depth) = (split, 0)
    while depth < 8 {
      let path = root + [0x2F] + split
      let names = peek(into: path)
      guard names.count == 1, !peek(into: path + [0x2F] + names[0]).isEmpty else { break }
      (split, depth) = (split + [0x2F] + names[0], depth + 1)
    }
    return split
  }
}

/// Names for an error or a warning; the first few of many.
private func nameList(_ names: [[UInt8]]) -> String {
  names.prefix(6).map { printable($0) }.joined(separator: ", ")
    + (names.count > 6 ? " and \(names.count - 6) others" : "")
}

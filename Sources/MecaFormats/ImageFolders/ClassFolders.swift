import MecaCore

/// Lists a set whose classes are folders of images: the format `folder`.
///
/// Two layouts: `FOLDER/train/CLASS/…` with `FOLDER/test/CLASS/…` (or a validation folder), under
/// the names that people give to splits (`SplitFolders`), or `FOLDER/CLASS/…` alone. In the second,
/// and in the first without test images, a part of each class becomes the test set. Classes are
/// sorted by name, files by path, both bytewise; folders below a class are taken too. Names that
/// begin with a point are ignored, links followed.
///
/// - Ranks: local; the same folder gives the same lists everywhere.
/// - Parameters:
///   - part: what to hold out where the folder has no test images.
///   - testShareIsGiven: whether the user asked for a share, which is an error where the folder has
///     test images.
///   - choice: which folders are splits.
///   - isWhole: whether a folder without test images is taken whole, for training and test set alike.
///   - record: what a model's run has held out; of that run's folder the same part is held out again.
/// - Throws: `FileError` for a folder that is missing or holds fewer than two classes, for a class
///   without images, for a test class that the training images lack; `SettingError` for a share
///   where the folder has test images; `MissingSetting` where folders may be splits or classes.
public func listClassFolders(
  _ folder: String, part: HeldOutPart, testShareIsGiven: Bool = false,
  splits choice: SplitChoice = .usualNames, isWhole: Bool = false, record: HeldOutRecord? = nil
) throws -> ImageFileSplits {
  let root = Array(folder.utf8)
  guard isFolder(root) else {
    throw status(of: root) == nil
      ? FileError.missing(path: folder, hint: "the set's folder is the one with class folders")
      : FileError.malformed(
        path: folder, reason: "is a file; a folder with class folders is wanted")
  }
  var walk = ImageWalk()
  let splits = try SplitFolders(in: root, choice: choice, walk: &walk)
  let training = try ClassTree(root, splits.train, walk: &walk)
  try training.requireClasses()
  var lists: ImageFileSplits
  if let test = splits.test {
    if testShareIsGiven {
      throw SettingError(
        setting: "test-share", value: "\(part.share)",
        allowed: "left out: \(folder)/\(printable(test)) holds the test images")
    }
    lists = ImageFileSplits(
      train: training.list, test: try ClassTree(root, test, walk: &walk).matched(to: training))
  } else if let record, !testShareIsGiven, record.isSet(of: training.list) {
    lists = try training.heldOut(record.part)
    lists.notes.append(
      "\(folder) is what the model was trained on: what its run held out is the test set")
    if HeldOutRecord.digest(of: lists.test) != record.digest {
      lists.warnings.append(
        "files have come or gone since: \(lists.test.count) images are held out, \(record.count) "
          + "were")
    }
  } else if isWhole && !testShareIsGiven {
    lists = ImageFileSplits(train: training.list, test: training.list)
    lists.isWhole = true
    lists.notes.append("\(folder) has no splits and is taken whole")
  } else {
    lists = try training.heldOut(part)
  }
  lists.notes += walk.notes
  lists.warnings += splits.warnings + walk.warnings
  return lists
}

/// Folders with the images of one class each.
struct ClassTree {
  /// The data set's folder.
  let root: [UInt8]
  /// The folder in it that the class folders are in; empty for itself.
  let split: [UInt8]
  /// Names of the class folders, sorted bytewise.
  let names: [[UInt8]]
  /// Each class's images, relative to `root`, sorted bytewise.
  let files: [[[UInt8]]]
  /// Each class's images of kinds that are not read: `3 .bmp`.
  let others: [[String]]

  init(_ root: [UInt8], _ split: [UInt8], walk: inout ImageWalk) throws {
    let prefix = split.isEmpty ? [] : split + [0x2F]
    let names = try walk.folders(in: split.isEmpty ? root : root + [0x2F] + split)
    var files: [[[UInt8]]] = []
    for name in names {
      let own = try walk.images(
        below: root + [0x2F] + prefix + name,
        className: String(decoding: prefix + name, as: UTF8.self))
      files.append(own.map { prefix + name + [0x2F] + $0 })
    }
    (self.root, self.split, self.names, self.files) = (root, split, names, files)
    let seen = walk.otherImages
    others = names.map { name in
      (seen[String(decoding: prefix + name, as: UTF8.self)] ?? [:]).sorted { $0.key < $1.key }
        .map { "\($1) .\($0)" }
    }
  }

  /// The folder of the class folders, or one of them, for errors.
  func path(_ name: [UInt8] = []) -> String {
    printable(root + (split.isEmpty ? [] : [0x2F] + split) + (name.isEmpty ? [] : [0x2F] + name))
  }

  /// Checks that there are two classes or more, and images in each.
  func requireClasses() throws {
    guard names.count > 1 else {
      throw FileError.malformed(
        path: path(),
        reason: (names.isEmpty ? "holds no class folder" : "holds one class folder alone")
          + "; images must lie in FOLDER/CLASS/ or FOLDER/train/CLASS/, for two classes or more")
    }
    var seen: Set<String> = []
    if let twin = names.first(where: { !seen.insert(String(decoding: $0, as: UTF8.self)).inserted })
    {
      throw FileError.malformed(
        path: path(twin),
        reason: "is the second class folder of this name, which only differs in how it is written "
          + "(Unicode forms, or bytes that are no UTF-8); rename one")
    }
    if let empty = files.firstIndex(where: \.isEmpty) {
      throw FileError.malformed(
        path: path(names[empty]),
        reason: "holds no image file (\(imageEndings))"
          + (others[empty].isEmpty ? "" : ", but \(others[empty].joined(separator: ", "))")
          + "; add images of this class, or remove the folder")
    }
  }

  /// All images under the given class names, the folders' own by default.
  func list(classNames: [String]) -> ImageFileList {
    ImageFileList(
      root: String(decoding: root, as: UTF8.self), classNames: classNames, files: files)
  }

  /// All images.
  var list: ImageFileList { list(classNames: ownNames) }

  private var ownNames: [String] { names.map { String(decoding: $0, as: UTF8.self) } }

  /// These images as the test set of `training`, whose classes they take.
  ///
  /// Folders are matched by their names; two that differ only in how Unicode writes an accent are
  /// the same.
  ///
  /// - Throws: `FileError.malformed` for a class that `training` lacks, and without any image.
  func matched(to training: ClassTree, classNames: [String]? = nil) throws -> ImageFileList {
    var files = [[[UInt8]]](repeating: [], count: training.names.count)
    for (place, (name, own)) in zip(names, self.files).enumerated() {
      let label =
        training.names.firstIndex(of: name) ?? training.ownNames.firstIndex(of: ownNames[place])
      guard let label else {
        throw FileError.malformed(
          path: path(name),
          reason: "is a class that \(training.path()) does not have; remove it, or add its images "
            + "there")
      }
      files[label] += own
    }
    guard files.contains(where: { !$0.isEmpty }) else {
      throw FileError.malformed(path: path(), reason: "holds no image file (\(imageEndings))")
    }
    return ImageFileList(
      root: training.list.root, classNames: classNames ?? training.ownNames, files: files)
  }

  /// The images in two parts.
  ///
  /// - Throws: `FileError` if no class has enough images for both.
  func heldOut(_ part: HeldOutPart) throws -> ImageFileSplits {
    var (kept, out) = ([[[UInt8]]](), [[[UInt8]]]())
    for own in files {
      let isOut = part.membership(of: own)
      kept.append(own.indices.filter { !isOut[$0] }.map { own[$0] })
      out.append(own.indices.filter { isOut[$0] }.map { own[$0] })
    }
    let root = String(decoding: root, as: UTF8.self)
    let test = ImageFileList(root: root, classNames: ownNames, files: out)
    guard test.count > 0 else {
      throw FileError.malformed(
        path: path(),
        reason:
          "has too few images of each class to hold out a test set; add some, or a test folder"
      )
    }
    var lists = ImageFileSplits(
      train: ImageFileList(root: root, classNames: ownNames, files: kept), test: test)
    lists.heldOut = part
    lists.notes.append(
      "\(test.count) of \(test.count + lists.train.count) images are held out as the test set, by "
        + "their names: which they are stays so when files come and go")
    return lists
  }
}

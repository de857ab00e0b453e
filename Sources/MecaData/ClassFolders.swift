import MecaCore

/// Lists a set whose classes are folders of images: the kind `folder`.
///
/// Two layouts: `FOLDER/train/CLASS/…` with `FOLDER/test/CLASS/…` (or `val`), or `FOLDER/CLASS/…`
/// alone. In the second, and in the first without a test folder, a part of each class becomes the
/// test set. `FOLDER/train` is a split if it holds folders; otherwise it is a class of that name.
/// Classes are sorted by name, files by path, both bytewise; folders below a class are taken too.
/// Names that begin with a point and files that do not end in `.jpg`, `.jpeg` or `.png` are
/// ignored, links followed.
///
/// - Ranks: local; the same folder gives the same lists everywhere.
/// - Parameters:
///   - testShare: the part of each class to hold out, where the folder has no test images; nil for
///     the usual one.
///   - usualShare: that one, a fifth.
///   - seed: seed of the choice of held-out images.
/// - Throws: `FileError` for a folder that is missing or holds fewer than two classes, for a class
///   without images, for a test class that the training images lack; `UsageError` for a share
///   where the folder has a split of its own.
public func listClassFolders(
  _ folder: String, testShare: Double?, usualShare: Double = usualTestShare, seed: UInt64
) throws -> ImageFileSplits {
  let root = Array(folder.utf8)
  guard isFolder(root) else {
    throw FileError.missing(path: folder, hint: "--data must name a folder with class folders")
  }
  func holdsFolders(_ name: String) -> Bool {
    let inner = root + Array("/\(name)".utf8)
    return isFolder(inner)
      && (try? folderEntries(inner))?.contains { $0.isFolder && !$0.isHidden } == true
  }
  let isSplit = holdsFolders("train")
  let testNames = ["test", "val"].filter { isSplit && holdsFolders($0) }
  var walk = ImageWalk()
  let training = try ClassTree(root, isSplit ? "train" : "", walk: &walk)
  try training.requireClasses()
  guard let testName = testNames.first else {
    let (train, test) = training.heldOut(share: testShare ?? usualShare, seed: seed)
    let lists = ImageFileSplits(
      train: train, test: test,
      notes: ["\(test.count) of \(train.count + test.count) images are held out as the test set"]
        + ImageFileSplits.ignoredNote(walk.ignored))
    guard lists.test.count > 0 else {
      throw FileError.malformed(
        path: folder,
        reason: "has too few images of each class to hold out a test set; add some, or a higher "
          + "--test-share")
    }
    return lists
  }
  if let testShare {
    throw UsageError.conflict(
      "--test-share \(testShare): \(folder)/\(testName) already holds the test images")
  }
  let test = try ClassTree(root, testName, walk: &walk).matched(to: training)
  return ImageFileSplits(
    train: training.list, test: test,
    notes: (testNames.count > 1 ? ["\(folder)/test is the test set; val is not used"] : [])
      + ImageFileSplits.ignoredNote(walk.ignored))
}

/// Share of a class that is held out where nothing else is said.
public let usualTestShare = 0.2

/// Folders with the images of one class each.
struct ClassTree {
  /// The data set's folder.
  let root: [UInt8]
  /// The folder in it that the class folders are in; empty for itself.
  let split: String
  /// Names of the class folders, sorted bytewise.
  let names: [[UInt8]]
  /// Each class's images, relative to `root`, sorted bytewise.
  let files: [[[UInt8]]]

  init(_ root: [UInt8], _ split: String, walk: inout ImageWalk) throws {
    let prefix = split.isEmpty ? [] : Array("\(split)/".utf8)
    let names = try walk.folders(in: root + (split.isEmpty ? [] : Array("/\(split)".utf8)))
    var files: [[[UInt8]]] = []
    for name in names {
      files.append(
        try walk.images(below: root + [0x2F] + prefix + name).map { prefix + name + [0x2F] + $0 })
    }
    (self.root, self.split, self.names, self.files) = (root, split, names, files)
  }

  /// The folder of the class folders, or one of them, for errors.
  func path(_ name: [UInt8] = []) -> String {
    printable(
      root + (split.isEmpty ? [] : Array("/\(split)".utf8)) + (name.isEmpty ? [] : [0x2F] + name))
  }

  /// Checks that there are two classes or more, and images in each.
  func requireClasses() throws {
    guard names.count > 1 else {
      throw FileError.malformed(
        path: path(),
        reason: (names.isEmpty ? "holds no class folder" : "holds one class folder alone")
          + "; images must lie in FOLDER/CLASS/ or FOLDER/train/CLASS/, for two classes or more")
    }
    if let empty = files.firstIndex(where: \.isEmpty) {
      throw FileError.malformed(
        path: path(names[empty]),
        reason: "holds no .jpg, .jpeg or .png file; add images of this class, or remove the folder")
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
  /// - Throws: `FileError.malformed` for a class that `training` lacks, and without any image.
  func matched(to training: ClassTree, classNames: [String]? = nil) throws -> ImageFileList {
    var files = [[[UInt8]]](repeating: [], count: training.names.count)
    for (name, own) in zip(names, self.files) {
      guard let label = training.names.firstIndex(of: name) else {
        throw FileError.malformed(
          path: path(name),
          reason: "is a class that \(training.path()) does not have; remove it, or add its images "
            + "there")
      }
      files[label] = own
    }
    guard files.contains(where: { !$0.isEmpty }) else {
      throw FileError.malformed(path: path(), reason: "holds no .jpg, .jpeg or .png file")
    }
    return ImageFileList(
      root: training.list.root, classNames: classNames ?? training.ownNames, files: files)
  }

  /// The images in two parts: round(n · `share`) of a class's n images are held out, but one at
  /// least of two or more, and never all.
  func heldOut(share: Double, seed: UInt64) -> (train: ImageFileList, test: ImageFileList) {
    var (kept, out) = ([[[UInt8]]](), [[[UInt8]]]())
    for (label, own) in files.enumerated() {
      let wanted = Int((share * Double(own.count)).rounded())
      let count = own.count < 2 ? 0 : min(max(wanted, 1), own.count - 1)
      // The second coordinate keeps clear of the folds of cross-fitting.
      var random = KeyedRandom(seed: seed, purpose: .foldAssignment, label, 1)
      let chosen = Set(random.permutation(count: own.count).prefix(count))
      kept.append(own.indices.filter { !chosen.contains($0) }.map { own[$0] })
      out.append(own.indices.filter { chosen.contains($0) }.map { own[$0] })
    }
    let root = String(decoding: root, as: UTF8.self)
    return (
      ImageFileList(root: root, classNames: ownNames, files: kept),
      ImageFileList(root: root, classNames: ownNames, files: out)
    )
  }
}

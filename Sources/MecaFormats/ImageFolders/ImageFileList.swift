import MecaCore

/// The image files of a labelled set, in the order of its samples.
///
/// Samples are listed class by class in turn: the first image of each class, the second of each, and
/// so on, where a class that has no more is passed over. So every first part of the list is balanced,
/// and a limit on the number of samples leaves no class out.
///
/// Example: classes a (3 images) and b (1): a/1, b/1, a/2, a/3.
public struct ImageFileList: Sendable {
  /// The folder that the paths are relative to.
  public let root: String
  /// Names of the classes; a label is an index into it.
  public let classNames: [String]
  /// Path of each sample.
  public private(set) var paths = PathTable()
  /// Class of each sample.
  public private(set) var labels: [Int32] = []

  /// Number of samples.
  public var count: Int { labels.count }

  /// The files of each class, listed in turn.
  ///
  /// - Parameter files: for each class its paths, relative to `root`, in their order.
  init(root: String, classNames: [String], files: [[[UInt8]]]) {
    self.root = root
    self.classNames = classNames
    for place in 0..<(files.map(\.count).max() ?? 0) {
      for (label, own) in files.enumerated() where place < own.count {
        append(own[place], label: Int32(label))
      }
    }
  }

  /// Files in a given order, each with its class.
  ///
  /// - Parameter paths: relative to `root`.
  public init(root: String, classNames: [String], paths: [String], labels: [Int32]) {
    precondition(paths.count == labels.count, "\(paths.count) paths, \(labels.count) labels")
    self.root = root
    self.classNames = classNames
    for (path, label) in zip(paths, labels) { append(Array(path.utf8), label: label) }
  }

  private init(_ other: ImageFileList, keeping isKept: (Int) -> Bool) {
    root = other.root
    classNames = other.classNames
    for index in 0..<other.count where isKept(index) {
      append(other.paths[index], label: other.labels[index])
    }
  }

  private mutating func append(_ path: some Collection<UInt8>, label: Int32) {
    paths.append(path)
    labels.append(label)
  }

  /// The first `limit` samples; all for nil.
  public func prefix(_ limit: Int?) -> ImageFileList {
    guard let limit, limit < count else { return self }
    return ImageFileList(self) { $0 < limit }
  }

  /// All samples but those at `indices`.
  public func without(_ indices: Set<Int>) -> ImageFileList {
    indices.isEmpty ? self : ImageFileList(self) { !indices.contains($0) }
  }

  /// The path of a sample as the system wants it.
  func fullPath(_ index: Int) -> [UInt8] { Array(root.utf8) + [0x2F] + paths[index] }

  /// Runs `body` on the bytes of a sample's file and the file's name for errors.
  ///
  /// - Throws: `FileError`, and what `body` throws.
  public func withBytes<Result>(
    of index: Int, _ body: (UnsafeRawBufferPointer, _ name: String) throws -> Result
  ) throws -> Result {
    let path = fullPath(index)
    let name = printable(path)
    return try withFileBytes(path, name: name) { try body($0, name) }
  }

  /// Appends names and labels to `digest`; with `sizes` also the length of every file.
  ///
  /// Two hosts with equal digests hold the same set as far as this can be told without reading it.
  public func update(_ digest: inout SHA256Digest, sizes: Bool) {
    for name in classNames { digest.update(Array((name + "\n").utf8)) }
    digest.update(labels)
    for index in 0..<count {
      digest.update(Array(paths[index]) + [0])
      guard sizes else { continue }
      digest.update([Int64(status(of: fullPath(index))?.st_size ?? -1)])
    }
  }
}

/// What was found in a data set's folder.
public struct ImageFileSplits: Sendable {
  /// Samples to learn from.
  public var train: ImageFileList
  /// Samples to judge by; the same classes.
  public var test: ImageFileList
  /// How the test set was held out of the training images; nil where there is one.
  public var heldOut: HeldOutPart?
  /// Whether all files are taken for either part, since there is nothing to learn.
  public var isWhole = false
  /// What a person should know: what was passed over, what was taken for what.
  public var notes: [String] = []
  /// What a person must know.
  public var warnings: [String] = []

  /// Two lists.
  init(train: ImageFileList, test: ImageFileList) { (self.train, self.test) = (train, test) }
}

import MecaCore
import MecaImages

/// A poisoned training set of BackdoorBench: a clean set with the pictures of a record in their
/// places.
///
/// - Ranks: local. Safe from any thread.
public struct BackdoorBenchSet: DerivedSet {
  /// The clean set.
  public let base: any ImageSet
  /// What each sample is, and its label in the clean set.
  public let groundTruth: GroundTruth?
  private let pictures: PictureFiles?
  /// Place in `pictures` of each changed sample.
  private let places: [Int: Int]
  private let labels: [Int32]

  /// Puts the changed samples of `record` in their places.
  ///
  /// Samples beyond the end of `base` are left out where `isLimited`; else they are an error. That
  /// the clean set is the right one, in the right order, shows in the classes of the changed samples:
  /// each must be the same in both.
  ///
  /// - Throws: `FileError` that names the picture.
  public init(
    _ record: BackdoorBenchRecord, base: any ImageSet, isLimited: Bool = false
  ) throws {
    let changes = try record.changes.filter {
      try fits($0.picture, base, isLimited: isLimited, "training")
    }
    var labels = base.labels.map { Int32($0) }
    var roles = [SampleRole](repeating: .clean, count: base.count)
    let originals = labels
    var places: [Int: Int] = [:]
    for (place, change) in changes.enumerated() {
      guard base.classNames.indices.contains(change.label) else {
        throw FileError.malformed(
          path: change.picture.path,
          reason: "was given the label \(change.label); the clean set has \(base.classNames.count) "
            + "classes")
      }
      labels[change.picture.index] = Int32(change.label)
      roles[change.picture.index] = change.role
      places[change.picture.index] = place
    }
    self.base = base
    self.labels = labels
    self.places = places
    groundTruth = GroundTruth(roles: roles, originalLabels: originals)
    pictures =
      changes.isEmpty
      ? nil : try PictureFiles(changes.map(\.picture.path), shape: base.imageShape)
  }

  /// The files of the clean set and the pictures.
  public func forEachSource(_ body: ([UInt8]) -> Void) {
    base.forEachSource(body)
    for path in pictures?.paths ?? [] { body(Array(path.utf8)) }
  }

  /// How many pictures take the place of samples.
  public var pictureCount: Int { pictures?.paths.count ?? 0 }

  /// Decodes some of the pictures.
  ///
  /// - Ranks: local; the ranks can share the pictures among them.
  /// - Throws: `FileError` that names the picture: unreadable, or of another size.
  public func verifyPictures(_ range: Range<Int>) throws { try pictures?.verify(range) }

  /// The label that a victim is given.
  public func label(at index: Int) -> Int {
    requireIndex(index)
    return Int(labels[index])
  }

  /// Writes the image at `index` as bytes: channel, row, column.
  public func copyImage(at index: Int, into image: inout MutableSpan<UInt8>) throws(FileError) {
    requireIndex(index)
    if let place = places[index], let pictures {
      try pictures.copyImage(at: place, into: &image)
    } else {
      try base.copyImage(at: index, into: &image)
    }
  }

  /// Where the sample comes from: the picture of a changed one, the place in the clean set of others.
  public func path(at index: Int) -> String {
    if let place = places[index], let pictures { return pictures.paths[place] }
    return base.path(at: index)
  }
}

/// The triggered test samples of a record of BackdoorBench, with their true labels.
///
/// - Ranks: local. Safe from any thread.
public struct BackdoorBenchTestSet: DerivedSet {
  /// The clean test set.
  public let base: any ImageSet
  /// Which test sample each triggered one was, ascending.
  public let testIndices: [Int32]
  private let pictures: PictureFiles

  /// The samples of other classes than `target`; nil where the record has none.
  ///
  /// - Throws: `FileError` that names the picture, as ``BackdoorBenchSet``.
  public init?(
    _ record: BackdoorBenchRecord, base: any ImageSet, target: Int, isLimited: Bool = false
  ) throws {
    let tests = try record.tests.filter {
      try fits($0, base, isLimited: isLimited, "test") && $0.label != target
    }
    guard !tests.isEmpty else { return nil }
    self.base = base
    testIndices = tests.map { Int32($0.index) }
    pictures = try PictureFiles(tests.map(\.path), shape: base.imageShape)
  }

  /// Number of samples.
  public var count: Int { testIndices.count }

  /// The pictures.
  public func forEachSource(_ body: ([UInt8]) -> Void) {
    for path in pictures.paths { body(Array(path.utf8)) }
  }

  /// Decodes some of the pictures, as ``BackdoorBenchSet/verifyPictures(_:)``.
  public func verifyPictures(_ range: Range<Int>) throws { try pictures.verify(range) }

  /// The true class of the sample.
  public func label(at index: Int) -> Int {
    requireIndex(index)
    return base.label(at: Int(testIndices[index]))
  }

  /// Writes the image at `index` as bytes: channel, row, column.
  public func copyImage(at index: Int, into image: inout MutableSpan<UInt8>) throws(FileError) {
    requireIndex(index)
    try pictures.copyImage(at: index, into: &image)
  }

  /// The picture's file.
  public func path(at index: Int) -> String {
    requireIndex(index)
    return pictures.paths[index]
  }
}

/// Whether a changed sample lies within the clean set, where its class must be the same.
private func fits(
  _ picture: PictureTree.Picture, _ base: any ImageSet, isLimited: Bool, _ split: String
) throws -> Bool {
  guard picture.index < base.count else {
    if isLimited { return false }
    throw FileError.malformed(
      path: picture.path,
      reason: "replaces sample \(picture.index), but the \(split) set of --base-data has "
        + "\(base.count): it must be the whole clean set")
  }
  let label = base.label(at: picture.index)
  guard label == picture.label else {
    throw FileError.malformed(
      path: picture.path,
      reason: "replaces sample \(picture.index) of class \(picture.label), which is of class "
        + "\(label) in the \(split) set of --base-data: it is another data set, or in another order"
    )
  }
  return true
}

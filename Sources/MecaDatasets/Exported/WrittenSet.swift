import MecaCore
import MecaFormats
import MecaImages

/// One part of a written set: the images of its files, everything else as manifest and record say.
public struct WrittenSet: ImageSet {
  /// Which part.
  public let part: SetPart
  private let facts: SetFacts
  private let images: any ImageSet
  private let rows: [ManifestRow]
  /// The truth about every training sample; nil for tests, and for a set that nobody poisoned.
  public let groundTruth: GroundTruth?

  /// Joins images and manifest.
  ///
  /// - Parameters:
  ///   - images: one for each row, in the order of the rows; labels are not asked for.
  ///   - rows: the part's rows of the manifest.
  ///   - knowsTruth: whether an attack was recorded, so that the roles of training samples mean
  ///     something.
  public init(
    part: SetPart, facts: SetFacts, images: any ImageSet, rows: [ManifestRow], knowsTruth: Bool
  ) {
    precondition(images.count == rows.count, "\(images.count) images, \(rows.count) rows")
    precondition(images.imageShape == facts.imageShape, "images of \(images.imageShape)")
    self.part = part
    self.facts = facts
    self.images = images
    self.rows = rows
    groundTruth =
      part == .train && knowsTruth
      ? GroundTruth(roles: rows.map(\.role), originalLabels: rows.map(\.originalLabel)) : nil
  }

  /// Name of the data set that the written one was made of.
  public var name: String { facts.name }
  /// Names of the classes.
  public var classNames: [String] { facts.classNames }
  /// Size of every image.
  public var imageShape: ImageShape { facts.imageShape }
  /// Number of samples.
  public var count: Int { rows.count }
  /// Normalisation constants of the data set that the written one was made of.
  public var meanAndDeviation: (mean: [Float], standardDeviation: [Float]) {
    facts.meanAndDeviation
  }
  /// SHA-256 of all images and labels, where opening the images has computed it.
  public var contentDigest: String? { images.contentDigest }

  /// Which test sample each triggered sample is, ascending.
  public var testIndices: [Int32] { rows.map { Int32($0.index) } }

  /// The label that a victim is given; of a triggered sample, the true class.
  public func label(at index: Int) -> Int {
    requireIndex(index)
    return Int(part == .triggered ? rows[index].originalLabel : rows[index].label)
  }

  /// The files of the images.
  public func forEachSource(_ body: ([UInt8]) -> Void) { images.forEachSource(body) }

  /// Writes the image at `index` as bytes: channel, row, column.
  public func copyImage(at index: Int, into image: inout MutableSpan<UInt8>) throws(FileError) {
    try images.copyImage(at: index, into: &image)
  }

  /// Where the sample lies in the set's folder.
  public func path(at index: Int) -> String {
    requireIndex(index)
    return rows[index].path
  }
}

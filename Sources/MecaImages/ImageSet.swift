import MecaCore

/// Size of an image: channels × height × width, one byte each.
public struct ImageShape: Sendable, Hashable, Codable {
  /// Colour channels, 3 for red, green, blue.
  public var channels: Int
  /// Rows.
  public var height: Int
  /// Columns.
  public var width: Int

  /// A shape; every extent must be at least 1.
  public init(channels: Int, height: Int, width: Int) {
    precondition(
      channels > 0 && height > 0 && width > 0,
      "image of \(channels)x\(height)x\(width): every extent must be at least 1")
    self.channels = channels
    self.height = height
    self.width = width
  }

  /// Bytes of one image.
  public var byteCount: Int { channels * height * width }
}

/// Which part of a data set.
public enum Split: String, Sendable, CaseIterable, Codable {
  /// Samples to learn from.
  case train
  /// Samples kept apart to judge the model.
  case test
}

/// A labelled set of 8-bit images with random access; any number of threads may read at once.
///
/// - Ranks: local; the same set gives the same bytes on every rank.
public protocol ImageSet: Sendable {
  /// Short name of the data set, as on the command line.
  var name: String { get }
  /// Names of the classes; a label is an index into it.
  var classNames: [String] { get }
  /// Size of every image.
  var imageShape: ImageShape { get }
  /// Number of samples.
  var count: Int { get }
  /// Class of the sample at `index`.
  func label(at index: Int) -> Int
  /// Writes the image at `index` as `imageShape.byteCount` bytes: channel, row, column.
  ///
  /// - Throws: `FileError` for sets that read files while they are used; the bytes are then of no
  ///   meaning.
  func copyImage(at index: Int, into image: inout MutableSpan<UInt8>) throws(FileError)
  /// Where the sample comes from, for lists that a person reads: `data_batch_1.bin#17`.
  func path(at index: Int) -> String
  /// Mean and standard deviation of each channel in units of [0, 1], to normalise with.
  var meanAndDeviation: (mean: [Float], standardDeviation: [Float]) { get }
  /// Calls `body` with the path of every file that is read while the set is used, in a fixed order.
  func forEachSource(_ body: ([UInt8]) -> Void)
  /// What each sample really is, where an attack was put in and the truth was kept; else nil.
  var groundTruth: GroundTruth? { get }
  /// SHA-256 of all images and labels as hexadecimal digits, where opening the set has computed it
  /// already; else nil.
  var contentDigest: String? { get }
}

extension ImageSet {
  /// Not known.
  public var groundTruth: GroundTruth? { nil }
  /// Nothing is read after the set was opened.
  public func forEachSource(_ body: ([UInt8]) -> Void) {}
  /// Not known yet.
  public var contentDigest: String? { nil }
}

extension ImageSet {
  /// The image at `index` as an array: channel, row, column.
  public func image(at index: Int) throws(FileError) -> [UInt8] {
    try images(index..<index + 1)
  }

  /// Some images one behind the other: sample, channel, row, column.
  public func images(_ samples: Range<Int>) throws(FileError) -> [UInt8] {
    let size = imageShape.byteCount
    let images = AlignedStorage<UInt8>(count: samples.count * size)
    for (place, index) in samples.enumerated() {
      try images.withMutableSpan(place * size..<(place + 1) * size) {
        (image) throws(FileError) in try copyImage(at: index, into: &image)
      }
    }
    return images.array
  }

  /// All labels in the order of the samples.
  public var labels: [Int] { (0..<count).map { label(at: $0) } }

  /// Stops the program if `index` is not a sample of this set.
  package func requireIndex(_ index: Int) {
    precondition(index >= 0 && index < count, "sample \(index) of \(count) in \(name)")
  }
}

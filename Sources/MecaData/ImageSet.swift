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
  func copyImage(at index: Int, to destination: UnsafeMutablePointer<UInt8>)
  /// Where the sample comes from, for lists that a person reads: `data_batch_1.bin#17`.
  func path(at index: Int) -> String
  /// Mean and standard deviation of each channel in units of [0, 1], to normalise with.
  var meanAndDeviation: (mean: [Float], standardDeviation: [Float]) { get }
  /// What each sample really is, where an attack was put in and the truth was kept; else nil.
  var groundTruth: GroundTruth? { get }
  /// The first image that could not be read since the set was opened, for sets that read files
  /// while they are used; such an image reads as zeros. Whoever uses the set asks at the end.
  var fault: FileError? { get }
  /// SHA-256 of all images and labels as hexadecimal digits, where opening the set has computed it
  /// already; else nil.
  var contentDigest: String? { get }
}

extension ImageSet {
  /// Not known.
  public var groundTruth: GroundTruth? { nil }
  /// Nothing is read after the set was opened.
  public var fault: FileError? { nil }
  /// Not known yet.
  public var contentDigest: String? { nil }
}

extension ImageSet {
  /// The image at `index` as an array: channel, row, column.
  public func image(at index: Int) -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: imageShape.byteCount) { buffer, count in
      if let base = buffer.baseAddress { copyImage(at: index, to: base) }
      count = imageShape.byteCount
    }
  }

  /// All labels in the order of the samples.
  public var labels: [Int] { (0..<count).map { label(at: $0) } }

  /// Stops the program if `index` is not a sample of this set.
  func requireIndex(_ index: Int) {
    precondition(index >= 0 && index < count, "sample \(index) of \(count) in \(name)")
  }
}

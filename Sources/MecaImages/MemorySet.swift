import MecaCore

/// An image set whose bytes all lie in memory.
///
/// Holds what ranks have generated in parts and exchanged, and the small sets of tests.
public struct MemorySet: ImageSet {
  /// Name of the data set.
  public let name: String
  /// Names of the classes.
  public let classNames: [String]
  /// Size of every image.
  public let imageShape: ImageShape
  /// Number of samples.
  public let count: Int
  /// Normalisation constants for each channel, in units of [0, 1].
  public let meanAndDeviation: (mean: [Float], standardDeviation: [Float])
  private let classes: [Int]
  private let images: [UInt8]
  private let pathOf: @Sendable (Int) -> String

  /// A set of given images and labels.
  ///
  /// - Parameters:
  ///   - name: name of the data set.
  ///   - classNames: names of the classes.
  ///   - imageShape: size of every image.
  ///   - labels: one class for each sample.
  ///   - images: all bytes: sample, channel, row, column.
  ///   - meanAndDeviation: normalisation constants; 0.5 and 0.25 where nothing better is known.
  ///   - path: where a sample comes from; `name#index` by default.
  public init(
    name: String, classNames: [String], imageShape: ImageShape, labels: [Int], images: [UInt8],
    meanAndDeviation: (mean: [Float], standardDeviation: [Float])? = nil,
    path: (@Sendable (Int) -> String)? = nil
  ) {
    precondition(
      images.count == labels.count * imageShape.byteCount,
      "\(images.count) bytes for \(labels.count) images of \(imageShape.byteCount)")
    for (index, label) in labels.enumerated() {
      precondition(
        classNames.indices.contains(label),
        "label \(label) of sample \(index) with \(classNames.count) classes")
    }
    self.name = name
    self.classNames = classNames
    self.imageShape = imageShape
    self.count = labels.count
    self.classes = labels
    self.images = images
    self.meanAndDeviation =
      meanAndDeviation
      ?? (
        [Float](repeating: 0.5, count: imageShape.channels),
        [Float](repeating: 0.25, count: imageShape.channels)
      )
    self.pathOf = path ?? { "\(name)#\($0)" }
  }

  /// The samples of `other` with its labels, names and paths, but with the bytes `images`.
  public init(of other: any ImageSet, images: [UInt8]) {
    self.init(
      name: other.name, classNames: other.classNames, imageShape: other.imageShape,
      labels: other.labels, images: images, meanAndDeviation: other.meanAndDeviation,
      path: { other.path(at: $0) })
  }

  /// Class of the sample at `index`.
  public func label(at index: Int) -> Int {
    requireIndex(index)
    return classes[index]
  }

  /// Writes the image at `index` as bytes: channel, row, column.
  public func copyImage(at index: Int, into image: inout MutableSpan<UInt8>) {
    requireIndex(index)
    let bytes = imageShape.byteCount
    image.copy(from: images.span.extracting(index * bytes..<(index + 1) * bytes))
  }

  /// Where the sample comes from, for lists that a person reads.
  public func path(at index: Int) -> String {
    requireIndex(index)
    return pathOf(index)
  }
}

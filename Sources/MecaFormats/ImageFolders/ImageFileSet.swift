import MecaCore
import MecaImages

/// A set of image files that are read, decoded and resized whenever they are asked for.
///
/// Nothing is kept between two calls.
///
/// - Ranks: local; the same files give the same bytes on every rank.
public struct ImageFileSet: ImageSet {
  /// Name of the data set.
  public let name: String
  /// The files in the order of the samples.
  public let files: ImageFileList
  /// Size of every image after resizing.
  public let imageShape: ImageShape
  /// What happens to images of other proportions.
  public let fit: ImageFit
  /// What becomes of their orientation and transparency.
  public let rules: PictureRules
  /// Normalisation constants for each channel, in units of [0, 1].
  public let meanAndDeviation: (mean: [Float], standardDeviation: [Float])
  /// SHA-256 of all images and labels, where somebody has read them all.
  public let contentDigest: String?

  /// A set of files; opens none of them.
  ///
  /// - Parameters:
  ///   - name: name of the data set.
  ///   - files: the samples.
  ///   - imageShape: the size to bring them to; 3 channels.
  ///   - fit: how.
  ///   - rules: what becomes of orientation and transparency.
  ///   - meanAndDeviation: normalisation constants.
  ///   - contentDigest: SHA-256 of all images and labels, where it is known.
  public init(
    name: String, files: ImageFileList, imageShape: ImageShape, fit: ImageFit,
    rules: PictureRules = PictureRules(),
    meanAndDeviation: (mean: [Float], standardDeviation: [Float]), contentDigest: String? = nil
  ) {
    precondition(imageShape.channels == 3, "image files in \(imageShape.channels) channels")
    self.name = name
    self.files = files
    self.imageShape = imageShape
    self.fit = fit
    self.rules = rules
    self.meanAndDeviation = meanAndDeviation
    self.contentDigest = contentDigest
  }

  /// Names of the classes.
  public var classNames: [String] { files.classNames }
  /// Number of samples.
  public var count: Int { files.count }

  /// Every image file.
  public func forEachSource(_ body: ([UInt8]) -> Void) {
    for index in 0..<count { body(files.fullPath(index)) }
  }

  /// Class of the sample at `index`.
  public func label(at index: Int) -> Int {
    requireIndex(index)
    return Int(files.labels[index])
  }

  /// Where the sample comes from: its path in the data set's folder.
  public func path(at index: Int) -> String {
    requireIndex(index)
    return files.paths.text(index)
  }

  /// Writes the image at `index` as bytes: channel, row, column.
  ///
  /// - Throws: `FileError` naming the file; `image` is then untouched.
  public func copyImage(at index: Int, into image: inout MutableSpan<UInt8>) throws(FileError) {
    _ = try read(index, into: &image)
  }

  /// The same, and what was done to the picture on the way.
  public func read(
    _ index: Int, into image: inout MutableSpan<UInt8>
  ) throws(FileError) -> PictureChanges {
    requireIndex(index)
    do {
      let (picture, changes) = try files.withBytes(of: index) {
        try decodeImage($0, path: $1, rules)
      }
      resample(picture.pixels, picture.shape, to: imageShape, fit: fit, into: &image)
      return changes
    } catch let error as FileError {
      throw error
    } catch {
      // Nothing else is thrown on the way.
      throw .failed(operation: "read", path: path(at: index), reason: "\(error)")
    }
  }

  /// The size of the picture in the file at `index`, before resizing.
  ///
  /// - Throws: `FileError` naming the file.
  public static func size(
    of index: Int, in files: ImageFileList, _ rules: PictureRules = PictureRules()
  ) throws -> ImageShape {
    try files.withBytes(of: index) { try imageSize($0, path: $1, rules) }
  }
}

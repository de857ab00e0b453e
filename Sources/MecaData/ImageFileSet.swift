import MecaCore
import Synchronization

/// A set of image files that are read, decoded and resized whenever they are asked for.
///
/// Nothing is kept between two calls. Transparency is left out: a pixel counts with its stored
/// colour. A file that cannot be read any more gives zeros and is remembered, see ``fault``.
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
  /// Normalisation constants for each channel, in units of [0, 1].
  public let meanAndDeviation: (mean: [Float], standardDeviation: [Float])
  /// SHA-256 of all images and labels, where somebody has read them all.
  public let contentDigest: String?
  private let failure = FirstFailure()

  /// A set of files; opens none of them.
  ///
  /// - Parameters:
  ///   - name: name of the data set.
  ///   - files: the samples.
  ///   - imageShape: the size to bring them to; 3 channels.
  ///   - fit: how.
  ///   - meanAndDeviation: normalisation constants.
  ///   - contentDigest: SHA-256 of all images and labels, where it is known.
  public init(
    name: String, files: ImageFileList, imageShape: ImageShape, fit: ImageFit,
    meanAndDeviation: (mean: [Float], standardDeviation: [Float]), contentDigest: String? = nil
  ) {
    precondition(imageShape.channels == 3, "image files in \(imageShape.channels) channels")
    self.name = name
    self.files = files
    self.imageShape = imageShape
    self.fit = fit
    self.meanAndDeviation = meanAndDeviation
    self.contentDigest = contentDigest
  }

  /// Names of the classes.
  public var classNames: [String] { files.classNames }
  /// Number of samples.
  public var count: Int { files.count }
  /// The first file that could not be read since the set was opened.
  public var fault: FileError? { failure.first }

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

  /// Writes the image at `index` as bytes: channel, row, column; zeros if it cannot be read.
  public func copyImage(at index: Int, to destination: UnsafeMutablePointer<UInt8>) {
    do throws(FileError) {
      try readImage(at: index, to: destination)
    } catch {
      failure.note(error)
      destination.update(repeating: 0, count: imageShape.byteCount)
    }
  }

  /// Writes the image at `index`, as ``copyImage(at:to:)``.
  ///
  /// - Throws: `FileError` naming the file; `destination` is then untouched.
  public func readImage(
    at index: Int, to destination: UnsafeMutablePointer<UInt8>
  ) throws(FileError) {
    requireIndex(index)
    do {
      let image = try files.withBytes(of: index) { try decodeImage($0, path: $1) }
      resample(image.pixels, image.shape, to: imageShape, fit: fit, into: destination)
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
  public static func size(of index: Int, in files: ImageFileList) throws -> ImageShape {
    try files.withBytes(of: index) { try imageSize($0, path: $1) }
  }
}

/// The first of the failures that threads meet.
final class FirstFailure: Sendable {
  private let kept = Mutex<FileError?>(nil)

  /// The first that was noted.
  var first: FileError? { kept.withLock { $0 } }

  /// Keeps `error` if it is the first.
  func note(_ error: FileError) {
    kept.withLock { $0 = $0 ?? error }
  }
}

import MecaCore
import MecaImages

/// Image files of one size, decoded whenever they are asked for.
///
/// - Ranks: local. Safe from any thread.
struct PictureFiles: Sendable {
  /// Size of every picture.
  let shape: ImageShape
  /// Paths of the files.
  let paths: [String]

  /// Files that have the size of the first.
  ///
  /// - Parameters:
  ///   - paths: at least one.
  ///   - shape: the size that they should have; nil takes that of the first.
  /// - Throws: `FileError` for the first file.
  init(_ paths: [String], shape: ImageShape? = nil) throws {
    precondition(!paths.isEmpty, "no picture files")
    let first = try MappedFile(path: paths[0]).withBytes { try imageSize($0, path: paths[0]) }
    if let shape, first != shape { throw otherSize(paths[0], first, shape) }
    self.paths = paths
    self.shape = first
  }

  /// Decodes some of the files.
  ///
  /// - Throws: `FileError` for the first that cannot be read or has another size.
  func verify(_ files: Range<Int>) throws {
    for index in files { _ = try decoded(index) }
  }

  private func decoded(_ index: Int) throws -> DecodedImage {
    let image = try readImage(paths[index])
    guard image.shape == shape else { throw otherSize(paths[index], image.shape, shape) }
    return image
  }

  /// Writes a picture as bytes: channel, row, column.
  func copyImage(at index: Int, into image: inout MutableSpan<UInt8>) throws(FileError) {
    do {
      let picture = try decoded(index)
      image.copy(from: picture.pixels.span)
    } catch {
      throw error as? FileError
        ?? .failed(operation: "read", path: paths[index], reason: "\(error)")
    }
  }
}

private func otherSize(_ path: String, _ found: ImageShape, _ wanted: ImageShape) -> FileError {
  .malformed(
    path: path,
    reason: "has \(found.height)x\(found.width) pixels where the others of the set have "
      + "\(wanted.height)x\(wanted.width)")
}

import Glibc
import MecaCore
import MecaImages

/// Image files without classes: single ones, and all below folders.
public struct LooseImages: Sendable {
  /// Paths as they were given, or below a folder that was given.
  public let paths: [String]
  /// What a person must know of what was passed over.
  public let warnings: [String]

  /// Looks for files; opens none.
  ///
  /// Files come in the order in which they were given, those of a folder sorted bytewise.
  ///
  /// - Throws: `FileError` for what is not there; `UsageError` where there is no image.
  public init(_ given: [String]) throws {
    var walk = ImageWalk()
    var paths: [String] = []
    for path in given {
      guard let status = status(of: Array(path.utf8)) else {
        throw FileError.missing(path: path, hint: "name image files, or folders with some")
      }
      if status.st_mode & S_IFMT == S_IFDIR {
        let folder = path.hasSuffix("/") && path != "/" ? String(path.dropLast()) : path
        paths += try walk.images(below: Array(folder.utf8), className: folder).map {
          folder + "/" + String(decoding: $0, as: UTF8.self)
        }
      } else {
        paths.append(path)
      }
    }
    guard !paths.isEmpty else {
      throw UsageError.conflict(
        "\(given.joined(separator: ", ")): holds no JPEG, PNG or WebP file")
    }
    self.paths = paths
    warnings = walk.warnings
  }

  /// A set of these images, all of class 0.
  ///
  /// - Parameters:
  ///   - paths: some that were found.
  ///   - side: rows and columns to bring them to.
  public static func set(
    _ paths: [String], classNames: [String], side: Int, fit: ImageFit, rules: PictureRules,
    meanAndDeviation: (mean: [Float], standardDeviation: [Float])
  ) -> ImageFileSet {
    // Relative to the root of all files.
    let here = currentFolder()
    let whole = paths.map { path in
      String((path.hasPrefix("/") ? path : here + "/" + path).drop { $0 == "/" })
    }
    return ImageFileSet(
      name: "images",
      files: ImageFileList(
        root: "", classNames: classNames, paths: whole,
        labels: [Int32](repeating: 0, count: whole.count)),
      imageShape: ImageShape(channels: 3, height: side, width: side), fit: fit, rules: rules,
      meanAndDeviation: meanAndDeviation)
  }

  private static func currentFolder() -> String {
    guard let name = getcwd(nil, 0) else { return "." }
    defer { free(name) }
    return String(cString: name)
  }
}

import MecaCore
import MecaData

/// A picture of the user's that takes the place of a drawn trigger.
///
/// The digest makes the content part of the attack's identity: checkpoints and stored models know
/// the picture, wherever it lies.
public struct TriggerFile: Codable, Hashable, Sendable {
  /// Where the picture was when the run began.
  public var path: String
  /// SHA-256 of the file, in hexadecimal digits.
  public var sha256: String

  /// Names a picture by its place and content.
  public init(path: String, sha256: String) {
    self.path = path
    self.sha256 = sha256
  }

  /// The picture at `path`, as it is now.
  ///
  /// - Throws: `FileError` if there is no readable picture.
  public init(path: String) throws {
    let content = try Self.content(path)
    self.init(path: path, sha256: Self.digest(content))
    _ = try Self.picture(content, path: path)
  }

  /// Reads the picture.
  ///
  /// Its mask is the file's alpha channel; without one, a pixel counts as opaque unless it is black
  /// in all channels (the rule of the published toolboxes).
  ///
  /// - Throws: `FileError` if it cannot be read, or is another than when the run began.
  func picture() throws -> Picture {
    let content = try Self.content(path)
    guard Self.digest(content) == sha256 else {
      throw FileError.malformed(
        path: path,
        reason: "is not the picture that the attack was made with; name that one with --trigger")
    }
    return try Self.picture(content, path: path)
  }

  private static func content(_ path: String) throws -> [UInt8] {
    do {
      return try readFile(at: path)
    } catch FileError.missing {
      throw FileError.missing(path: path, hint: "--trigger wants a PNG or JPEG picture")
    }
  }

  private static func digest(_ content: [UInt8]) -> String {
    var digest = SHA256Digest()
    digest.update(content)
    return digest.hexadecimal()
  }

  private static func picture(_ content: [UInt8], path: String) throws -> Picture {
    // Waits for the data room's decoder.
    throw FileError.malformed(path: path, reason: "pictures cannot be decoded yet")
  }
}

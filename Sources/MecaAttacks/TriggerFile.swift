import MecaCore
import MecaImages

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
    _ = try Self.decoded(content, path: path)
  }

  /// Reads the picture.
  ///
  /// Where it is opaque says the file's alpha channel, if it has one.
  ///
  /// - Parameter blackIsTransparent: without an alpha channel, black pixels (all channels 0) are
  ///   transparent: the rule for patches of the published toolboxes. Else all are opaque.
  /// - Throws: `FileError` if it cannot be read, or is another than when the run began.
  func picture(blackIsTransparent: Bool) throws -> Picture {
    let content = try Self.content(path)
    guard Self.digest(content) == sha256 else {
      throw FileError.malformed(
        path: path,
        reason: "is not the picture that the attack was made with; name that one with --trigger")
    }
    let decoded = try Self.decoded(content, path: path)
    let plane = decoded.shape.height * decoded.shape.width
    let opacity =
      decoded.alpha
      ?? (0..<plane).map { place in
        let isBlack = (0..<decoded.shape.channels).allSatisfy {
          decoded.pixels[$0 * plane + place] == 0
        }
        return blackIsTransparent && isBlack ? 0 : 255
      }
    guard opacity.contains(where: { $0 > 0 }) else {
      throw FileError.malformed(
        path: path, reason: "is transparent or black all over and would change no image")
    }
    return Picture(shape: decoded.shape, pixels: decoded.pixels, opacity: opacity)
  }

  private static func content(_ path: String) throws -> [UInt8] {
    do {
      return try readFile(at: path, limit: 1 << 28)
    } catch FileError.missing {
      throw FileError.missing(path: path, hint: "must be a PNG, JPEG or WebP picture")
    }
  }

  private static func digest(_ content: [UInt8]) -> String {
    var digest = SHA256Digest()
    digest.update(content)
    return digest.hexadecimal()
  }

  private static func decoded(_ content: [UInt8], path: String) throws -> DecodedImage {
    try content.withUnsafeBytes { try decodeImage($0, path: path) }
  }
}

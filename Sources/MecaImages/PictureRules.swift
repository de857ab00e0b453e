import MecaCore

/// Whether a picture is turned as its Exif data say.
public enum OrientationPolicy: String, Codable, Sendable, CaseIterable {
  /// Turned upright.
  case apply
  /// Left as it is stored.
  case ignore
}

/// What lies behind the transparent parts of a picture.
public enum Background: Hashable, Sendable, Codable {
  /// A colour.
  case colour(red: UInt8, green: UInt8, blue: UInt8)
  /// Nothing: every pixel counts with its stored colour, however transparent.
  case stored

  /// White.
  public static let white = Background.colour(red: 255, green: 255, blue: 255)

  private static let names: [(name: String, background: Background)] = [
    ("white", .white), ("black", .colour(red: 0, green: 0, blue: 0)),
    ("grey", .colour(red: 128, green: 128, blue: 128)), ("stored", .stored),
  ]

  /// What a text names: `white`, `black`, `grey`, `stored`, or a colour as `#rrggbb`.
  public init?(_ text: String) {
    if let named = Self.names.first(where: { $0.name == text }) {
      self = named.background
      return
    }
    let digits = text.dropFirst()
    guard text.hasPrefix("#"), digits.utf8.count == 6,
      digits.allSatisfy({ $0.isASCII && $0.isHexDigit }), let number = UInt32(digits, radix: 16)
    else { return nil }
    self = .colour(
      red: UInt8(number >> 16), green: UInt8(number >> 8 & 255), blue: UInt8(number & 255))
  }

  /// As it is written.
  public var text: String {
    if let named = Self.names.first(where: { $0.background == self }) { return named.name }
    guard case .colour(let red, let green, let blue) = self else { return "stored" }
    return "#" + hexadecimal([red, green, blue])
  }
}

/// What becomes of the facts that a picture has beside its pixels.
public struct PictureRules: Hashable, Sendable, Codable {
  /// Whether it is turned as its Exif data say.
  public var orientation = OrientationPolicy.apply
  /// What lies behind its transparent parts.
  public var background = Background.white

  /// Turned, on white.
  public init() {}
}

/// What was done to a picture on the way.
public struct PictureChanges: Sendable {
  /// Whether it was turned.
  public var wasTurned = false
  /// Whether it has transparent parts, which were laid on the background.
  public var wasTransparent = false
}

/// Decodes a picture and makes of it what is seen: upright, on a background.
///
/// A transparent pixel becomes `(α·c + (255 − α)·b) / 255`, rounded to nearest; c its stored colour, b
/// the background, α its opacity.
///
/// - Ranks: local. Safe from any thread.
/// - Throws: as ``decodeImage(_:path:)``.
public func decodeImage(
  _ bytes: UnsafeRawBufferPointer, path: String, _ rules: PictureRules
) throws -> (image: DecodedImage, changes: PictureChanges) {
  var changes = PictureChanges()
  var image = try decodeImage(bytes, path: path)
  if case .colour(let red, let green, let blue) = rules.background, let alpha = image.alpha {
    // An alpha channel that is opaque everywhere says nothing.
    changes.wasTransparent = alpha.contains { $0 < 255 }
    image =
      changes.wasTransparent
      ? image.laid(on: [red, green, blue], alpha)
      : DecodedImage(shape: image.shape, pixels: image.pixels, alpha: nil)
  }
  if rules.orientation == .apply {
    let orientation = ExifOrientation(of: bytes, try ImageCodec(of: bytes, path: path))
    if orientation != .topLeft {
      changes.wasTurned = true
      image = image.turned(orientation)
    }
  }
  return (image, changes)
}

/// The size of a picture that is turned by the rules; reads its header alone.
///
/// - Ranks: local. Safe from any thread.
/// - Throws: as ``imageSize(_:path:)``.
public func imageSize(
  _ bytes: UnsafeRawBufferPointer, path: String, _ rules: PictureRules
) throws -> ImageShape {
  let shape = try imageSize(bytes, path: path)
  guard rules.orientation == .apply,
    ExifOrientation(of: bytes, try ImageCodec(of: bytes, path: path)).swapsSides
  else { return shape }
  return ImageShape(channels: shape.channels, height: shape.width, width: shape.height)
}

extension DecodedImage {
  /// The picture on a background of one colour.
  fileprivate func laid(on colour: [UInt8], _ alpha: [UInt8]) -> DecodedImage {
    var pixels = pixels
    for channel in 0..<3 {
      for place in alpha.indices {
        let opacity = UInt32(alpha[place])
        let sum =
          opacity * UInt32(pixels[channel * alpha.count + place])
          + (255 - opacity) * UInt32(colour[channel])
        pixels[channel * alpha.count + place] = UInt8((sum + 127) / 255)
      }
    }
    return DecodedImage(shape: shape, pixels: pixels)
  }

  /// The picture turned upright.
  fileprivate func turned(_ orientation: ExifOrientation) -> DecodedImage {
    let (height, width) = (shape.height, shape.width)
    let (rows, columns) = orientation.swapsSides ? (width, height) : (height, width)
    /// Where the pixel at a row and column of the turned picture is stored.
    func stored(_ row: Int, _ column: Int) -> Int {
      let (r, c) =
        switch orientation {
        case .topLeft: (row, column)
        case .topRight: (row, width - 1 - column)
        case .bottomRight: (height - 1 - row, width - 1 - column)
        case .bottomLeft: (height - 1 - row, column)
        case .leftTop: (column, row)
        case .rightTop: (height - 1 - column, row)
        case .rightBottom: (height - 1 - column, width - 1 - row)
        case .leftBottom: (column, width - 1 - row)
        }
      return r * width + c
    }
    func turn(_ plane: ArraySlice<UInt8>) -> [UInt8] {
      var result: [UInt8] = []
      result.reserveCapacity(plane.count)
      for row in 0..<rows {
        for column in 0..<columns { result.append(plane[plane.startIndex + stored(row, column)]) }
      }
      return result
    }
    let plane = height * width
    return DecodedImage(
      shape: ImageShape(channels: 3, height: rows, width: columns),
      pixels: (0..<3).flatMap { turn(pixels[$0 * plane..<($0 + 1) * plane]) },
      alpha: alpha.map { turn($0[...]) })
  }
}

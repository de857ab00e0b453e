import CMecaImages
import Glibc
import MecaCore

/// A decoded picture: three planes of bytes, and its transparency where the file has one.
public struct DecodedImage: Sendable, Equatable {
  /// Size; always 3 channels: red, green, blue.
  public let shape: ImageShape
  /// All bytes: channel, row, column.
  ///
  /// Pixels that are transparent have their stored colour all the same.
  public let pixels: [UInt8]
  /// Opacity of each pixel, row by row, 255 for opaque; nil where the file has no transparency.
  public let alpha: [UInt8]?

  /// A picture of given bytes.
  public init(shape: ImageShape, pixels: [UInt8], alpha: [UInt8]? = nil) {
    precondition(shape.channels == 3, "a picture of \(shape.channels) channels")
    precondition(
      pixels.count == shape.byteCount, "\(pixels.count) bytes, not \(shape.byteCount)")
    precondition(
      alpha == nil || alpha?.count == shape.height * shape.width,
      "\(alpha?.count ?? 0) bytes of opacity for \(shape.height * shape.width) pixels")
    self.shape = shape
    self.pixels = pixels
    self.alpha = alpha
  }
}

/// Bytes of a picture's file at most: what 100 million pixels of 16 bits take uncompressed.
private let mostBytesOfAFile = 1 << 30
/// Pixels that an image file may have at most: 300 MB once decoded.
let mostPixelsOfAFile = 100_000_000

/// Rows and columns that an image file may have at most, as in JPEG: resizing a long thin picture by
/// one side alone would need far more memory than its pixels.
let longestSideOfAFile = 65_535

/// Decodes a JPEG, PNG or WebP file, told apart by their first bytes.
///
/// JPEG by libjpeg-turbo with the accurate cosine transform and interpolated colour, whose bytes do
/// not depend on the processor: grey, YCbCr, RGB, CMYK and YCCK, sequential and progressive, 8 bits.
/// Four-component files are read as inverted, as Adobe writes them: red = cyan · black / 255.
/// PNG by libpng: every colour type and bit depth, interlaced or not; 16 bits are divided by 257 and
/// rounded. WebP by libwebp, both codings; no animations. Colour profiles and gamma are not applied, as
/// in the usual training code; orientation and transparency are left to the caller
/// (`PictureRules`).
///
/// - Ranks: local; the same bytes give the same picture everywhere. Safe from any thread.
/// - Parameters:
///   - bytes: the whole file.
///   - path: its name, for the error.
/// - Throws: `FileError.malformed` for another kind of file, missing or corrupt picture data (with
///   the library's reason), more than 100,000,000 pixels, or a file too short for its size. Odd
///   bytes between the parts of a JPEG are no error. Nothing large is allocated before the header
///   was checked.
public func decodeImage(_ bytes: UnsafeRawBufferPointer, path: String) throws -> DecodedImage {
  let codec = try ImageCodec(of: bytes, path: path)
  let header = try codec.header(bytes, path: path)
  let shape = try checkedShape(header, fileLength: bytes.count, path: path)
  let plane = shape.height * shape.width
  let isTransparent = header.has_alpha != 0
  var alpha = [UInt8](repeating: 0, count: isTransparent ? plane : 0)
  let pixels = try [UInt8](unsafeUninitializedCapacity: 3 * plane) { buffer, count in
    try alpha.withUnsafeMutableBufferPointer { alpha in
      try reportingFailure(path, codec) { message in
        codec.decode(
          bytes, header, buffer.baseAddress, isTransparent ? alpha.baseAddress : nil, message)
      }
    }
    count = 3 * plane
  }
  return DecodedImage(shape: shape, pixels: pixels, alpha: isTransparent ? alpha : nil)
}

/// Reads and decodes the image file at `path`, see ``decodeImage(_:path:)``.
///
/// - Ranks: local. Safe from any thread.
/// - Throws: `FileError`: also where the file is missing or cannot be read.
public func readImage(_ path: String) throws -> DecodedImage {
  try withFileBytes(Array(path.utf8), name: path) { try decodeImage($0, path: path) }
}

/// The size of a picture as it is stored; reads its header alone.
///
/// - Ranks: local. Safe from any thread.
/// - Returns: 3 channels, whatever the file has.
/// - Throws: `FileError.malformed`, as ``decodeImage(_:path:)``, as far as the header shows it.
public func imageSize(_ bytes: UnsafeRawBufferPointer, path: String) throws -> ImageShape {
  let header = try ImageCodec(of: bytes, path: path).header(bytes, path: path)
  return try checkedShape(header, fileLength: bytes.count, path: path)
}

/// Encodes planes of bytes as a PNG file: 8 bits, grey or RGB, no ancillary chunks.
///
/// The same pixels give the same bytes every time with the same version of zlib, and the same
/// picture with any.
///
/// - Ranks: local. Safe from any thread.
/// - Parameters:
///   - pixels: channel, row, column.
///   - shape: 1 or 3 channels.
/// - Throws: `FileError.failed` with libpng's reason, for want of memory for example.
public func encodePNG(_ pixels: [UInt8], shape: ImageShape) throws -> [UInt8] {
  precondition(shape.channels == 1 || shape.channels == 3, "PNG of \(shape.channels) channels")
  return try encoded(pixels, shape, .png) { pixels, file, count, message in
    meca_png_encode(
      pixels, Int32(shape.channels), UInt32(shape.width), UInt32(shape.height), &file, &count,
      message)
  }
}

/// Encodes planes of bytes as a JPEG file with colours at full resolution, for pictures that people
/// look at.
///
/// - Ranks: local. Safe from any thread.
/// - Parameters:
///   - pixels: channel, row, column; 3 channels.
///   - quality: 1 to 100.
/// - Throws: `FileError.failed` with libjpeg's reason.
public func encodeJPEG(_ pixels: [UInt8], shape: ImageShape, quality: Int) throws -> [UInt8] {
  precondition(shape.channels == 3, "JPEG of \(shape.channels) channels")
  return try encoded(pixels, shape, .jpeg) { pixels, file, count, message in
    meca_jpeg_encode(
      pixels, UInt32(shape.width), UInt32(shape.height), Int32(quality), &file, &count, message)
  }
}

/// Runs an encoder of `CMecaImages`, and takes over the file that it gives.
private func encoded(
  _ pixels: [UInt8], _ shape: ImageShape, _ codec: ImageCodec,
  _ encode: (
    UnsafePointer<UInt8>?, inout UnsafeMutablePointer<UInt8>?, inout Int,
    UnsafeMutablePointer<CChar>
  ) -> Int32
) throws -> [UInt8] {
  precondition(pixels.count == shape.byteCount, "\(pixels.count) bytes, not \(shape.byteCount)")
  var file: UnsafeMutablePointer<UInt8>?
  var count = 0
  try withMessage { message in
    pixels.withUnsafeBufferPointer { encode($0.baseAddress, &file, &count, message) }
  } orThrow: {
    FileError.failed(
      operation: "encode", path: "\(codec.rawValue) of \(shape.width)x\(shape.height)", reason: $0)
  }
  defer { free(file) }
  return Array(UnsafeBufferPointer(start: file, count: count))
}

/// Refuses sizes that cannot be, before anything is allocated for them.
private func checkedShape(
  _ header: MecaImageHeader, fileLength: Int, path: String
) throws -> ImageShape {
  let (width, height) = (Int(header.width), Int(header.height))
  guard fileLength <= mostBytesOfAFile else {
    throw FileError.malformed(
      path: path, reason: "has \(fileLength) bytes; a picture has \(mostBytesOfAFile) at most")
  }
  guard width > 0 && height > 0 else {
    throw FileError.malformed(path: path, reason: "a picture of \(width)x\(height) pixels")
  }
  // Below 2⁶⁴ for two 32-bit numbers, but not below 2⁶³.
  let (pixels, overflow) = width.multipliedReportingOverflow(by: height)
  guard !overflow && pixels <= mostPixelsOfAFile else {
    throw FileError.malformed(
      path: path,
      reason: "\(width)x\(height) pixels; \(mostPixelsOfAFile) at most are read: make it smaller")
  }
  guard max(width, height) <= longestSideOfAFile else {
    throw FileError.malformed(
      path: path,
      reason:
        "\(width)x\(height) pixels; \(longestSideOfAFile) at most are read in a row or column: "
        + "make it smaller")
  }
  guard header.least_bytes <= fileLength else {
    throw FileError.malformed(
      path: path,
      reason: "\(fileLength) bytes cannot hold \(width)x\(height) pixels; the file is cut off")
  }
  return ImageShape(channels: 3, height: height, width: width)
}

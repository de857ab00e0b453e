import CMecaImages
import MecaCore

/// The kinds of image files that are read.
enum ImageCodec: String {
  case jpeg = "JPEG"
  case png = "PNG"
  case webp = "WebP"

  /// The kind that the first bytes of a file tell.
  ///
  /// - Throws: `FileError.malformed` that says what the file looks like instead.
  init(of bytes: UnsafeRawBufferPointer, path: String) throws {
    if bytes.starts(with: [0xFF, 0xD8]) {
      self = .jpeg
    } else if bytes.starts(with: [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]) {
      self = .png
    } else if bytes.starts(with: "RIFF".utf8), bytes.dropFirst(8).starts(with: "WEBP".utf8) {
      self = .webp
    } else if bytes.isEmpty {
      throw FileError.malformed(path: path, reason: "is empty")
    } else {
      throw FileError.malformed(
        path: path,
        reason: otherKind(bytes).map { "is \($0), not JPEG, PNG or WebP; convert it" }
          ?? "is neither JPEG, PNG nor WebP")
    }
  }

  /// Size and transparency.
  func header(_ bytes: UnsafeRawBufferPointer, path: String) throws -> MecaImageHeader {
    var header = MecaImageHeader()
    try reportingFailure(path, self) { message in
      switch self {
      case .jpeg: meca_jpeg_header(bytes.baseAddress, bytes.count, &header, message)
      case .png: meca_png_header(bytes.baseAddress, bytes.count, &header, message)
      case .webp: meca_webp_header(bytes.baseAddress, bytes.count, &header, message)
      }
    }
    return header
  }

  /// Decodes into three planes, and a fourth for a header with transparency.
  ///
  /// - Returns: 0, or another number with the reason in `message`.
  func decode(
    _ bytes: UnsafeRawBufferPointer, _ header: MecaImageHeader,
    _ planes: UnsafeMutablePointer<UInt8>?, _ alpha: UnsafeMutablePointer<UInt8>?,
    _ message: UnsafeMutablePointer<CChar>
  ) -> Int32 {
    switch self {
    case .jpeg:
      meca_jpeg_decode(
        bytes.baseAddress, bytes.count, header.width, header.height, planes, message)
    case .png:
      meca_png_decode(
        bytes.baseAddress, bytes.count, header.width, header.height, planes, alpha, message)
    case .webp:
      meca_webp_decode(
        bytes.baseAddress, bytes.count, header.width, header.height, planes, alpha, message)
    }
  }
}

/// Runs a function of `CMecaImages`, and throws its message as the fault of the file at `path`.
func reportingFailure(
  _ path: String, _ codec: ImageCodec, _ body: (UnsafeMutablePointer<CChar>) -> Int32
) throws {
  try withMessage(body) { text in
    // All three libraries say it with this word; the file may be good.
    text.contains("memory")
      ? FileError.failed(operation: "decode", path: path, reason: text)
      : FileError.malformed(path: path, reason: "broken \(codec.rawValue) file: \(text)")
  }
}

/// Runs a function of `CMecaImages`; throws an error made of its message unless it returns 0.
func withMessage(
  _ body: (UnsafeMutablePointer<CChar>) -> Int32, orThrow error: (String) -> any Error
) throws {
  let room = Int(MECA_IMAGE_MESSAGE)
  try withUnsafeTemporaryAllocation(of: CChar.self, capacity: room) { message in
    guard let start = message.baseAddress else { return }
    message.initialize(repeating: 0)
    guard body(start) != 0 else { return }
    // One line, whatever a file's bytes have put into it.
    let text = String(cString: start).map { $0.isNewline ? " " : $0 }
    throw error(String(text))
  }
}

/// What a file is that is no JPEG, PNG or WebP, as far as its first bytes tell.
private func otherKind(_ bytes: UnsafeRawBufferPointer) -> String? {
  func has(_ text: String, at start: Int = 0) -> Bool {
    bytes.dropFirst(start).starts(with: text.utf8)
  }
  if has("GIF8") { return "a GIF image" }
  if has("BM") { return "a BMP image" }
  if has("II*\0") || has("MM\0*") { return "a TIFF image" }
  if has("ftypavif", at: 4) { return "an AVIF image" }
  if has("ftyphei", at: 4) || has("ftypmif1", at: 4) { return "a HEIF image" }
  if bytes.starts(with: [0xFF, 0x0A]) || has("JXL ", at: 4) { return "a JPEG XL image" }
  if has("jP  ", at: 4) { return "a JPEG 2000 image" }
  if has("P5\n") || has("P6\n") || has("P2\n") || has("P3\n") { return "a PNM image" }
  if has("8BPS") { return "a Photoshop image" }
  if has("<svg") || has("<?xml") { return "an SVG or XML file" }
  if has("<!DOCTYPE") || has("<!doctype") || has("<html") { return "a web page" }
  return nil
}

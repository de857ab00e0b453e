/// How a picture that a camera has stored must be turned to stand upright, as Exif says it.
///
/// Source: CIPA DC-008 (Exif 2.32), tag 0x0112. The names are those of the first row and column.
enum ExifOrientation: UInt16 {
  case topLeft = 1
  case topRight, bottomRight, bottomLeft, leftTop, rightTop, rightBottom, leftBottom

  /// Whether rows become columns.
  var swapsSides: Bool { rawValue >= 5 }

  /// What a file of the given kind says; `topLeft`, as it is stored, where it says nothing that can be
  /// read.
  ///
  /// Looks at the parts in front of the picture data alone, and follows nothing but one table.
  init(of bytes: UnsafeRawBufferPointer, _ codec: ImageCodec) {
    let exif: Range<Int>? =
      switch codec {
      case .jpeg: jpegExif(bytes)
      case .png: pngExif(bytes)
      case .webp: webpExif(bytes)
      }
    self =
      exif.flatMap { tiffOrientation(UnsafeRawBufferPointer(rebasing: bytes[$0])) }
      .flatMap(ExifOrientation.init(rawValue:)) ?? .topLeft
  }
}

extension UnsafeRawBufferPointer {
  /// A number of 2 or 4 bytes; nil beyond the end.
  fileprivate func number(_ place: Int, _ length: Int, bigEndian: Bool) -> Int? {
    guard place >= 0, length <= count, place <= count - length else { return nil }
    let own = self[place..<place + length]
    return (bigEndian ? Array(own) : own.reversed()).reduce(0) { $0 << 8 | Int($1) }
  }

  fileprivate func has(_ text: String, at place: Int) -> Bool {
    place <= count && self[place...].starts(with: text.utf8)
  }
}

/// The Exif data of a JPEG file: its first APP1 segment that begins with `Exif`.
private func jpegExif(_ bytes: UnsafeRawBufferPointer) -> Range<Int>? {
  var place = 2
  while place + 4 <= bytes.count, bytes[place] == 0xFF {
    let marker = bytes[place + 1]
    if marker == 0xFF {
      place += 1  // padding
      continue
    }
    // Start of the picture data, or its end.
    if marker == 0xDA || marker == 0xD9 { return nil }
    if marker == 0x01 || (0xD0...0xD7).contains(marker) {
      place += 2
      continue
    }
    guard let length = bytes.number(place + 2, 2, bigEndian: true), length >= 2 else { return nil }
    if marker == 0xE1, bytes.has("Exif\0\0", at: place + 4) {
      let end = min(place + 2 + length, bytes.count)
      return place + 10 <= end ? place + 10..<end : nil
    }
    place += 2 + length
  }
  return nil
}

/// The Exif data of a PNG file: its chunk `eXIf`, which may stand behind the picture.
private func pngExif(_ bytes: UnsafeRawBufferPointer) -> Range<Int>? {
  var place = 8
  while let length = bytes.number(place, 4, bigEndian: true), place + 8 <= bytes.count,
    !bytes.has("IEND", at: place + 4)
  {
    if bytes.has("eXIf", at: place + 4) {
      return place + 8..<min(place + 8 + length, bytes.count)
    }
    place += 12 + length
  }
  return nil
}

/// The Exif data of a WebP file: its chunk `EXIF`; some writers put JPEG's prefix before it.
private func webpExif(_ bytes: UnsafeRawBufferPointer) -> Range<Int>? {
  var place = 12
  // What lies behind the container is not part of the picture.
  let end = 8 + (bytes.number(4, 4, bigEndian: false) ?? 0)
  while place < end, let length = bytes.number(place + 4, 4, bigEndian: false) {
    if bytes.has("EXIF", at: place) {
      let start = place + 8 + (bytes.has("Exif\0\0", at: place + 8) ? 6 : 0)
      let end = min(place + 8 + length, bytes.count)
      return start <= end ? start..<end : nil
    }
    place += 8 + length + length % 2
  }
  return nil
}

/// The orientation in the first table of Exif data.
private func tiffOrientation(_ exif: UnsafeRawBufferPointer) -> UInt16? {
  let isBig = exif.has("MM", at: 0)
  guard isBig || exif.has("II", at: 0), exif.number(2, 2, bigEndian: isBig) == 42,
    let table = exif.number(4, 4, bigEndian: isBig),
    let count = exif.number(table, 2, bigEndian: isBig)
  else { return nil }
  for entry in 0..<count {
    let place = table + 2 + 12 * entry
    guard let tag = exif.number(place, 2, bigEndian: isBig) else { return nil }
    // One SHORT, which stands in the entry itself.
    if tag == 0x0112, exif.number(place + 2, 2, bigEndian: isBig) == 3,
      exif.number(place + 4, 4, bigEndian: isBig) == 1
    {
      return exif.number(place + 8, 2, bigEndian: isBig).map { UInt16($0) }
    }
  }
  return nil
}

/// A PNG file written chunk by chunk from sample values, uncompressed, to check a decoder with.
struct HandMadePNG {
  var width: Int
  var height: Int
  /// Bits of a sample: 1, 2, 4, 8, 16.
  var depth = 8
  /// 0 grey, 2 RGB, 3 palette, 4 grey and alpha, 6 RGB and alpha.
  var colourType = 2
  var interlaced = false
  /// Colours of a palette, three bytes each.
  var palette: [UInt8] = []
  /// Content of the tRNS chunk.
  var transparency: [UInt8] = []
  /// Row, column, channel.
  var samples: [Int]

  static let signature: [UInt8] = [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]

  var channels: Int { [0: 1, 2: 3, 3: 1, 4: 2, 6: 4][colourType] ?? 0 }

  /// The whole file.
  var file: [UInt8] {
    var header = bigEndian(width) + bigEndian(height)
    header += [UInt8(depth), UInt8(colourType), 0, 0, interlaced ? 1 : 0]
    var bytes = Self.signature + Self.chunk("IHDR", header)
    if !palette.isEmpty { bytes += Self.chunk("PLTE", palette) }
    if !transparency.isEmpty { bytes += Self.chunk("tRNS", transparency) }
    bytes += Self.chunk("tEXt", Array("Comment".utf8) + [0] + Array("a chunk to pass over".utf8))
    return bytes + Self.chunk("IDAT", stored(rows)) + Self.chunk("IEND", [])
  }

  /// The filtered rows, filter 0; those of the seven passes of an interlaced file.
  private var rows: [UInt8] {
    let passes =
      interlaced
      ? [
        (0, 0, 8, 8), (0, 4, 8, 8), (4, 0, 8, 4), (0, 2, 4, 4), (2, 0, 4, 2), (0, 1, 2, 2),
        (1, 0, 2, 1),
      ] : [(0, 0, 1, 1)]
    var bytes: [UInt8] = []
    for (firstRow, firstColumn, rowStep, columnStep) in passes where firstColumn < width {
      for row in stride(from: firstRow, to: height, by: rowStep) {
        var bits: [Int] = []
        for column in stride(from: firstColumn, to: width, by: columnStep) {
          for channel in 0..<channels {
            let sample = samples[(row * width + column) * channels + channel]
            bits += (0..<depth).map { sample >> (depth - 1 - $0) & 1 }
          }
        }
        bits += [Int](repeating: 0, count: (8 - bits.count % 8) % 8)
        bytes.append(0)
        for start in stride(from: 0, to: bits.count, by: 8) {
          bytes.append(UInt8(bits[start..<start + 8].reduce(0) { $0 << 1 | $1 }))
        }
      }
    }
    return bytes
  }

  /// A zlib stream of one stored block.
  private func stored(_ bytes: [UInt8]) -> [UInt8] {
    precondition(bytes.count < 65536)
    var (a, b) = (1, 0)
    for byte in bytes {
      a = (a + Int(byte)) % 65521
      b = (b + a) % 65521
    }
    let length = [UInt8(bytes.count & 255), UInt8(bytes.count >> 8)]
    return [0x78, 0x01, 1] + length + length.map { ~$0 } + bytes + bigEndian(b << 16 | a)
  }

  /// A chunk with its checksum.
  static func chunk(_ name: String, _ content: [UInt8]) -> [UInt8] {
    let body = Array(name.utf8) + content
    return bigEndian(content.count) + body + bigEndian(Int(checksum(body)))
  }

  /// CRC-32, bit by bit.
  static func checksum(_ bytes: some Sequence<UInt8>) -> UInt32 {
    var register: UInt32 = 0xFFFF_FFFF
    for byte in bytes {
      register ^= UInt32(byte)
      for _ in 0..<8 {
        register = register & 1 == 0 ? register >> 1 : register >> 1 ^ 0xEDB8_8320
      }
    }
    return ~register
  }

  /// `file` with the checksum of every chunk put right.
  static func repaired(_ file: [UInt8]) -> [UInt8] {
    var file = file
    var start = 8
    while start + 12 <= file.count {
      let length = file[start..<start + 4].reduce(0) { $0 << 8 | Int($1) }
      guard length <= file.count - start - 12 else { break }
      let end = start + 8 + length
      file.replaceSubrange(end..<end + 4, with: bigEndian(Int(checksum(file[start + 4..<end]))))
      start = end + 4
    }
    return file
  }
}

private func bigEndian(_ value: Int) -> [UInt8] {
  [24, 16, 8, 0].map { UInt8(value >> $0 & 255) }
}

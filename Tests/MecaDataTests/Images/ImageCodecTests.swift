import MecaCore
import MecaImages
import Testing

@Suite struct ImageCodecTests {
  static func decode(_ file: [UInt8], path: String = "a.img") throws -> DecodedImage {
    try file.withUnsafeBytes { try decodeImage($0, path: path) }
  }

  static func size(_ file: [UInt8]) throws -> ImageShape {
    try file.withUnsafeBytes { try imageSize($0, path: "a.img") }
  }

  static func randomSamples(_ count: Int, below bound: Int, seed: Int) -> [Int] {
    var random = KeyedRandom(seed: 1, purpose: .test, seed)
    return (0..<count).map { _ in random.integer(below: bound) }
  }

  /// What a reason must say of a file; the path stands before it.
  static func expectRefusal(
    _ file: [UInt8], _ parts: String..., sourceLocation: SourceLocation = #_sourceLocation
  ) {
    let error = #expect(throws: FileError.self, sourceLocation: sourceLocation) {
      try decode(file, path: "dir/a.img")
    }
    let text = error?.description ?? ""
    #expect(text.hasPrefix("dir/a.img: "), sourceLocation: sourceLocation)
    for part in parts { #expect(text.contains(part), "\(text)", sourceLocation: sourceLocation) }
  }

  // MARK: PNG

  @Test(arguments: [1, 3])
  func whatIsEncodedDecodesToTheSame(channels: Int) throws {
    for (height, width) in [(1, 1), (5, 7), (64, 33)] {
      let shape = ImageShape(channels: channels, height: height, width: width)
      let pixels = Self.randomSamples(shape.byteCount, below: 256, seed: 0).map { UInt8($0) }
      let file = try encodePNG(pixels, shape: shape)
      #expect(try encodePNG(pixels, shape: shape) == file)
      let image = try Self.decode(file)
      #expect(image.shape == ImageShape(channels: 3, height: height, width: width))
      #expect(image.pixels == (channels == 3 ? pixels : pixels + pixels + pixels))
      #expect(image.alpha == nil)
      #expect(chunkNames(file) == ["IHDR", "IDAT", "IEND"])
    }
  }

  // MARK: JPEG that we write

  /// Blocks of one colour lose nothing but roundings at quality 100.
  ///
  /// Of the colours to YCbCr and back, each half a step times 1.772 at the most, and of the mean of the
  /// block: 2 in all. Neighbouring blocks do not run into each other, because colours have full
  /// resolution.
  @Test func blocksOfOneColourStayThemselves() throws {
    let shape = ImageShape(channels: 3, height: 32, width: 40)
    let colours = Self.randomSamples(3 * 20, below: 256, seed: 3)
    let pixels = (0..<shape.byteCount).map { place -> UInt8 in
      let (channel, rest) = place.quotientAndRemainder(dividingBy: 32 * 40)
      return UInt8(colours[channel * 20 + rest / 40 / 8 * 5 + rest % 40 / 8])
    }
    let image = try Self.decode(try encodeJPEG(pixels, shape: shape, quality: 100))
    #expect(image.shape == shape)
    let worst = zip(image.pixels, pixels).map { abs(Int($0) - Int($1)) }.max()
    #expect(worst ?? 255 <= 2)
  }

  /// More than the library's first buffer holds, and sizes that are no whole blocks.
  @Test(arguments: [(1, 1), (7, 9), (300, 301)])
  func filesOfAnySizeAreWhole(height: Int, width: Int) throws {
    let shape = ImageShape(channels: 3, height: height, width: width)
    let pixels = Self.randomSamples(shape.byteCount, below: 256, seed: 4).map { UInt8($0) }
    let fine = try encodeJPEG(pixels, shape: shape, quality: 95)
    #expect(try Self.decode(fine).shape == shape)
    #expect(
      try height < 300 || encodeJPEG(pixels, shape: shape, quality: 20).count < fine.count / 2)
  }

  private func chunkNames(_ file: [UInt8]) -> [String] {
    var names: [String] = []
    var start = 8
    while start + 8 <= file.count {
      names.append(String(decoding: file[start + 4..<start + 8], as: UTF8.self))
      start += 12 + file[start..<start + 4].reduce(0) { $0 << 8 | Int($1) }
    }
    return names
  }

  struct Variant: Sendable, CustomTestStringConvertible {
    var colourType: Int
    var depth: Int
    var interlaced: Bool
    var testDescription: String {
      "type \(colourType), \(depth) bits\(interlaced ? ", interlaced" : "")"
    }
  }

  static let variants = [
    (0, [1, 2, 4, 8, 16]), (2, [8, 16]), (3, [1, 2, 4, 8]), (4, [8, 16]), (6, [8, 16]),
  ].flatMap { type, depths in
    depths.flatMap { depth in
      [false, true].map { Variant(colourType: type, depth: depth, interlaced: $0) }
    }
  }

  /// Every colour type and bit depth, with and without interlacing, against the values put in.
  @Test(arguments: variants, [true, false])
  func everyKindOfPNGDecodesToItsValues(variant: Variant, transparent: Bool) throws {
    let (width, height) = (11, 9)
    let colours = 1 << min(variant.depth, 8)
    let palette = Self.randomSamples(3 * colours, below: 256, seed: 1).map { UInt8($0) }
    var png = HandMadePNG(
      width: width, height: height, depth: variant.depth, colourType: variant.colourType,
      interlaced: variant.interlaced, palette: variant.colourType == 3 ? palette : [], samples: [])
    let channels = png.channels
    png.samples = Self.randomSamples(
      width * height * channels, below: 1 << variant.depth, seed: variant.depth)
    // The colour of pixel 5 is the transparent one; in a palette some entries are translucent.
    let opacities = Self.randomSamples(colours / 2, below: 256, seed: 2).map { UInt8($0) }
    let key = Array(png.samples[5 * channels..<6 * channels])
    if transparent {
      switch variant.colourType {
      case 0, 2: png.transparency = key.flatMap { [UInt8($0 >> 8), UInt8($0 & 255)] }
      case 3: png.transparency = opacities
      default: break
      }
    }
    func byte(_ sample: Int) -> UInt8 {
      UInt8((Double(sample) * 255 / Double(1 << variant.depth - 1)).rounded())
    }
    let image = try Self.decode(png.file)
    #expect(try Self.size(png.file) == image.shape)
    #expect(image.shape == ImageShape(channels: 3, height: height, width: width))
    let hasAlpha = variant.colourType >= 4 || transparent
    #expect((image.alpha != nil) == hasAlpha)
    for pixel in 0..<width * height {
      let values = Array(png.samples[pixel * channels..<(pixel + 1) * channels])
      let expected: [UInt8]
      var opacity: UInt8 = transparent && values == key ? 0 : 255
      switch variant.colourType {
      case 0: expected = [UInt8](repeating: byte(values[0]), count: 3)
      case 2: expected = values.map(byte)
      case 3:
        expected = Array(palette[3 * values[0]..<3 * values[0] + 3])
        opacity = transparent && values[0] < opacities.count ? opacities[values[0]] : 255
      case 4: (expected, opacity) = ([UInt8](repeating: byte(values[0]), count: 3), byte(values[1]))
      default: (expected, opacity) = (values.prefix(3).map(byte), byte(values[3]))
      }
      let got = (0..<3).map { image.pixels[$0 * width * height + pixel] }
      #expect(got == expected, "pixel \(pixel)")
      if hasAlpha { #expect(image.alpha?[pixel] == opacity, "pixel \(pixel)") }
    }
  }

  // MARK: JPEG

  @Test func theSamplesAreThere() {
    #expect(JPEGSample.all.map(\.file.count).allSatisfy { $0 > 200 })
  }

  /// Grey, colour with and without coarser colour planes, progressive, CMYK, YCCK.
  @Test(arguments: JPEGSample.all)
  func everyKindOfJPEGDecodesAsElsewhere(sample: JPEGSample) throws {
    let image = try Self.decode(sample.file)
    #expect(image.shape == JPEGSample.shape)
    #expect(try Self.size(sample.file) == JPEGSample.shape)
    #expect(image.pixels == sample.pixels)
    #expect(image.alpha == nil)
  }

  /// Inks of the CMYK samples at a pixel of the square, straight from the drawing.
  @Test(arguments: ["cmyk", "ycck"])
  func inksBecomeLight(name: String) throws {
    let sample = try #require(JPEGSample.all.first { $0.name == name })
    let image = try Self.decode(sample.file)
    let (row, column) = (4, 6)
    let light = (255 - 8 * Double(row + column)) / 255
    for (channel, colour) in [255.0, 40, 0].enumerated() {
      let got = Double(image.pixels[(channel * 10 + row) * 13 + column])
      // The loss of quality 90 at a sharp edge.
      #expect(abs(got - colour * light) < 24, "channel \(channel): \(got)")
    }
  }

  @Test(arguments: JPEGSample.all)
  func aCutJPEGIsRefusedWhereverItIsCut(sample: JPEGSample) {
    for length in 0..<sample.file.count {
      #expect(throws: FileError.self, "\(length) bytes") {
        try Self.decode(Array(sample.file.prefix(length)))
      }
    }
    Self.expectRefusal(Array(sample.file.dropLast(2)), "broken JPEG file", "Premature end")
  }

  @Test func oddBytesBetweenPartsAreNoError() throws {
    let sample = try #require(JPEGSample.all.first { $0.name == "colour" })
    // After the first segment, which begins at byte 2 with a marker and its length.
    let second = 4 + Int(sample.file[4]) << 8 + Int(sample.file[5])
    #expect(sample.file[second] == 0xFF)
    var file = sample.file
    file.insert(contentsOf: [0, 1, 2], at: second)
    #expect(try Self.decode(file).pixels == sample.pixels)
    #expect(try Self.decode(sample.file + [1, 2, 3]).pixels == sample.pixels)
  }

  @Test func corruptPictureDataIsRefused() throws {
    let sample = try #require(JPEGSample.all.first { $0.name == "restarts" })
    // A restart marker of another number.
    let marker = try #require(
      sample.file.indices.dropLast().first {
        sample.file[$0] == 0xFF && (0xD0...0xD7).contains(sample.file[$0 + 1])
      })
    var file = sample.file
    file[marker + 1] = 0xD5
    Self.expectRefusal(file, "broken JPEG file", "Corrupt JPEG data")
  }

  // MARK: What is no picture

  @Test func otherKindsAreNamed() {
    Self.expectRefusal([], "is empty")
    Self.expectRefusal(Array("GIF89a".utf8), "a GIF image", "convert it")
    Self.expectRefusal(Array("RIFF\0\0\0\0WEBPVP8 ".utf8), "broken WebP file")
    Self.expectRefusal(Array("BM\0\0".utf8), "a BMP image")
    Self.expectRefusal(Array("II*\0".utf8), "a TIFF image")
    Self.expectRefusal(Array("\0\0\0\u{1c}ftypavif".utf8), "an AVIF image")
    Self.expectRefusal(Array("<!DOCTYPE html>".utf8), "a web page")
    Self.expectRefusal(Array("hello".utf8), "neither JPEG, PNG nor WebP")
    Self.expectRefusal([0xFF, 0xD8], "broken JPEG file")
    Self.expectRefusal(HandMadePNG.signature, "broken PNG file", "ends too early")
  }

  @Test func impossibleSizesAreRefusedBeforeAnythingIsAllocated() throws {
    var png = HandMadePNG(width: 2, height: 2, samples: [Int](repeating: 0, count: 12))
    let pixels = png.file
    func withSize(_ width: Int, _ height: Int) -> [UInt8] {
      var file = pixels
      for (place, byte) in [24, 16, 8, 0].enumerated() {
        file[16 + place] = UInt8(width >> byte & 255)
        file[20 + place] = UInt8(height >> byte & 255)
      }
      return HandMadePNG.repaired(file)
    }
    #expect(try Self.decode(withSize(2, 2)).pixels == [UInt8](repeating: 0, count: 12))
    Self.expectRefusal(withSize(10001, 10000), "10001x10000 pixels", "100000000 at most")
    Self.expectRefusal(withSize(Int(Int32.max), Int(Int32.max)), "100000000 at most")
    Self.expectRefusal(withSize(1, 65536), "1x65536 pixels", "65535 at most", "row or column")
    Self.expectRefusal(withSize(10000, 10000), "bytes cannot hold 10000x10000 pixels")
    Self.expectRefusal(withSize(0, 2), "broken PNG file")
    Self.expectRefusal(withSize(2, 3), "broken PNG file")
    png.samples = []

    let sample = try #require(JPEGSample.all.first { $0.name == "colour" })
    let frame = try #require(
      sample.file.indices.dropLast().first {
        sample.file[$0] == 0xFF && sample.file[$0 + 1] == 0xC0
      })
    func jpeg(_ width: Int, _ height: Int, marker: UInt8 = 0xC0) -> [UInt8] {
      var file = sample.file
      file[frame + 1] = marker
      file.replaceSubrange(
        frame + 5..<frame + 9,
        with: [
          UInt8(height >> 8), UInt8(height & 255), UInt8(width >> 8), UInt8(width & 255),
        ])
      return file
    }
    #expect(try Self.decode(jpeg(13, 10)).pixels == sample.pixels)
    Self.expectRefusal(jpeg(65500, 65500), "65500x65500 pixels", "100000000 at most")
    Self.expectRefusal(jpeg(9000, 9000), "bytes cannot hold 9000x9000 pixels")
    Self.expectRefusal(jpeg(0, 9000), "broken JPEG file", "Empty JPEG image")
    Self.expectRefusal(jpeg(13, 10, marker: 0xC9), "arithmetic coding")
    Self.expectRefusal(jpeg(13, 10, marker: 0xC3), "broken JPEG file")
  }

  // MARK: Files

  @Test func filesAreReadAndNamedInErrors() throws {
    let folder = try TemporaryFolder()
    let sample = JPEGSample.all[1]
    #expect(try readImage(folder.write("a b ü.jpg", sample.file)).pixels == sample.pixels)
    // A file too long to be read at once is mapped.
    let long = sample.file + [UInt8](repeating: 0, count: 1 << 22)
    #expect(try readImage(folder.write("long.jpg", long)).pixels == sample.pixels)
    let missing = folder.path + "/missing.png"
    #expect(throws: FileError.missing(path: missing, hint: "check the path")) {
      try readImage(missing)
    }
    #expect(throws: FileError.malformed(path: folder.path, reason: "is not a regular file")) {
      try readImage(folder.path)
    }
    let empty = try folder.write("empty.png", [])
    #expect(throws: FileError.malformed(path: empty, reason: "is empty")) { try readImage(empty) }
  }
}

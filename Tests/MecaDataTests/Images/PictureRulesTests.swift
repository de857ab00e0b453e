import MecaCore
import MecaImages
import MecaTestSupport
import Testing

/// WebP files, and what a picture's own facts make of it: orientation and transparency.
@Suite struct PictureRulesTests {
  @Test(arguments: WebPSample.all)
  func decodesWebPAsPillowDoes(sample: WebPSample) throws {
    let image = try ImageCodecTests.decode(sample.file)
    #expect(image.shape == WebPSample.shape)
    #expect(image.pixels == sample.pixels)
    #expect(image.alpha ?? [] == sample.alpha)
    #expect(try ImageCodecTests.size(sample.file) == WebPSample.shape)
  }

  @Test func brokenWebPIsRefused() throws {
    let file = WebPSample.all[0].file
    ImageCodecTests.expectRefusal(Array(file.prefix(file.count / 2)), "broken WebP file")
    ImageCodecTests.expectRefusal(Array(file.prefix(20)), "broken WebP file")
    // An animation says so in the flags of its first chunk.
    let flags: [UInt8] = [2, 0, 0, 0, 12, 0, 0, 9, 0, 0]
    let animation = Array("RIFF".utf8) + [22, 0, 0, 0] + Array("WEBPVP8X".utf8) + [10, 0, 0, 0]
    ImageCodecTests.expectRefusal(animation + flags, "animation")
  }

  // MARK: Orientation

  /// Where Pillow's `ImageOps.exif_transpose` takes each pixel of a picture of 2 rows and 3 columns
  /// from.
  static let orientations: [(value: Int, rows: Int, sources: [Int])] = [
    (1, 2, [0, 1, 2, 3, 4, 5]), (2, 2, [2, 1, 0, 5, 4, 3]), (3, 2, [5, 4, 3, 2, 1, 0]),
    (4, 2, [3, 4, 5, 0, 1, 2]), (5, 3, [0, 3, 1, 4, 2, 5]), (6, 3, [3, 0, 4, 1, 5, 2]),
    (7, 3, [5, 2, 4, 1, 3, 0]), (8, 3, [2, 5, 1, 4, 0, 3]),
  ]

  /// Exif data with an orientation, in either byte order, behind another entry.
  private func exif(_ orientation: Int, isBig: Bool) -> [UInt8] {
    func number(_ value: Int, _ length: Int) -> [UInt8] {
      let bytes = (0..<length).map { UInt8(value >> (8 * $0) & 255) }
      return isBig ? bytes.reversed() : bytes
    }
    func entry(_ tag: Int, _ value: Int) -> [UInt8] {
      number(tag, 2) + number(3, 2) + number(1, 4) + number(value, 2) + [0, 0]
    }
    return Array((isBig ? "MM" : "II").utf8) + number(42, 2) + number(8, 4) + number(2, 2)
      + entry(0x0103, 7) + entry(0x0112, orientation) + number(0, 4)
  }

  private func png(_ exif: [UInt8]?, transparent: Bool = false) -> [UInt8] {
    var png = HandMadePNG(width: 3, height: 2, colourType: transparent ? 6 : 2, samples: [])
    png.samples = (0..<6).flatMap { place in
      [place, 10 + place, 20 + place] + (transparent ? [250 + place] : [])
    }
    guard let exif else { return png.file }
    return Array(png.file.dropLast(12)) + HandMadePNG.chunk("eXIf", exif)
      + HandMadePNG.chunk("IEND", [])
  }

  private func read(
    _ file: [UInt8], _ rules: PictureRules = PictureRules()
  ) throws -> (image: DecodedImage, changes: PictureChanges) {
    try file.withUnsafeBytes { try decodeImage($0, path: "a", rules) }
  }

  private func size(_ file: [UInt8], _ rules: PictureRules = PictureRules()) throws -> ImageShape {
    try file.withUnsafeBytes { try imageSize($0, path: "a", rules) }
  }

  @Test(arguments: orientations.indices, [true, false])
  func picturesAreTurnedAsTheirExifDataSay(number: Int, isBig: Bool) throws {
    let (value, rows, sources) = Self.orientations[number]
    let file = png(exif(value, isBig: isBig))
    let (image, changes) = try read(file)
    #expect(image.shape == ImageShape(channels: 3, height: rows, width: 6 / rows))
    #expect(
      image.pixels == [0, 10, 20].flatMap { base in sources.map { UInt8(base + $0) } })
    #expect(changes.wasTurned == (value != 1) && !changes.wasTransparent)
    #expect(try size(file) == image.shape)
    var rules = PictureRules()
    rules.orientation = .ignore
    let (stored, none) = try read(file, rules)
    #expect(stored.pixels == (try read(png(nil))).image.pixels && !none.wasTurned)
    #expect(try size(file, rules) == stored.shape)
  }

  @Test func everyKindOfFileSaysItsOrientation() throws {
    let jpeg = JPEGSample.all[1].file
    let data = Array("Exif\0\0".utf8) + exif(6, isBig: false)
    let segment = [0xFF, 0xE1, 0, UInt8(data.count + 2)] + data
    let turned = try read(Array(jpeg.prefix(2)) + segment + Array(jpeg.dropFirst(2)))
    #expect(turned.changes.wasTurned)
    #expect(turned.image.shape == ImageShape(channels: 3, height: 13, width: 10))
    // Row 0 of a picture turned right is its first column from below.
    #expect(Array(turned.image.pixels.prefix(10)) == firstColumn(JPEGSample.all[1].pixels))
    let webp = try #require(WebPSample.all.last)
    let (image, changes) = try read(webp.file)
    #expect(changes.wasTurned && image.shape == ImageShape(channels: 3, height: 13, width: 10))
    #expect(Array(image.pixels.prefix(10)) == firstColumn(webp.pixels))
  }

  /// The first column of a sample, from below.
  private func firstColumn(_ pixels: [UInt8]) -> [UInt8] {
    (0..<10).map { pixels[(9 - $0) * 13] }
  }

  /// Whatever stands in Exif data, the picture is read.
  @Test(arguments: [0, 9, 65535])
  func anImpossibleOrientationIsNone(value: Int) throws {
    let (image, changes) = try read(png(exif(value, isBig: true)))
    #expect(!changes.wasTurned && image.shape.width == 3)
  }

  @Test func exifDataThatEndEarlyAreNone() throws {
    let whole = exif(6, isBig: false)
    for length in 0..<whole.count - 8 {
      #expect(try !read(png(Array(whole.prefix(length)))).changes.wasTurned, "\(length)")
    }
    // A table beyond the end, and one of 65,535 entries.
    var (far, many) = (whole, whole)
    far[4] = 0xFF
    many.replaceSubrange(8..<10, with: [0xFF, 0xFF])
    #expect(try !read(png(far)).changes.wasTurned)
    #expect(try read(png(many)).changes.wasTurned)
  }

  // MARK: Transparency

  @Test(arguments: [
    ("white", [255, 255, 255]), ("black", [0, 0, 0]), ("grey", [128, 128, 128]),
    ("#0a64ff", [10, 100, 255]),
  ])
  func transparentPartsAreLaidOnAColour(name: String, colour: [Int]) throws {
    let sample = try #require(WebPSample.all.first { $0.name == "lossless with opacity" })
    var rules = PictureRules()
    rules.background = try #require(Background(name))
    #expect(rules.background.text == name)
    let (image, changes) = try read(sample.file, rules)
    #expect(changes.wasTransparent && image.alpha == nil)
    let plane = sample.alpha.count
    let expected = (0..<3 * plane).map { place in
      let opacity = Double(sample.alpha[place % plane]) / 255
      let mixed =
        opacity * Double(sample.pixels[place]) + (1 - opacity) * Double(colour[place / plane])
      return UInt8(mixed.rounded())
    }
    #expect(image.pixels == expected)
    rules.background = .stored
    #expect(try read(sample.file, rules).image.pixels == sample.pixels)
  }

  /// An opaque picture with a transparency channel is what it is without.
  @Test func opaquePicturesAreNotTouched() throws {
    var png = HandMadePNG(width: 3, height: 2, colourType: 6, samples: [])
    png.samples = (0..<6).flatMap { [$0, 10 + $0, 20 + $0, 255] }
    let (image, changes) = try read(png.file)
    #expect(!changes.wasTransparent)
    #expect(image.pixels == (try read(self.png(nil))).image.pixels)
  }

  @Test(arguments: ["", "#12345", "#12345g", "#-12345", "red", "#1234567", "White"])
  func whatIsNoBackgroundIsRefused(text: String) { #expect(Background(text) == nil) }
}

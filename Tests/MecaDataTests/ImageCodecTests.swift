import MecaCore
import MecaData
import Testing

@Suite struct ImageCodecTests {
  @Test func pngRoundTrip() throws {
    for channels in [1, 3] {
      let shape = ImageShape(channels: channels, height: 5, width: 7)
      var random = KeyedRandom(seed: 1, purpose: .test, channels)
      let pixels = (0..<shape.byteCount).map { _ in UInt8(random.integer(below: 256)) }
      let file = try encodePNG(pixels, shape: shape)
      #expect(try encodePNG(pixels, shape: shape) == file)
      let image = try file.withUnsafeBytes { try decodeImage($0, path: "a.png") }
      #expect(image.shape == ImageShape(channels: 3, height: 5, width: 7))
      #expect(image.pixels == (channels == 3 ? pixels : pixels + pixels + pixels))
      #expect(image.alpha == nil)
    }
  }
}

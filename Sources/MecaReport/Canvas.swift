import MecaCore
import MecaImages

/// A colour picture to put images and captions on, for files that a person looks at.
public struct Canvas {
  /// A colour of 8 bits a channel.
  public struct Colour: Sendable {
    var channels: [UInt8]

    /// Black.
    public static let black = Colour(channels: [0, 0, 0])
    /// White.
    public static let white = Colour(channels: [255, 255, 255])
    /// For what is less important.
    public static let grey = Colour(channels: [110, 110, 110])
  }

  /// Columns.
  public let width: Int
  /// Rows.
  public let height: Int
  /// All bytes: channel, row, column.
  public private(set) var pixels: [UInt8]

  /// A white canvas.
  public init(width: Int, height: Int) {
    precondition(width > 0 && height > 0, "canvas of \(width)x\(height)")
    self.width = width
    self.height = height
    pixels = [UInt8](repeating: 255, count: 3 * width * height)
  }

  private mutating func set(_ x: Int, _ y: Int, _ channel: Int, _ value: UInt8) {
    guard x >= 0 && x < width && y >= 0 && y < height else { return }
    pixels[(channel * height + y) * width + x] = value
  }

  /// Puts an image with its upper left corner at (x, y), every pixel `scale` × `scale`.
  ///
  /// - Parameter image: channel, row, column; 3 channels.
  public mutating func draw(_ image: [UInt8], shape: ImageShape, scale: Int, x: Int, y: Int) {
    precondition(shape.channels == 3 && image.count == shape.byteCount, "\(image.count) bytes")
    for channel in 0..<3 {
      for row in 0..<shape.height * scale {
        for column in 0..<shape.width * scale {
          let source = (channel * shape.height + row / scale) * shape.width + column / scale
          set(x + column, y + row, channel, image[source])
        }
      }
    }
  }

  /// Writes one line with its upper left corner at (x, y); what does not fit is cut off.
  public mutating func write(_ text: String, x: Int, y: Int, scale: Int, colour: Colour = .black) {
    for (place, letter) in text.unicodeScalars.enumerated() {
      for row in 0..<PixelFont.height * scale {
        for column in 0..<PixelFont.width * scale
        where PixelFont.isSet(letter, row: row / scale, column: column / scale) {
          for channel in 0..<3 {
            set(
              x + place * PixelFont.advance * scale + column, y + row, channel,
              colour.channels[channel])
          }
        }
      }
    }
  }

  /// Columns that a line takes.
  public static func width(of text: String, scale: Int) -> Int {
    text.unicodeScalars.count * PixelFont.advance * scale
  }

  /// Rows from one line to the next.
  public static func lineHeight(scale: Int) -> Int { PixelFont.lineAdvance * scale }

  /// The canvas as a PNG file.
  public func png() throws -> [UInt8] {
    try encodePNG(pixels, shape: ImageShape(channels: 3, height: height, width: width))
  }
}

import MecaCore

/// Changes brightness, contrast and saturation by random factors, in random order.
///
/// With a factor f drawn evenly from [1 − strength, 1 + strength] and every result clamped to
/// [0, 1]: brightness `f·x`; contrast `f·x + (1 − f)·m`, m the mean of the grey image; saturation
/// `f·x + (1 − f)·grey(x)`, where grey is 0.2989·red + 0.587·green + 0.114·blue. As torchvision's
/// `ColorJitter` on tensors, without hue.
public struct ColourJitter: Codable, Hashable, Sendable {
  /// Largest change of the brightness factor.
  public var brightness: Float
  /// Largest change of the contrast factor.
  public var contrast: Float
  /// Largest change of the saturation factor.
  public var saturation: Float

  /// A jitter; the defaults are those of BackdoorBox's physical transformations.
  public init(brightness: Float = 0.2, contrast: Float = 0.2, saturation: Float = 0) {
    self.brightness = brightness
    self.contrast = contrast
    self.saturation = saturation
  }

  /// Checks that no factor can be negative.
  func validate() throws {
    for strength in [brightness, contrast, saturation] {
      try require(strength >= 0 && strength <= 1, "jitter", strength, "from 0 to 1")
    }
  }
}

/// The factors for one image and the order they are applied in.
package struct JitterDraw: Equatable {
  /// One of the six orders, 0 to 5.
  package var order: Int
  /// Factor of the brightness.
  package var brightness: Float
  /// Factor of the contrast.
  package var contrast: Float
  /// Factor of the saturation.
  package var saturation: Float

  /// All values.
  package init(order: Int, brightness: Float, contrast: Float, saturation: Float) {
    self.order = order
    self.brightness = brightness
    self.contrast = contrast
    self.saturation = saturation
  }
}

extension JitterDraw {
  /// Draws four numbers.
  package init(_ jitter: ColourJitter, _ random: inout KeyedRandom) {
    func factor(_ strength: Float) -> Float { random.uniform(in: 1 - strength...1 + strength) }
    order = random.integer(below: 6)
    brightness = factor(jitter.brightness)
    contrast = factor(jitter.contrast)
    saturation = factor(jitter.saturation)
  }

  /// What comes at `place` (0 to 2): 0 brightness, 1 contrast, 2 saturation.
  ///
  /// Order 2·k and 2·k + 1 begin with k; the other two follow it round the circle, or against it.
  private func step(at place: Int) -> Int {
    let turn = order % 2 == 0 ? place : 3 - place
    return (order / 2 + turn) % 3
  }

  /// Changes an image [C, H, W] of pixels in [0, 1] in place.
  package func apply(to pixels: UnsafeMutablePointer<Float>, shape: ImageShape) {
    for place in 0..<3 {
      switch step(at: place) {
      case 0: blend(pixels, count: shape.byteCount, factor: brightness, other: 0)
      case 1 where contrast != 1:
        blend(
          pixels, count: shape.byteCount, factor: contrast, other: meanGrey(pixels, shape: shape))
      case 2 where saturation != 1: blendWithGrey(pixels, shape: shape, factor: saturation)
      default: break
      }
    }
  }
}

/// x ← clamp(factor·x + (1 − factor)·other).
private func blend(
  _ pixels: UnsafeMutablePointer<Float>, count: Int, factor: Float, other: Float
) {
  let rest = (1 - factor) * other
  for place in 0..<count { pixels[place] = max(0, min(1, factor * pixels[place] + rest)) }
}

/// Weights of red, green and blue in a grey image (ITU-R BT.601, as torchvision writes them).
private let greyWeights: (red: Float, green: Float, blue: Float) = (0.2989, 0.587, 0.114)

/// The mean over the pixels of the grey image, from the means of the channels; of an image that is
/// not red, green and blue, the mean of all its values.
private func meanGrey(_ pixels: UnsafePointer<Float>, shape: ImageShape) -> Float {
  let count = shape.height * shape.width
  func sum(_ channel: Int) -> Double {
    planeSum(pixels + channel * count, rows: shape.height, columns: shape.width)
  }
  if shape.channels == 3 {
    let weighted =
      Double(greyWeights.red) * sum(0) + Double(greyWeights.green) * sum(1)
      + Double(greyWeights.blue) * sum(2)
    return Float(weighted / Double(count))
  }
  var total = 0.0
  for channel in 0..<shape.channels { total += sum(channel) }
  return Float(total / Double(shape.byteCount))
}

/// The sum of a plane: eight partial sums along each row, rows in double precision.
///
/// The order is written down, not left to the compiler, so that the bits are everywhere the same.
private func planeSum(_ plane: UnsafePointer<Float>, rows: Int, columns: Int) -> Double {
  var total = 0.0
  for row in 0..<rows {
    let line = plane + row * columns
    var lanes = SIMD8<Float>()
    var column = 0
    while column + 8 <= columns {
      let next = UnsafeRawPointer(line + column).loadUnaligned(as: SIMD8<Float>.self)
      lanes += next
      column += 8
    }
    var rest: Float = 0
    while column < columns {
      rest += line[column]
      column += 1
    }
    let four = lanes.lowHalf + lanes.highHalf
    let two = four.lowHalf + four.highHalf
    total += Double(two.x + two.y + rest)
  }
  return total
}

/// x ← clamp(factor·x + (1 − factor)·grey(x)) for red, green, blue; other images have no saturation.
private func blendWithGrey(
  _ pixels: UnsafeMutablePointer<Float>, shape: ImageShape, factor: Float
) {
  guard shape.channels == 3 else { return }
  let count = shape.height * shape.width
  let (red, green, blue) = (pixels, pixels + count, pixels + 2 * count)
  let weights = greyWeights
  for place in 0..<count {
    let grey =
      weights.red * red[place] + weights.green * green[place] + weights.blue * blue[place]
    let rest = (1 - factor) * grey
    red[place] = max(0, min(1, factor * red[place] + rest))
    green[place] = max(0, min(1, factor * green[place] + rest))
    blue[place] = max(0, min(1, factor * blue[place] + rest))
  }
}

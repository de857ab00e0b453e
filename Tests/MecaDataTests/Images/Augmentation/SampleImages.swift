import MecaCore
import MecaImages

/// A shape without any symmetry, with lines that are no multiple of eight.
let oddShape = ImageShape(channels: 3, height: 7, width: 11)

/// Bytes that look like nothing in particular.
func randomBytes(_ shape: ImageShape, seed: UInt64 = 4) -> [UInt8] {
  var random = KeyedRandom(seed: seed, purpose: .test)
  return (0..<shape.byteCount).map { _ in UInt8(random.integer(below: 256)) }
}

/// The same as pixels in [0, 1].
func randomPixels(_ shape: ImageShape, seed: UInt64 = 4) -> [Float] {
  randomBytes(shape, seed: seed).map { Float($0) * (1 / 255) }
}

/// One image as channels of rows of columns.
func planes<Value>(_ image: [Value], _ shape: ImageShape) -> [[[Value]]] {
  (0..<shape.channels).map { channel in
    (0..<shape.height).map { row in
      (0..<shape.width).map { image[(channel * shape.height + row) * shape.width + $0] }
    }
  }
}

/// An image from a formula.
func image(_ shape: ImageShape, _ value: (_ c: Int, _ i: Int, _ j: Int) -> Double) -> [Double] {
  var result: [Double] = []
  for c in 0..<shape.channels {
    for i in 0..<shape.height {
      for j in 0..<shape.width { result.append(value(c, i, j)) }
    }
  }
  return result
}

/// The largest difference between two images of one size.
func distance(_ found: [Float], _ expected: [Double]) -> Double {
  precondition(found.count == expected.count)
  return zip(found, expected).map { abs(Double($0) - $1) }.max() ?? 0
}

/// The pixels that an augmentation makes of `bytes` under the key of (epoch, index).
func augmented(
  _ augmentation: Augmentation, _ bytes: [UInt8], _ shape: ImageShape, seed: UInt64 = 1,
  epoch: Int = 0, index: Int = 0
) -> [Float] {
  var pixels = [Float](repeating: .nan, count: shape.byteCount)
  var random = KeyedRandom(seed: seed, purpose: .augmentation, epoch, index)
  ImageAugmenter(augmentation, shape: shape).augment(bytes, to: &pixels, &random)
  return pixels
}

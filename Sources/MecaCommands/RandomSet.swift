import MecaCore
import MecaData

/// Random images of any size for measurements: a few different ones, again and again.
struct RandomSet: ImageSet {
  let name = "random"
  let classNames: [String]
  let imageShape: ImageShape
  let count: Int
  let meanAndDeviation: (mean: [Float], standardDeviation: [Float])
  private let images: [UInt8]
  /// Images that differ: what is computed does not depend on them.
  private static let different = 64

  init(shape: ImageShape, classes: Int, count: Int, seed: UInt64) {
    classNames = (0..<classes).map { "\($0)" }
    imageShape = shape
    self.count = count
    // Of evenly distributed bytes.
    let deviation = (1.0 / 12).squareRoot()
    meanAndDeviation = (
      [Float](repeating: 0.5, count: shape.channels),
      [Float](repeating: Float(deviation), count: shape.channels)
    )
    var random = KeyedRandom(seed: seed, purpose: .shapesImage, 0)
    images = (0..<min(count, Self.different) * shape.byteCount).map { _ in
      UInt8(random.integer(below: 256))
    }
  }

  func label(at index: Int) -> Int { index % classNames.count }

  func copyImage(at index: Int, to destination: UnsafeMutablePointer<UInt8>) {
    let bytes = imageShape.byteCount
    images.withUnsafeBufferPointer { source in
      guard let base = source.baseAddress else { return }
      destination.update(from: base + index % Self.different * bytes, count: bytes)
    }
  }

  func path(at index: Int) -> String { "random#\(index)" }
}

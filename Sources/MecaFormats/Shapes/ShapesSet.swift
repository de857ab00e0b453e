import MecaCore
import MecaImages

/// The built-in data set: ten kinds of shapes, 32×32 colour images, drawn when asked for.
///
/// Every image is a function of (seed, split, index) and of nothing else, so ranks can draw parts
/// of the set and exchange them. The classes are balanced: within each ten consecutive samples
/// every class comes once, in an order drawn from the key.
///
/// Only additions, multiplications, divisions and square roots of `Float` are used, which IEEE 754
/// defines to the last bit: the bytes are the same on every machine.
///
/// - Ranks: local.
public struct ShapesSet: ImageSet {
  /// Name of the data set.
  public let name = "shapes"
  /// Size of every image.
  public let imageShape = ImageShape(channels: 3, height: 32, width: 32)
  /// Number of samples.
  public let count: Int
  /// Seed of the whole set.
  public let seed: UInt64
  /// Which part; the two parts share no image.
  public let split: Split

  /// Samples of the usual training part.
  public static let trainCount = 6000
  /// Samples of the usual test part.
  public static let testCount = 2000

  /// The first `count` samples of a split; 6,000 for training and 2,000 for test by default.
  public init(seed: UInt64, split: Split, count: Int? = nil) {
    let count = count ?? (split == .train ? Self.trainCount : Self.testCount)
    precondition(count >= 0 && count <= 1 << 32, "count \(count) is not in 0...2^32")
    self.seed = seed
    self.split = split
    self.count = count
  }

  /// Names of the classes: the kinds of shapes.
  public var classNames: [String] { ShapeKind.allCases.map(\.name) }

  /// Class of the sample at `index`.
  public func label(at index: Int) -> Int {
    requireIndex(index)
    let block = index / ShapeKind.allCases.count
    var random = KeyedRandom(seed: seed, purpose: .shapesImage, 2 + splitNumber, block)
    return random.permutation(count: ShapeKind.allCases.count)[index % ShapeKind.allCases.count]
  }

  /// Writes the image at `index` as bytes: channel, row, column.
  public func copyImage(at index: Int, into image: inout MutableSpan<UInt8>) {
    var random = KeyedRandom(seed: seed, purpose: .shapesImage, splitNumber, index)
    withUnsafeTemporaryAllocation(of: Float.self, capacity: ShapeCanvas.floatCount) { memory in
      guard let base = memory.baseAddress else { return }
      drawShapesImage(
        ShapeKind.allCases[label(at: index)], &random, on: ShapeCanvas(pixels: base), into: &image)
    }
  }

  /// Where the sample comes from, for lists that a person reads.
  public func path(at index: Int) -> String {
    requireIndex(index)
    return "shapes/\(split.rawValue)#\(index)"
  }

  /// Measured over the 6,000 training images of seed 1, rounded to three digits.
  public var meanAndDeviation: (mean: [Float], standardDeviation: [Float]) {
    ([0.502, 0.500, 0.501], [0.226, 0.225, 0.226])
  }

  private var splitNumber: Int { split == .train ? 0 : 1 }

}

/// Exact sums over the pixels of a set, from which the normalisation constants follow.
///
/// Integers: parts that several ranks summed give the same constants in any order.
public struct PixelStatistics: Sendable, Equatable {
  /// Pixels of one channel that were summed.
  public private(set) var pixels: Int64 = 0
  /// Σ x for each channel.
  public private(set) var sums: [Int64]
  /// Σ x² for each channel.
  public private(set) var squares: [Int64]

  /// Nothing summed yet.
  public init(channels: Int) {
    sums = [Int64](repeating: 0, count: channels)
    squares = sums
  }

  /// Sums that another rank wrote down as `numbers`.
  public init(numbers: ArraySlice<Int64>) {
    precondition(numbers.count % 2 == 1, "\(numbers.count) numbers")
    let channels = numbers.count / 2
    pixels = numbers.first!
    sums = Array(numbers.dropFirst().prefix(channels))
    squares = Array(numbers.suffix(channels))
  }

  /// The sums in one row: pixels, Σ x, Σ x².
  public var numbers: [Int64] { [pixels] + sums + squares }

  /// Adds the images of some samples.
  public mutating func add(_ set: any ImageSet, samples: Range<Int>) {
    let shape = set.imageShape
    let plane = shape.height * shape.width
    withUnsafeTemporaryAllocation(of: UInt8.self, capacity: shape.byteCount) { image in
      guard let base = image.baseAddress else { return }
      for index in samples {
        set.copyImage(at: index, to: base)
        for channel in 0..<shape.channels {
          var (sum, square): (Int64, Int64) = (0, 0)
          for pixel in base + channel * plane..<base + (channel + 1) * plane {
            let value = Int64(pixel.pointee)
            sum += value
            square += value * value
          }
          sums[channel] += sum
          squares[channel] += square
        }
      }
    }
    pixels += Int64(samples.count * plane)
  }

  /// Adds another part's sums.
  public mutating func add(_ other: PixelStatistics) {
    pixels += other.pixels
    for channel in sums.indices {
      sums[channel] += other.sums[channel]
      squares[channel] += other.squares[channel]
    }
  }

  /// Mean and standard deviation (of the population) of each channel, in units of [0, 1].
  ///
  /// `σ² = (n·Σx² − (Σx)²) / n²`, the numerator as an exact integer. A channel of one value has
  /// nothing to scale: its deviation is given as 1.
  public var meanAndDeviation: (mean: [Float], standardDeviation: [Float]) {
    let count = Double(max(1, pixels))
    let mean = sums.map { Float(Double($0) / count / 255) }
    let deviation = zip(sums, squares).map { sum, square in
      let numerator =
        Int128(pixels) * Int128(square) - Int128(sum) * Int128(sum)
      return numerator == 0 ? 1 : Float(Double(numerator).squareRoot() / count / 255)
    }
    return (mean, deviation)
  }
}

/// What a random number is drawn for; part of its key, so that two uses never share numbers.
///
/// The raw values are part of every result: never renumber, only append.
public enum RandomPurpose: UInt32, Sendable, CaseIterable {
  case weightInitialisation = 1
  case trainingOrder = 2
  case shapesImage = 3
  case poisonSelection = 4
  case triggerPattern = 5
  case perturbationMask = 6
  case foldAssignment = 7
  case augmentation = 8
  case labelMixing = 9
  case warpField = 10
  case triggerPieces = 11
  case forecast = 12
  case testSelection = 13
  case lossDirection = 14
  case test = 100
}

/// Random numbers as a function of a key, never of how many were drawn elsewhere.
///
/// Philox4x32-10: ten rounds of multiplication and exclusive or turn (counter, key) into four words.
/// The 64-bit seed is the key; purpose and the three coordinates fill the counter together with a
/// running block number. Any rank can compute any sample's numbers without talking to the others.
///
/// - Ranks: local, and the same on every rank.
/// - Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3", §5.
public struct KeyedRandom: RandomNumberGenerator, Sendable {
  private var key: (UInt32, UInt32)
  private var counter: (UInt32, UInt32, UInt32, UInt32)
  private var block: (UInt32, UInt32, UInt32, UInt32) = (0, 0, 0, 0)
  private var wordsLeft = 0

  /// Opens the stream of numbers for one key.
  ///
  /// - Parameters:
  ///   - seed: the run's seed.
  ///   - purpose: what the numbers are for.
  ///   - first: first coordinate, for example an epoch or a round; must fit in 32 bits.
  ///   - second: second coordinate, for example a sample index; must fit in 32 bits.
  public init(seed: UInt64, purpose: RandomPurpose, _ first: Int = 0, _ second: Int = 0) {
    key = (UInt32(truncatingIfNeeded: seed), UInt32(truncatingIfNeeded: seed >> 32))
    counter = (0, UInt32(first), UInt32(second), purpose.rawValue)
  }

  /// The next 32 random bits.
  public mutating func nextWord() -> UInt32 {
    if wordsLeft == 0 {
      block = philox4x32(counter: counter, key: key)
      counter.0 &+= 1
      wordsLeft = 4
    }
    wordsLeft -= 1
    switch wordsLeft {
    case 3: return block.0
    case 2: return block.1
    case 1: return block.2
    default: return block.3
    }
  }

  /// The next 64 random bits.
  public mutating func next() -> UInt64 {
    let low = UInt64(nextWord())
    return low | (UInt64(nextWord()) << 32)
  }

  /// A number from [0, 1), a multiple of 2⁻²⁴.
  public mutating func uniform() -> Float {
    Float(nextWord() >> 8) * (1.0 / 16_777_216.0)
  }

  /// A number from `range`; the upper bound itself comes up by rounding alone.
  public mutating func uniform(in range: ClosedRange<Float>) -> Float {
    range.lowerBound + (range.upperBound - range.lowerBound) * uniform()
  }

  /// An integer from 0 to `bound` − 1; `bound` must be 1 to 2³².
  ///
  /// Multiply-shift (Lemire 2019) without rejection: the bias is below `bound`/2³².
  public mutating func integer(below bound: Int) -> Int {
    precondition(bound > 0 && bound <= 1 << 32, "bound \(bound) is not in 1...2^32")
    return Int((UInt64(nextWord()) &* UInt64(bound)) >> 32)
  }

  /// A normally distributed number (mean 0, deviation 1) as the sum of twelve uniforms less six.
  ///
  /// Irwin–Hall instead of Box–Muller: only additions, so the bits do not depend on a libm.
  public mutating func normal() -> Float {
    var sum: Float = -6
    for _ in 0..<12 { sum += uniform() }
    return sum
  }

  /// A permutation of 0 to `count` − 1 (Fisher–Yates).
  public mutating func permutation(count: Int) -> [Int] {
    var order = Array(0..<count)
    guard count > 1 else { return order }
    for last in stride(from: count - 1, to: 0, by: -1) {
      order.swapAt(last, integer(below: last + 1))
    }
    return order
  }
}

/// Ten Philox rounds.
///
/// - Source: Salmon et al. 2011, §3.3; constants of the authors' Random123 library.
@inline(__always)
package func philox4x32(
  counter: (UInt32, UInt32, UInt32, UInt32), key: (UInt32, UInt32)
) -> (UInt32, UInt32, UInt32, UInt32) {
  var c = counter
  var k = key
  for _ in 0..<10 {
    let p0 = UInt64(0xD251_1F53) &* UInt64(c.0)
    let p1 = UInt64(0xCD9E_8D57) &* UInt64(c.2)
    c = (
      UInt32(truncatingIfNeeded: p1 >> 32) ^ c.1 ^ k.0, UInt32(truncatingIfNeeded: p1),
      UInt32(truncatingIfNeeded: p0 >> 32) ^ c.3 ^ k.1, UInt32(truncatingIfNeeded: p0)
    )
    k.0 &+= 0x9E37_79B9
    k.1 &+= 0xBB67_AE85
  }
  return c
}

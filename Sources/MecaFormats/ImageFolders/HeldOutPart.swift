import MecaCore

/// Which images of a set without test images are held out to judge by.
///
/// An image belongs to the part if `h(seed, path) < share · 2⁶⁴`, h the first 64 bits of SHA-256: its
/// own name decides, so that it stays where it is when other files come and go. A class of two images
/// or more gives at least one, that of the least h, and keeps at least one.
///
/// Example: of 1,000 images and a share of 0.2 about 200 are held out, give or take 13.
public struct HeldOutPart: Hashable, Sendable {
  /// The share that is held out, more than 0 and below 1.
  public var share: Double
  /// Seed of the choice.
  public var seed: UInt64

  /// All values.
  public init(share: Double, seed: UInt64) { (self.share, self.seed) = (share, seed) }

  /// Whether each of a class's images is held out.
  ///
  /// - Parameter paths: relative to the set's folder.
  func membership(of paths: [[UInt8]]) -> [Bool] {
    let values = paths.map(value)
    let limit = share * 0x1p64
    var isOut = values.map { Double($0) < limit }
    guard paths.count > 1 else { return [Bool](repeating: false, count: paths.count) }
    let order = paths.indices.sorted { (values[$0], $0) < (values[$1], $1) }
    if !isOut.contains(true) { isOut[order[0]] = true }
    if !isOut.contains(false) { isOut[order[order.count - 1]] = false }
    return isOut
  }

  /// The number that decides on one image.
  private func value(_ path: [UInt8]) -> UInt64 {
    var digest = SHA256Digest()
    digest.update([seed.littleEndian])
    digest.update(path)
    return digest.bytes().prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
  }
}

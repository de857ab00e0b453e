import MecaCore
import MecaData

/// Brings 8-bit images of a set into a microbatch as raw pixels in [0, 1].
///
/// One byte buffer a thread; nothing is allocated per image.
struct PixelLoader {
  private let set: any ImageSet
  private let byteCount: Int
  private let bytes: [AlignedStorage<UInt8>]

  init(set: any ImageSet, threads: Int) {
    self.set = set
    byteCount = set.imageShape.byteCount
    bytes = (0..<threads).map { _ in AlignedStorage<UInt8>(count: set.imageShape.byteCount) }
  }

  /// Writes image `index` to place `slot` of a microbatch [N, C, H, W].
  func load(_ index: Int, thread: Int, to images: UnsafeMutablePointer<Float>, slot: Int) {
    let source = bytes[thread].pointer
    set.copyImage(at: index, to: source)
    let destination = images + slot * byteCount
    for place in 0..<byteCount { destination[place] = Float(source[place]) * (1 / 255) }
  }
}

import MecaCore
import MecaData

/// Brings 8-bit images of a set into a microbatch as raw pixels in [0, 1].
///
/// One byte buffer a thread, and one of pixels where images are transformed; nothing is allocated
/// per image.
struct PixelLoader {
  private let set: any ImageSet
  private let byteCount: Int
  private let bytes: [AlignedStorage<UInt8>]
  /// One a thread; none without augmentation.
  private let augmenters: [ImageAugmenter]
  private let seed: UInt64

  /// Takes the memory.
  ///
  /// - Parameters:
  ///   - augmentation: what changes the images of an epoch.
  ///   - seed: the training's, which the changes are drawn from.
  init(
    set: any ImageSet, threads: Int, augmentation: Augmentation = .none, seed: UInt64 = 0
  ) {
    self.set = set
    let shape = set.imageShape
    byteCount = shape.byteCount
    bytes = (0..<threads).map { _ in AlignedStorage<UInt8>(count: shape.byteCount) }
    augmenters =
      augmentation.changesImages
      ? (0..<threads).map { _ in ImageAugmenter(augmentation, shape: shape) } : []
    self.seed = seed
  }

  /// Writes image `index` to place `slot` of a microbatch [N, C, H, W].
  func load(_ index: Int, thread: Int, to images: UnsafeMutablePointer<Float>, slot: Int) {
    let source = bytes[thread].pointer
    set.copyImage(at: index, to: source)
    let destination = images + slot * byteCount
    for place in 0..<byteCount { destination[place] = Float(source[place]) * (1 / 255) }
  }

  /// Writes image `index` as an epoch of training sees it.
  ///
  /// - Parameter epoch: number within the training; the same seed and epoch give the same
  ///   pixels, whoever loads them.
  func load(
    _ index: Int, epoch: Int, thread: Int, to images: UnsafeMutablePointer<Float>, slot: Int
  ) {
    guard !augmenters.isEmpty else {
      load(index, thread: thread, to: images, slot: slot)
      return
    }
    set.copyImage(at: index, to: bytes[thread].pointer)
    var random = KeyedRandom(seed: seed, purpose: .augmentation, epoch, index)
    augmenters[thread].augment(
      bytes[thread].pointer, to: images + slot * byteCount, &random)
  }
}

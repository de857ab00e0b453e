import MecaCore
import MecaImages

/// Brings 8-bit images of a set into a microbatch as raw pixels in [0, 1].
///
/// One byte buffer a thread, and one of pixels where images are transformed; nothing is allocated
/// per image.
///
/// Threads that a step has in common cannot stop one by one, so an image that cannot be read gives
/// zeros and is remembered: whoever loads asks for ``fault`` before anything is made of them.
struct PixelLoader {
  private let set: any ImageSet
  private let byteCount: Int
  private let bytes: [AlignedStorage<UInt8>]
  /// One a thread; none without augmentation.
  private let augmenters: [ImageAugmenter]
  private let seed: UInt64
  private let failure = FirstFailure()

  /// Where an image comes from.
  func path(at index: Int) -> String { set.path(at: index) }

  /// The first image that could not be read.
  var fault: FileError? { failure.first }

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
    read(index, thread: thread)
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
    read(index, thread: thread)
    var random = KeyedRandom(seed: seed, purpose: .augmentation, epoch, index)
    augmenters[thread].augment(
      bytes[thread].pointer, to: images + slot * byteCount, &random)
  }

  /// Brings an image into the thread's buffer; zeros if it cannot be read.
  private func read(_ index: Int, thread: Int) {
    do throws(FileError) {
      try bytes[thread].withMutableSpan { (image) throws(FileError) in
        try set.copyImage(at: index, into: &image)
      }
    } catch {
      failure.note(error)
      bytes[thread].fill(0)
    }
  }
}

import MecaCore

/// Changes single images by an augmentation; one thread's memory for that.
///
/// - Ranks: local; a result depends on the image's bytes and the random numbers' key alone.
public struct ImageAugmenter: Sendable {
  private let augmentation: Augmentation
  private let shape: ImageShape
  /// The image before its affine transformation.
  private let straight: AlignedStorage<Float>

  /// Takes the memory; nothing is allocated per image.
  public init(_ augmentation: Augmentation, shape: ImageShape) {
    self.augmentation = augmentation
    self.shape = shape
    straight = AlignedStorage(count: augmentation.affine == nil ? 0 : shape.byteCount)
  }

  /// Draws the transformations of one image and writes the changed pixels.
  ///
  /// - Shapes: `bytes` and `pixels` [C, H, W].
  /// - Units: `pixels` in [0, 1].
  /// - Parameter random: the image's own numbers, drawn in the order crop, flip, jitter, affine.
  public func augment(
    _ bytes: UnsafePointer<UInt8>, to pixels: UnsafeMutablePointer<Float>,
    _ random: inout KeyedRandom
  ) {
    let first = augmentation.affine == nil ? pixels : straight.pointer
    copyPart(
      bytes, at: CropPlace(augmentation, shape: shape, &random), shape: shape, to: first)
    if let jitter = augmentation.jitter {
      JitterDraw(jitter, &random).apply(to: first, shape: shape)
    }
    if let affine = augmentation.affine {
      AffineMap(affine, shape: shape, &random).apply(first, shape: shape, to: pixels)
    }
  }
}

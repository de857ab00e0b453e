import MecaImages

/// Puts an attack's mark into images of 8 bits.
///
/// The result depends on the image's bytes and index alone; any number of threads may call.
public protocol Trigger: Sendable {
  /// Marks one image in place.
  ///
  /// - Parameters:
  ///   - image: `shape.byteCount` bytes: channel, row, column.
  ///   - shape: size of the image.
  ///   - index: number of the sample, for attacks whose mark differs from sample to sample.
  func apply(to image: inout MutableSpan<UInt8>, shape: ImageShape, index: Int)
}

extension Trigger {
  /// `image` with the mark in it, as an array.
  public func marked(_ image: [UInt8], shape: ImageShape, index: Int) -> [UInt8] {
    precondition(image.count == shape.byteCount, "\(image.count) bytes for an image of \(shape)")
    var image = image
    var span = image.mutableSpan
    apply(to: &span, shape: shape, index: index)
    return image
  }
}

/// Leaves images as they are: the attack "none".
public struct NoTrigger: Trigger {
  /// The trigger without effect.
  public init() {}

  /// Marks one image in place.
  public func apply(to image: inout MutableSpan<UInt8>, shape: ImageShape, index: Int) {}
}

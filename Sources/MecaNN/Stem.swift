/// How a network begins, which decides by how much it shrinks an image.
public enum Stem: String, Codable, Sendable, CaseIterable {
  /// For images of some 32 pixels: a 3×3 convolution of stride 1 keeps the size.
  ///
  /// ResNet: no max pooling; He et al. 2015, arXiv:1512.03385, §4.2. MobileNetV2: the second stage
  /// keeps the size too. The last plane has an eighth of the image's sides.
  case small
  /// For images of some 224 pixels, as in torchvision's models.
  ///
  /// ResNet: a 7×7 convolution of stride 2, then 3×3 max pooling of stride 2; arXiv:1512.03385,
  /// table 1. MobileNetV2: strides of 2 in the stem and the second stage; arXiv:1801.04381, table 2.
  /// The last plane has a thirty-second of the image's sides; it never has less than one point.
  case imagenet
}

/// Which stem a run asks for.
public enum StemChoice: String, Codable, Sendable, CaseIterable {
  /// The ImageNet stem where both sides of the images have 112 pixels or more, otherwise the small
  /// one.
  ///
  /// 112 is what halves 224: the small stem's first stage then works on as many points as the
  /// ImageNet stem's convolution gives at 224.
  case auto
  /// The small stem, whatever the images.
  case small
  /// The ImageNet stem, whatever the images.
  case imagenet

  /// Shortest side, in pixels, of images that `auto` takes the ImageNet stem for.
  public static let leastSideForImageNet = 112

  /// The stem for images of a size in pixels.
  public func resolved(height: Int, width: Int) -> Stem {
    switch self {
    case .auto: min(height, width) >= Self.leastSideForImageNet ? .imagenet : .small
    case .small: .small
    case .imagenet: .imagenet
    }
  }
}

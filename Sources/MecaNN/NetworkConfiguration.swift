import MecaCore

/// Which network.
public enum Architecture: String, Codable, Sendable, CaseIterable {
  /// Residual network of 18 layers for small images (3×3 stem, no max pooling).
  case resnet18
  /// Residual network of 34 layers, same stem.
  case resnet34
  /// Inverted residuals with depthwise convolutions, strides for small images.
  case mobilenetv2

  /// The width that the network's paper has.
  public var usualWidth: Int {
    switch self {
    case .resnet18, .resnet34: 64
    case .mobilenetv2: 32
    }
  }
}

/// Everything that fixes the shapes and the input scale of a network.
public struct NetworkConfiguration: Codable, Hashable, Sendable {
  /// Which network.
  public var architecture: Architecture
  /// Channels of the stem.
  ///
  /// Stage s of a ResNet has width·2ˢ (64 in the paper), those of MobileNetV2 scale with width / 32.
  public var width: Int
  /// Number of classes.
  public var classCount: Int
  /// Image height in pixels.
  public var imageHeight: Int
  /// Image width in pixels.
  public var imageWidth: Int
  /// Mean of each of the three colour channels; the network sees (pixel − mean) / deviation.
  public var mean: [Float]
  /// Standard deviation of each of the three colour channels, pixels in [0, 1].
  public var standardDeviation: [Float]

  /// A configuration; values are checked where a model is made of it.
  public init(
    architecture: Architecture, width: Int, classCount: Int, imageHeight: Int, imageWidth: Int,
    mean: [Float], standardDeviation: [Float]
  ) {
    self.architecture = architecture
    self.width = width
    self.classCount = classCount
    self.imageHeight = imageHeight
    self.imageWidth = imageWidth
    self.mean = mean
    self.standardDeviation = standardDeviation
  }

  /// Colour channels of an image.
  public static let imageChannels = 3

  /// Floats of one image, `[3, imageHeight, imageWidth]`.
  public var imageCount: Int { Self.imageChannels * imageHeight * imageWidth }

  /// Checks every value.
  ///
  /// - Throws: `UsageError.invalidValue` with the first value that cannot be.
  public func validate() throws {
    let numbers = [
      ("width", width, 4096), ("classes", classCount, 1 << 20),
      ("image height", imageHeight, 1 << 14), ("image width", imageWidth, 1 << 14),
    ]
    for (name, value, limit) in numbers where value < 1 || value > limit {
      throw UsageError.invalidValue(option: name, value: "\(value)", allowed: "from 1 to \(limit)")
    }
    let channels = Self.imageChannels
    guard mean.count == channels, mean.allSatisfy(\.isFinite) else {
      throw UsageError.invalidValue(
        option: "mean", value: "\(mean)", allowed: "\(channels) finite numbers")
    }
    guard standardDeviation.count == channels,
      standardDeviation.allSatisfy({ $0.isFinite && $0 > 0 })
    else {
      throw UsageError.invalidValue(
        option: "standard deviation", value: "\(standardDeviation)",
        allowed: "\(channels) positive numbers")
    }
  }
}

import MecaCore

/// Which network.
public enum Architecture: String, Codable, Sendable, CaseIterable {
  /// Residual network of 18 layers.
  case resnet18
  /// Residual network of 34 layers.
  case resnet34
  /// Inverted residuals with depthwise convolutions.
  case mobilenetv2

  /// Blocks in the four stages of a ResNet; empty for others.
  ///
  /// - Source: He et al. 2015, arXiv:1512.03385, table 1.
  var blocksPerStage: [Int] {
    switch self {
    case .resnet18: [2, 2, 2, 2]
    case .resnet34: [3, 4, 6, 3]
    case .mobilenetv2: []
    }
  }

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
  /// How the network begins.
  public var stem: Stem
  /// Stride of a ResNet's first convolution, where it is not its stem's usual one.
  public var stemStride: Int?
  /// Whether max pooling follows a ResNet's first convolution, where that is not usual for its stem.
  public var stemPooling: Bool?

  /// A configuration; values are checked where a model is made of it.
  public init(
    architecture: Architecture, width: Int, stem: Stem = .small, classCount: Int,
    imageHeight: Int, imageWidth: Int, mean: [Float], standardDeviation: [Float]
  ) {
    self.architecture = architecture
    self.width = width
    self.stem = stem
    self.classCount = classCount
    self.imageHeight = imageHeight
    self.imageWidth = imageWidth
    self.mean = mean
    self.standardDeviation = standardDeviation
  }

  /// Reads a configuration; one without `stem` is of a time that had the small one alone.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    self.init(
      architecture: try container.decode(Architecture.self, forKey: .architecture),
      width: try container.decode(Int.self, forKey: .width),
      stem: try container.decodeIfPresent(Stem.self, forKey: .stem) ?? .small,
      classCount: try container.decode(Int.self, forKey: .classCount),
      imageHeight: try container.decode(Int.self, forKey: .imageHeight),
      imageWidth: try container.decode(Int.self, forKey: .imageWidth),
      mean: try container.decode([Float].self, forKey: .mean),
      standardDeviation: try container.decode([Float].self, forKey: .standardDeviation))
    stemStride = try container.decodeIfPresent(Int.self, forKey: .stemStride)
    stemPooling = try container.decodeIfPresent(Bool.self, forKey: .stemPooling)
  }

  /// Colour channels of an image.
  public static let imageChannels = 3

  /// Floats of one image, `[3, imageHeight, imageWidth]`.
  public var imageCount: Int { Self.imageChannels * imageHeight * imageWidth }

  /// Checks every value.
  ///
  /// - Throws: `UsageError` with the first value that cannot be.
  public func validate() throws {
    let numbers = [
      ("width", width, 4096), ("classes", classCount, 1 << 20),
      ("image height", imageHeight, 1 << 14), ("image width", imageWidth, 1 << 14),
    ]
    for (name, value, limit) in numbers where value < 1 || value > limit {
      throw UsageError.conflict("\(name) \(value): must be from 1 to \(limit)")
    }
    if let stemStride, !(1...2).contains(stemStride) {
      throw UsageError.conflict("stride \(stemStride) of the stem: must be 1 or 2")
    }
    let channels = Self.imageChannels
    guard mean.count == channels, mean.allSatisfy(\.isFinite) else {
      throw UsageError.conflict("mean \(mean): must be \(channels) finite numbers")
    }
    guard standardDeviation.count == channels,
      standardDeviation.allSatisfy({ $0.isFinite && $0 > 0 })
    else {
      throw UsageError.conflict(
        "standard deviation \(standardDeviation): must be \(channels) positive numbers")
    }
  }
}

import MecaTensor

/// What an architecture consists of, before anything is planned: a stem, perhaps max pooling, blocks,
/// perhaps one more convolution, the mean of every plane and a linear classifier.
struct NetworkOutline {
  /// Names of a convolution's tensors and of its normalisation's.
  typealias Names = (convolution: String, normalisation: String)

  /// The convolution over the image; its padding is half of its kernel, rounded down.
  struct StemLayer {
    let names: Names
    let channels: Int
    let kernel: Int
    let stride: Int
    /// Whether 3×3 max pooling with stride 2 and padding 1 follows.
    let isPooled: Bool
  }

  /// One block and the prefix of its tensors' names.
  struct Block {
    enum Kind {
      /// Two 3×3 convolutions; see `ResidualBlock`.
      case basic
      /// Widened `expansion` times, 3×3 channel by channel, narrowed again; see `InvertedResidual`.
      case inverted(expansion: Int)
    }
    let name: String
    let kind: Kind
    let channels: Int
    let stride: Int
  }

  let stem: StemLayer
  let blocks: [Block]
  /// The 1×1 convolution behind the blocks.
  let head: (names: Names, channels: Int)?
  /// What follows the normalisations that are followed by anything.
  let activation: Activation
}

extension Architecture {
  /// Prefix of the classifier's tensors.
  var classifier: String {
    switch self {
    case .resnet18, .resnet34: "fc"
    case .mobilenetv2: "classifier.1"
    }
  }
}

extension NetworkConfiguration {
  /// The layers of this network.
  var outline: NetworkOutline {
    switch architecture {
    case .resnet18, .resnet34: residual
    case .mobilenetv2: mobile
    }
  }

  /// - Source: He et al. 2015, arXiv:1512.03385, table 1; the stem for small images of §4.2; padding
  ///   as torchvision has it.
  private var residual: NetworkOutline {
    var blocks: [NetworkOutline.Block] = []
    for (stage, count) in architecture.blocksPerStage.enumerated() {
      for index in 0..<count {
        blocks.append(
          NetworkOutline.Block(
            name: "layer\(stage + 1).\(index)", kind: .basic, channels: width << stage,
            stride: stage > 0 && index == 0 ? 2 : 1))
      }
    }
    let isLarge = stem == .imagenet
    return NetworkOutline(
      stem: NetworkOutline.StemLayer(
        names: ("conv1", "bn1"), channels: width, kernel: isLarge ? 7 : 3,
        stride: stemStride ?? (isLarge ? 2 : 1), isPooled: stemPooling ?? isLarge),
      blocks: blocks, head: nil, activation: .relu)
  }

  /// MobileNetV2; channels scale with width / 32.
  ///
  /// In the small form stem and second stage keep their size, as is usual for small images (stride 2
  /// in the paper), so that 32×32 pixels become 4×4 points. No dropout.
  ///
  /// - Source: Sandler et al. 2018, arXiv:1801.04381, table 2 ("t", "c", "n", "s").
  private var mobile: NetworkOutline {
    let early = stem == .imagenet ? 2 : 1
    let stages: [(expansion: Int, channels: Int, count: Int, stride: Int)] = [
      (1, 16, 1, 1), (6, 24, 2, early), (6, 32, 3, 2),
      (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1),
    ]
    var blocks: [NetworkOutline.Block] = []
    for stage in stages {
      for index in 0..<stage.count {
        blocks.append(
          NetworkOutline.Block(
            name: "features.\(blocks.count + 1)", kind: .inverted(expansion: stage.expansion),
            channels: scaled(stage.channels), stride: index == 0 ? stage.stride : 1))
      }
    }
    let head = "features.\(blocks.count + 1)"
    return NetworkOutline(
      stem: NetworkOutline.StemLayer(
        names: ("features.0.0", "features.0.1"), channels: width, kernel: 3, stride: early,
        isPooled: false),
      blocks: blocks,
      head: (("\(head).0", "\(head).1"), width > 32 ? scaled(1280) : 1280),
      activation: .relu6)
  }

  /// The nearest multiple of 8 to channels · width / 32, at least 8; the next one if that would lose
  /// more than a tenth.
  ///
  /// For width 18: 24 → 13.5 → 16; 64 → 36 → 40; 32 → 18 → 16 → 24, since 16 is less than 0.9 · 18.
  /// - Source: torchvision's `_make_divisible`; it also rounds the stem, which is `width` here.
  private func scaled(_ channels: Int) -> Int {
    let wanted = channels * width
    let nearest = max(8, (wanted + 4 * 32) / (8 * 32) * 8)
    return 10 * 32 * nearest < 9 * wanted ? nearest + 8 : nearest
  }
}

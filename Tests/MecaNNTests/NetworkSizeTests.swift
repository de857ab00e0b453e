import MecaNN
import MecaTensor
import Testing

/// The numbers that the refusal of networks too large for the memory rests on.
@Suite struct NetworkSizeTests {
  @Test(arguments: Architecture.allCases, [(3, Stem.small), (3, .imagenet), (40, .small)])
  func countsTheParametersOfANetwork(
    _ architecture: Architecture, size: (width: Int, stem: Stem)
  ) throws {
    var configuration = oddConfiguration
    (configuration.architecture, configuration.width) = (architecture, size.width)
    configuration.stem = size.stem
    let trained = try makeModel(.openblas, configuration).exportTensors().filter {
      !$0.name.contains("running") && !$0.name.contains("num_batches")
    }
    #expect(
      configuration.floats.parameters == trained.reduce(0) { $0 + $1.shape.reduce(1, *) })
  }

  /// ResNet-18 for 32x32: 64 channels at 32x32 five times, then 128, 256 and 512 channels, each five
  /// times at a quarter of the pixels of the stage before.
  @Test func countsTheConvolutionsResults() {
    var configuration = oddConfiguration
    (configuration.architecture, configuration.width) = (.resnet18, 64)
    (configuration.imageHeight, configuration.imageWidth) = (32, 32)
    #expect(
      configuration.floats.activations
        == 5 * (64 * 32 * 32 + 128 * 16 * 16 + 256 * 8 * 8 + 512 * 4 * 4))
  }

  /// Parameters of torchvision's models with 1,000 classes; results of resnet18 by table 1 of the
  /// paper: 112 rows behind the stem, 56 behind the pooling.
  @Test func countsTheLargeStem() {
    var configuration = oddConfiguration
    (configuration.width, configuration.stem, configuration.classCount) = (64, .imagenet, 1000)
    (configuration.imageHeight, configuration.imageWidth) = (224, 224)
    configuration.architecture = .resnet34
    #expect(configuration.floats.parameters == 21_797_672)
    configuration.architecture = .resnet18
    let floats = configuration.floats
    #expect(floats.parameters == 11_689_512)
    #expect(floats.pooled == 64 * 56 * 56)
    #expect(
      floats.activations
        == 64 * 112 * 112 + 4 * 64 * 56 * 56
        + 5 * (128 * 28 * 28 + 256 * 14 * 14 + 512 * 7 * 7))
    // 13x10 pixels become 7x5, 4x3, and then 4x3, 2x2, 1x1, 1x1.
    (configuration.imageHeight, configuration.imageWidth) = (13, 10)
    #expect(configuration.floats.pooled == 64 * 12)
    #expect(
      configuration.floats.activations
        == 64 * 35 + 4 * 64 * 12 + 5 * (128 * 4 + 256 + 512))
  }

  /// Parameters of torchvision's model with 1,000 classes; results through table 2 of the paper.
  ///
  /// At 32x32 the stem's 32, then (32, 16), (96, 96, 24), (144, 144, 24), and of the next block the
  /// 144 before its stride; and so on.
  @Test func countsMobileNet() {
    var configuration = oddConfiguration
    (configuration.architecture, configuration.width) = (.mobilenetv2, 32)
    (configuration.imageHeight, configuration.imageWidth) = (32, 32)
    configuration.classCount = 1000
    let floats = configuration.floats
    #expect(floats.parameters == 3_504_872)
    let at32 = 32 + (32 + 16) + (96 + 96 + 24) + (144 + 144 + 24) + 144
    let at16 = (144 + 32) + 2 * (192 + 192 + 32) + 192
    let at8 =
      (192 + 64) + 3 * (384 + 384 + 64) + (384 + 384 + 96) + 2 * (576 + 576 + 96) + 576
    let at4 = (576 + 160) + 2 * (960 + 960 + 160) + (960 + 960 + 320) + 1280
    #expect(floats.activations == at32 * 1024 + at16 * 256 + at8 * 64 + at4 * 16)
    // With ImageNet's strides at 128 pixels: the stem and the first block at 64, the next widening
    // too, then all as above.
    (configuration.imageHeight, configuration.imageWidth) = (128, 128)
    configuration.stem = .imagenet
    let at64 = 32 + (32 + 16) + 96
    let large = configuration.floats
    #expect(large.parameters == 3_504_872 && large.pooled == 0)
    #expect(
      large.activations
        == at64 * 4096 + (at32 - at64) * 1024 + at16 * 256 + at8 * 64 + at4 * 16)
  }
}

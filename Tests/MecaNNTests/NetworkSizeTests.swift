import MecaNN
import MecaTensor
import Testing

/// The numbers that the refusal of networks too large for the memory rests on.
@Suite struct NetworkSizeTests {
  @Test(arguments: Architecture.allCases, [3, 40])
  func countsTheParametersOfANetwork(_ architecture: Architecture, width: Int) throws {
    var configuration = oddConfiguration
    (configuration.architecture, configuration.width) = (architecture, width)
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
  }
}

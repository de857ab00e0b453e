import MecaNN
import MecaTensor
import Testing

/// The numbers that the refusal of networks too large for the memory rests on.
@Suite struct NetworkSizeTests {
  @Test(arguments: [Architecture.resnet18, .resnet34])
  func countsTheParametersOfANetwork(_ architecture: Architecture) throws {
    var configuration = oddConfiguration
    configuration.architecture = architecture
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
}

import MecaCore
import MecaTensor

/// All results of one convolution on one engine, in plain order.
struct ConvolutionRun: Equatable {
  var output: [Float]
  var gradInput: [Float]
  var gradWeights: [Float]
  /// Everything that padding of activations and of the weights' gradient holds afterwards.
  var padding: [Float]
  /// Weights after a way to the engine's order and back.
  var weightsBack: [Float]
  /// The engine's names of the kernels.
  var kernelNames: [String]

  /// Runs the three directions on the same random numbers for every engine.
  init(_ engine: any Engine, _ shape: ConvolutionShape, image: Bool = false) throws {
    engine.enterThread()
    let naive = NaiveConvolution(shape: shape)
    let input =
      image
      ? try engine.imageLayout(
        height: shape.inputHeight, width: shape.inputWidth, channels: shape.inputChannels,
        kernel: shape.kernel, stride: shape.stride)
      : engine.activationLayout(
        channels: shape.inputChannels, height: shape.inputHeight, width: shape.inputWidth)
    let output = engine.activationLayout(
      channels: shape.outputChannels, height: shape.outputHeight, width: shape.outputWidth)
    let convolution = try engine.makeConvolution(
      shape, input: input, output: output, needsInputGradient: true, training: true,
      workspace: Workspace())
    kernelNames = convolution.kernelNames

    let canonical = Self.weights(shape)
    let own = AlignedStorage<Float>(count: convolution.weightCount)
    own.fill(.nan)
    convolution.importWeights(canonical, to: own.pointer)
    weightsBack = [Float](repeating: .nan, count: shape.weightCount)
    convolution.exportWeights(own.pointer, to: &weightsBack)
    let prepared = AlignedStorage<Float>(count: convolution.preparedCount)
    prepared.fill(.nan)
    convolution.prepare(own.pointer, into: prepared.pointer)

    let batch = shape.batch
    let x = packed(Self.input(shape), input, batch: batch)
    let gradOutput = packed(Self.gradOutput(shape), output, batch: batch)
    let y = AlignedStorage<Float>(count: output.count(batch: batch))
    let gradX = AlignedStorage<Float>(count: input.count(batch: batch))
    let gradOwn = AlignedStorage<Float>(count: convolution.weightCount)
    for storage in [y, gradX, gradOwn] { storage.fill(.nan) }
    convolution.forward(
      input: x.pointer, weights: own.pointer, prepared: prepared.pointer, output: y.pointer)
    convolution.backwardInput(
      gradOutput: gradOutput.pointer, weights: own.pointer, prepared: prepared.pointer,
      gradInput: gradX.pointer)
    convolution.backwardWeights(
      input: x.pointer, gradOutput: gradOutput.pointer, gradWeights: gradOwn.pointer)

    self.output = unpacked(y, output, batch: batch)
    gradInput = unpacked(gradX, input, batch: batch)
    gradWeights = [Float](repeating: .nan, count: shape.weightCount)
    convolution.exportWeights(gradOwn.pointer, to: &gradWeights)
    // Whatever of the own block is not a real weight must have no gradient: importing the
    // exported gradient gives the block back, with zeros in the padding.
    let again = AlignedStorage<Float>(count: convolution.weightCount)
    convolution.importWeights(gradWeights, to: again.pointer)
    let stray = zip(again.buffer, gradOwn.buffer).map { $0 - $1 }
    padding =
      MecaTensorTests.padding(y, output, batch: batch)
      + MecaTensorTests.padding(gradX, input, batch: batch) + stray
    precondition(naive.inputCount == gradInput.count && naive.outputCount == self.output.count)
  }

  static func input(_ shape: ConvolutionShape) -> [Float] {
    randomValues(NaiveConvolution(shape: shape).inputCount, stream: 1)
  }
  static func weights(_ shape: ConvolutionShape) -> [Float] {
    randomValues(shape.weightCount, stream: 2)
  }
  static func gradOutput(_ shape: ConvolutionShape) -> [Float] {
    randomValues(NaiveConvolution(shape: shape).outputCount, stream: 3)
  }
}

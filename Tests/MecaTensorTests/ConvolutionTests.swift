import MecaCore
import MecaTensor
import Testing

/// Every size of the brief at least once, mixed so that the naive loops stay short.
let oddShapes: [ConvolutionShape] = {
  var shapes: [ConvolutionShape] = []
  var index = 0
  let channels = [1, 3, 5, 8, 16, 20]
  for kernel in [1, 3, 5] {
    for stride in [1, 2] {
      for padding in [0, 1, 2] {
        for size in [1, 5, 8, 9, 32] where size + 2 * padding >= kernel {
          let batch = size == 32 ? 1 : [1, 3, 16][index % 3]
          shapes.append(
            ConvolutionShape(
              batch: batch, inputChannels: channels[index % 6],
              outputChannels: channels[(index / 2 + 1) % 6], inputHeight: size,
              inputWidth: index % 4 == 3 && size > 5 ? size - 2 : size, kernel: kernel,
              stride: stride, padding: padding))
          index += 1
        }
      }
    }
  }
  return shapes
}()

/// Shapes of real networks: square 3x3 and the strided shortcuts, also wide enough for Winograd and
/// narrow enough for blocks of 8 channels.
let networkShapes: [ConvolutionShape] = [
  (3, 16, 32, 3, 1, 2), (16, 16, 32, 3, 1, 2), (16, 32, 32, 3, 2, 2), (16, 32, 32, 1, 2, 2),
  (64, 64, 8, 3, 1, 16), (64, 128, 8, 3, 2, 4), (64, 128, 8, 1, 2, 4), (128, 128, 4, 3, 1, 4),
  (3, 8, 32, 3, 1, 2), (8, 8, 32, 3, 1, 2), (8, 16, 32, 3, 2, 2), (8, 16, 32, 1, 2, 2),
].map { c, k, size, kernel, stride, batch in
  ConvolutionShape(
    batch: batch, inputChannels: c, outputChannels: k, inputHeight: size, inputWidth: size,
    kernel: kernel, stride: stride, padding: kernel / 2)
}

@Suite struct ConvolutionTests {
  @Test(arguments: EngineKind.available, oddShapes + networkShapes)
  func agreesWithPlainLoops(kind: EngineKind, shape: ConvolutionShape) throws {
    let run = try ConvolutionRun(try makeEngine(kind), shape)
    try compare(run, shape)
  }

  @Test(arguments: EngineKind.available, [1, 3, 4, 20])
  func imageLayoutAgreesWithPlainLoops(kind: EngineKind, channels: Int) throws {
    let shape = ConvolutionShape(
      batch: 3, inputChannels: channels, outputChannels: 16, inputHeight: 9, inputWidth: 9,
      kernel: 3, stride: 1, padding: 1)
    try compare(try ConvolutionRun(try makeEngine(kind), shape, image: true), shape)
  }

  func compare(_ run: ConvolutionRun, _ shape: ConvolutionShape) throws {
    let naive = NaiveConvolution(shape: shape)
    let input = ConvolutionRun.input(shape)
    let weights = ConvolutionRun.weights(shape)
    let gradOutput = ConvolutionRun.gradOutput(shape)
    let winograd = run.kernelNames.contains { $0.contains("wino") }
    let window = shape.kernel * shape.kernel

    let forwardError = largestError(run.output, naive.forward(input, weights))
    #expect(
      forwardError <= sumTolerance(terms: shape.inputChannels * window, winograd: winograd),
      "forward \(shape)")
    let inputError = largestError(run.gradInput, naive.backwardInput(gradOutput, weights))
    #expect(
      inputError <= sumTolerance(terms: shape.outputChannels * window, winograd: winograd),
      "backwardInput \(shape)")
    let weightError = largestError(run.gradWeights, naive.backwardWeights(input, gradOutput))
    #expect(
      weightError
        <= sumTolerance(
          terms: shape.batch * shape.outputHeight * shape.outputWidth, winograd: winograd),
      "backwardWeights \(shape)")
    #expect(run.weightsBack == weights, "import and export \(shape)")
    #expect(run.padding.allSatisfy { $0 == 0 }, "padding \(shape)")
  }

  #if MECA_ONEDNN
    @Test(arguments: networkShapes)
    func enginesAgree(shape: ConvolutionShape) throws {
      let fast = try ConvolutionRun(try makeEngine(.onednn), shape)
      let plain = try ConvolutionRun(try makeEngine(.openblas), shape)
      let winograd = fast.kernelNames.contains { $0.contains("wino") }
      let window = shape.kernel * shape.kernel
      // Both may be off by the tolerance, in opposite directions.
      #expect(
        largestError(fast.output, plain.output.map(Double.init))
          <= 2 * sumTolerance(terms: shape.inputChannels * window, winograd: winograd))
      #expect(
        largestError(fast.gradInput, plain.gradInput.map(Double.init))
          <= 2 * sumTolerance(terms: shape.outputChannels * window, winograd: winograd))
      #expect(
        largestError(fast.gradWeights, plain.gradWeights.map(Double.init))
          <= 2
          * sumTolerance(
            terms: shape.batch * shape.outputHeight * shape.outputWidth, winograd: winograd))
    }

    /// A reference kernel is a thousand times slower than a generated one.
    @Test(arguments: [8, 16, 64])
    func noReferenceKernelInResNet(width: Int) throws {
      let engine = try makeEngine(.onednn)
      for layer in resNetShapes(width: width, batch: 16) {
        let run = try plan(engine, layer)
        #expect(run.kernelNames.count == 3)
        #expect(run.kernelNames.allSatisfy { !$0.contains("ref") }, "\(layer) \(run.kernelNames)")
      }
    }
  #endif

  /// Lanes of different batches and purposes share one parameter block and one prepared block.
  @Test(arguments: EngineKind.available)
  func weightOrderDoesNotDependOnBatchOrPurpose(kind: EngineKind) throws {
    let engine = try makeEngine(kind)
    for var shape in networkShapes {
      let weights = ConvolutionRun.weights(shape)
      var seen: [[Float]] = []
      for (batch, training) in [(16, true), (1, false), (5, true)] {
        shape.batch = batch
        let object = try plan(
          engine, shape, needsInputGradient: training, training: training)
        let own = AlignedStorage<Float>(count: object.weightCount)
        let prepared = AlignedStorage<Float>(count: object.preparedCount)
        object.importWeights(weights, to: own.pointer)
        object.prepare(own.pointer, into: prepared.pointer)
        seen.append(own.array + prepared.array)
      }
      #expect(seen[0] == seen[1] && seen[0] == seen[2], "\(shape)")
    }
  }
}

/// The different convolutions of a CIFAR ResNet-18, largest planes first.
func resNetShapes(width: Int, batch: Int) -> [ConvolutionShape] {
  func shape(_ c: Int, _ k: Int, _ size: Int, _ kernel: Int, _ stride: Int) -> ConvolutionShape {
    ConvolutionShape(
      batch: batch, inputChannels: c, outputChannels: k, inputHeight: size, inputWidth: size,
      kernel: kernel, stride: stride, padding: kernel / 2)
  }
  var shapes = [shape(3, width, 32, 3, 1)]
  for stage in 0..<4 {
    let channels = width << stage
    let size = 32 >> stage
    if stage > 0 {
      shapes.append(shape(channels / 2, channels, size * 2, 3, 2))
      shapes.append(shape(channels / 2, channels, size * 2, 1, 2))
    }
    shapes.append(shape(channels, channels, size, 3, 1))
  }
  return shapes
}

/// A convolution between inner layers, or from the image where there are 3 channels.
func plan(
  _ engine: any Engine, _ shape: ConvolutionShape, needsInputGradient: Bool = true,
  training: Bool = true, workspace: Workspace = Workspace()
) throws -> any Convolution {
  let input =
    shape.inputChannels == 3
    ? try engine.imageLayout(height: shape.inputHeight, width: shape.inputWidth, channels: 3)
    : engine.activationLayout(
      channels: shape.inputChannels, height: shape.inputHeight, width: shape.inputWidth)
  let output = engine.activationLayout(
    channels: shape.outputChannels, height: shape.outputHeight, width: shape.outputWidth)
  return try engine.makeConvolution(
    shape, input: input, output: output, needsInputGradient: needsInputGradient,
    training: training, workspace: workspace)
}

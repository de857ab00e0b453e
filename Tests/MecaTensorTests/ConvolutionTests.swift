import CMecaKernels
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

/// Stems for large images: 7x7 with stride 2 and MobileNetV2's 3x3, from the image and between inner
/// layers; odd planes, planes smaller than the kernel, a single point.
let stemShapes: [ConvolutionShape] = [
  (3, 16, 40, 37, 7, 3), (3, 8, 17, 19, 7, 16), (3, 64, 32, 32, 7, 2), (3, 5, 7, 7, 7, 3),
  (3, 16, 8, 6, 7, 3), (3, 20, 3, 2, 7, 3), (3, 16, 1, 1, 7, 2), (5, 20, 9, 9, 7, 3),
  (16, 16, 17, 15, 7, 2), (3, 32, 33, 32, 3, 2), (3, 8, 9, 8, 3, 3),
].map { c, k, height, width, kernel, batch in
  ConvolutionShape(
    batch: batch, inputChannels: c, outputChannels: k, inputHeight: height, inputWidth: width,
    kernel: kernel, stride: 2, padding: kernel / 2)
}

/// A kernel a channel: every size of kernel, stride and padding with whole and broken blocks, planes
/// with and without an inside, and more stride than kernel.
let depthwiseShapes: [ConvolutionShape] = {
  var shapes: [ConvolutionShape] = []
  let channels = [16, 5, 8, 20, 24, 3, 40]
  for kernel in [1, 2, 3, 5] {
    for stride in [1, 2, 3] {
      for padding in [0, 1, 2] {
        for size in [1, 4, 9, 17] where size + 2 * padding >= kernel {
          let index = shapes.count
          shapes.append(
            ConvolutionShape(
              batch: [1, 3, 16][index % 3], inputChannels: channels[index % 7],
              outputChannels: channels[index % 7], inputHeight: size,
              inputWidth: index % 4 == 3 ? size + 3 : size, kernel: kernel, stride: stride,
              padding: padding, groups: channels[index % 7]))
        }
      }
    }
  }
  return shapes
}()

/// The channel-by-channel convolutions of a MobileNetV2 of width 32, largest planes first.
let mobileShapes: [ConvolutionShape] = [
  (32, 32, 1), (96, 32, 1), (144, 32, 2), (192, 16, 2), (384, 8, 1), (576, 8, 2), (960, 4, 1),
].map { channels, size, stride in
  ConvolutionShape(
    batch: 4, inputChannels: channels, outputChannels: channels, inputHeight: size,
    inputWidth: size, kernel: 3, stride: stride, padding: 1, groups: channels)
}

/// Groups of several channels, whole blocks of them and less, also of one channel that gives two.
let groupedShapes: [ConvolutionShape] = [
  (6, 9, 3, 3, 1, 1), (32, 64, 2, 3, 2, 1), (20, 20, 5, 1, 1, 0), (4, 8, 4, 3, 1, 1),
  (10, 4, 2, 5, 2, 2),
].map { c, k, groups, kernel, stride, padding in
  ConvolutionShape(
    batch: 3, inputChannels: c, outputChannels: k, inputHeight: 9, inputWidth: 7, kernel: kernel,
    stride: stride, padding: padding, groups: groups)
}

@Suite struct ConvolutionTests {
  @Test(
    arguments: EngineKind.available,
    oddShapes + networkShapes + stemShapes + smallPlanes(width: 24) + depthwiseShapes
      + mobileShapes + groupedShapes)
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

  @Test(arguments: EngineKind.available, stemShapes)
  func stemsAgreeWithPlainLoops(kind: EngineKind, shape: ConvolutionShape) throws {
    try compare(try ConvolutionRun(try makeEngine(kind), shape, image: true), shape)
  }

  /// Products of bfloat16 numbers are exact in fp32, so that only the sums may differ from plain
  /// loops over the rounded operands.
  @Test(arguments: EngineKind.available, oddShapes + networkShapes + stemShapes)
  func roundedOperandsAgreeWithPlainLoops(kind: EngineKind, shape: ConvolutionShape) throws {
    guard let engine = try availableEngine(kind, .bf16) else { return }
    let run = try ConvolutionRun(engine, shape)
    let isRounded = run.kernelNames.allSatisfy { $0.contains("bf16") || $0.contains("rounded") }
    let narrowest = min(shape.inputChannels, shape.outputChannels)
    let isWinograd = run.kernelNames.contains { $0.contains("winograd") }
    #expect(isRounded == (kind == .openblas || narrowest > 8 && !isWinograd), "\(run.kernelNames)")
    try compare(run, shape, operands: isRounded ? roundedToBFloat16 : { $0 })
  }

  @Test func halfwayNumbersAreRoundedToEven() {
    let values: [Float] = [
      1, 1 + 0x1p-8, 1 + 0x1p-8 + 0x1p-20, 1 + 3 * 0x1p-8, -(1 + 0x1p-8), 0, -0.0, .infinity,
      .greatestFiniteMagnitude, 0x1p-133,
    ]
    let expected: [Float] = [
      1, 1, 1 + 0x1p-7, 1 + 0x1p-6, -1, 0, -0.0, .infinity, .infinity, 0x1p-133,
    ]
    #expect(roundedToBFloat16(values) == expected)
    #expect(roundedToBFloat16([.nan])[0].isNaN)
  }

  func compare(
    _ run: ConvolutionRun, _ shape: ConvolutionShape, operands: ([Float]) -> [Float] = { $0 }
  ) throws {
    let naive = NaiveConvolution(shape: shape)
    let input = operands(ConvolutionRun.input(shape))
    let exactWeights = ConvolutionRun.weights(shape)
    let weights = operands(exactWeights)
    let gradOutput = operands(ConvolutionRun.gradOutput(shape))
    let winograd = run.kernelNames.contains { $0.contains("wino") }
    let window = shape.kernel * shape.kernel

    let forwardError = largestError(run.output, naive.forward(input, weights))
    #expect(
      forwardError
        <= sumTolerance(terms: shape.inputChannels / shape.groups * window, winograd: winograd),
      "forward \(shape)")
    let inputError = largestError(run.gradInput, naive.backwardInput(gradOutput, weights))
    #expect(
      inputError
        <= sumTolerance(terms: shape.outputChannels / shape.groups * window, winograd: winograd),
      "backwardInput \(shape)")
    let weightError = largestError(run.gradWeights, naive.backwardWeights(input, gradOutput))
    #expect(
      weightError
        <= sumTolerance(
          terms: shape.batch * shape.outputHeight * shape.outputWidth, winograd: winograd),
      "backwardWeights \(shape)")
    #expect(run.weightsBack == exactWeights, "import and export \(shape)")
    #expect(run.padding.allSatisfy { $0 == 0 }, "padding \(shape)")
  }

  /// An image's values are the same bits at every place of every batch.
  @Test(arguments: EngineKind.available, [mobileShapes[1], mobileShapes[2], depthwiseShapes[77]])
  func depthwiseDependsOnNoOtherImage(kind: EngineKind, shape: ConvolutionShape) throws {
    let engine = try makeEngine(kind)
    let input = engine.activationLayout(
      channels: shape.inputChannels, height: shape.inputHeight, width: shape.inputWidth)
    let output = engine.activationLayout(
      channels: shape.outputChannels, height: shape.outputHeight, width: shape.outputWidth)
    let (batch, seen) = (shape.batch, [(0, 1), (1, 2), (shape.batch - 1, 1)])
    func run(from first: Int, images: Int) throws -> (forward: [Float], backward: [Float]) {
      var shape = shape
      shape.batch = images
      func slice(_ values: [Float]) -> [Float] {
        let image = values.count / batch
        return Array(values[first * image..<(first + images) * image])
      }
      let object = try engine.makeConvolution(
        shape, input: input, output: output, needsInputGradient: true, training: false,
        workspace: Workspace())
      let weights = AlignedStorage<Float>(count: object.weightCount)
      object.importWeights(ConvolutionRun.weights(shape), to: weights.pointer)
      var all = shape
      all.batch = batch
      let x = packed(slice(ConvolutionRun.input(all)), input, batch: images)
      let gradient = packed(slice(ConvolutionRun.gradOutput(all)), output, batch: images)
      let y = AlignedStorage<Float>(count: output.count(batch: images))
      let gradX = AlignedStorage<Float>(count: input.count(batch: images))
      object.forward(
        input: x.pointer, weights: weights.pointer, prepared: weights.pointer, output: y.pointer)
      object.backwardInput(
        gradOutput: gradient.pointer, weights: weights.pointer, prepared: weights.pointer,
        gradInput: gradX.pointer)
      return (y.array, gradX.array)
    }
    let whole = try run(from: 0, images: batch)
    for (first, images) in seen where first >= 0 && first + images <= batch {
      let part = try run(from: first, images: images)
      func matches(_ part: [Float], _ whole: [Float]) -> Bool {
        let image = whole.count / batch
        return part == Array(whole[first * image..<(first + images) * image])
      }
      #expect(matches(part.forward, whole.forward) && matches(part.backward, whole.backward))
    }
  }

  #if MECA_ONEDNN
    @Test(arguments: networkShapes + stemShapes)
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
    @Test(arguments: [8, 16, 64], Precision.allCases)
    func noReferenceKernelInResNet(width: Int, precision: Precision) throws {
      guard let engine = try availableEngine(.onednn, precision) else { return }
      let layers =
        resNetShapes(width: width, batch: 16) + largeStems(width: width)
        + (precision == .fp32 ? smallPlanes(width: 4 * width) : [])
      for layer in layers {
        let run = try plan(engine, layer)
        #expect(run.kernelNames.count == 3)
        #expect(run.kernelNames.allSatisfy { !$0.contains("ref") }, "\(layer) \(run.kernelNames)")
      }
    }
  #endif

  /// Lanes of different batches and purposes share one parameter block and one prepared block.
  @Test(arguments: EngineKind.available, Precision.allCases)
  func weightOrderDoesNotDependOnBatchOrPurpose(kind: EngineKind, precision: Precision) throws {
    guard let engine = try availableEngine(kind, precision) else { return }
    for var shape in networkShapes + stemShapes + smallPlanes(width: 24) {
      let weights = ConvolutionRun.weights(shape)
      var seen: [[UInt32]] = []
      let purposes = [
        (16, true, true), (1, false, false), (5, true, false), (3, false, true),
      ]
      for (batch, needsInputGradient, training) in purposes {
        shape.batch = batch
        let object = try plan(
          engine, shape, needsInputGradient: needsInputGradient, training: training)
        let own = AlignedStorage<Float>(count: object.weightCount)
        let prepared = AlignedStorage<Float>(count: object.preparedCount)
        object.importWeights(weights, to: own.pointer)
        object.prepare(own.pointer, into: prepared.pointer)
        // Bits: two bfloat16 numbers may look like a float that is no number.
        seen.append((own.array + prepared.array).map(\.bitPattern))
      }
      #expect(seen.allSatisfy { $0 == seen[0] }, "\(shape)")
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

/// 3x3 convolutions over planes of one point to three, as the last stages have them where a large stem
/// reads images of 32 or 64 pixels.
func smallPlanes(width: Int) -> [ConvolutionShape] {
  [(1, 1, 1), (2, 2, 1), (2, 2, 2), (1, 2, 2), (3, 2, 1), (3, 3, 2)].map {
    height, columns, stride in
    ConvolutionShape(
      batch: 8, inputChannels: width, outputChannels: stride * width, inputHeight: height,
      inputWidth: columns, kernel: 3, stride: stride, padding: 1)
  }
}

/// What reads images of 224 pixels in a ResNet and in a MobileNetV2.
func largeStems(width: Int) -> [ConvolutionShape] {
  [7, 3].map { kernel in
    ConvolutionShape(
      batch: 16, inputChannels: 3, outputChannels: width, inputHeight: 224, inputWidth: 224,
      kernel: kernel, stride: 2, padding: kernel / 2)
  }
}

/// A convolution between inner layers, or from the image where there are 3 channels.
func plan(
  _ engine: any Engine, _ shape: ConvolutionShape, needsInputGradient: Bool = true,
  training: Bool = true, workspace: Workspace = Workspace()
) throws -> any Convolution {
  let input =
    shape.inputChannels == 3
    ? try engine.imageLayout(
      height: shape.inputHeight, width: shape.inputWidth, channels: 3, kernel: shape.kernel,
      stride: shape.stride)
    : engine.activationLayout(
      channels: shape.inputChannels, height: shape.inputHeight, width: shape.inputWidth)
  let output = engine.activationLayout(
    channels: shape.outputChannels, height: shape.outputHeight, width: shape.outputWidth)
  return try engine.makeConvolution(
    shape, input: input, output: output, needsInputGradient: needsInputGradient,
    training: training, workspace: workspace)
}

/// The engine; nil where the processor has no instructions for the precision.
func availableEngine(_ kind: EngineKind, _ precision: Precision) throws -> (any Engine)? {
  do {
    return try makeEngine(kind, precision: precision)
  } catch EngineError.noBFloat16 {
    return nil
  }
}

func roundedToBFloat16(_ values: [Float]) -> [Float] {
  var result = values
  meca_round_to_bfloat16(Int64(values.count), values, &result)
  return result
}

import MecaCore
import MecaTensor
import Testing

#if MECA_ONEDNN
  /// Channels in and out, height, width, batch: odd planes, several chunks of tiles, half panels of
  /// outputs, filled-up blocks, weights too large to stay transformed, more channels than are summed
  /// at once, derivatives by the weights in one chunk and in several, planes smaller than a tile, one
  /// block of channels that is full or not.
  private let winogradShapes: [ConvolutionShape] = [
    (152, 160, 7, 7, 13), (64, 64, 32, 32, 1), (64, 72, 17, 19, 3), (136, 128, 8, 8, 12),
    (96, 112, 7, 13, 5), (72, 96, 16, 15, 3), (68, 66, 17, 16, 3), (264, 272, 7, 4, 8),
    (256, 256, 4, 4, 16), (16, 16, 32, 32, 2), (20, 17, 8, 8, 3), (16, 48, 4, 4, 1),
    (272, 20, 8, 8, 2), (144, 144, 16, 16, 9), (32, 24, 2, 2, 8), (24, 40, 1, 2, 3),
    (16, 16, 1, 1, 5), (8, 8, 32, 32, 3), (5, 8, 5, 7, 3), (8, 3, 17, 19, 1), (3, 5, 1, 1, 4),
    (8, 8, 8, 4, 33), (12, 24, 8, 5, 3), (24, 12, 15, 31, 1),
  ].map { c, k, height, width, batch in
    ConvolutionShape(
      batch: batch, inputChannels: c, outputChannels: k, inputHeight: height, inputWidth: width,
      kernel: 3, stride: 1, padding: 1)
  }

  /// The same with stride 2: odd and even planes, weights too large to stay transformed.
  private let stridedShapes: [ConvolutionShape] = [
    (8, 5, 16, 15, 3), (3, 8, 8, 7, 5), (5, 8, 32, 32, 1), (16, 32, 16, 16, 3), (32, 64, 8, 8, 5),
    (24, 40, 31, 33, 2), (12, 16, 7, 8, 13), (152, 160, 16, 16, 9), (136, 144, 24, 15, 12),
    (256, 512, 8, 8, 3), (16, 20, 64, 56, 1),
  ].map { c, k, height, width, batch in
    ConvolutionShape(
      batch: batch, inputChannels: c, outputChannels: k, inputHeight: height, inputWidth: width,
      kernel: 3, stride: 2, padding: 1)
  }

  /// Images of a few channels: whole and broken tiles, one block of outputs and two, several chunks.
  private let imageShapes: [ConvolutionShape] = [
    (3, 8, 32, 32, 3), (1, 16, 8, 7, 5), (4, 8, 17, 19, 2), (2, 16, 4, 16, 1), (3, 16, 33, 31, 1),
  ].map { c, k, height, width, batch in
    ConvolutionShape(
      batch: batch, inputChannels: c, outputChannels: k, inputHeight: height, inputWidth: width,
      kernel: 3, stride: 1, padding: 1)
  }

  /// Our Winograd behind the oneDNN engine.
  @Suite struct WinogradTests {
    /// Why ten times the tolerance of plain sums is right.
    ///
    /// Rounding errors add up along chains. With terms of variance 1 a chain of n is off by about
    /// n·2⁻²⁴: √n roundings of sums of √n. A direct output has one chain of 9·C. In Winograd there
    /// are chains of C, whose terms are larger: along one dimension point p has the variance
    /// |Bᵀ row p|² · |G row p|² = 2.6, 2.8, 2.8, 0.37, 0.37, 42. Squares of Aᵀ gather them; the last
    /// output row is the worst with 2.8 + 2.8 + 64 · (0.37 + 0.37) + 42 = 94. Both dimensions
    /// together: √(94²)·C against 9·C, 10.4 times. By weights the same with A for G and Gᵀ for Aᵀ:
    /// 97 · tiles against 16 · tiles, 6 times, or up to 13 where partial tiles leave 7.5 outputs to
    /// a tile. With stride 2 a line's five points have 2.5, 3, 0.8, 0.3, 10, and the worst output row
    /// gathers 33: 3.6 times. The twelve in `sumTolerance` is six deviations, twice.
    @Test(arguments: winogradShapes + stridedShapes)
    func agreesWithPlainLoops(shape: ConvolutionShape) throws {
      let run = try ConvolutionRun(try makeEngine(.onednn), shape)
      #expect(run.kernelNames.count == 3 && run.kernelNames.allSatisfy { $0.contains("wino") })
      try ConvolutionTests().compare(run, shape)
    }

    /// Whether a plain image is read by Winograd: to blocks of 8 channels.
    ///
    /// With AVX-512 16 channels are one block, and the library's kernels read it.
    private func readsImages(_ engine: any Engine, _ shape: ConvolutionShape) -> Bool {
      engine.activationLayout(
        channels: shape.outputChannels, height: shape.outputHeight, width: shape.outputWidth
      ).block == 8
    }

    /// From a plain image.
    @Test(arguments: imageShapes)
    func imageAgreesWithPlainLoops(shape: ConvolutionShape) throws {
      let engine = try makeEngine(.onednn)
      let run = try ConvolutionRun(engine, shape, image: true)
      if readsImages(engine, shape) {
        #expect(run.kernelNames.allSatisfy { $0.contains("wino") }, "\(run.kernelNames)")
      }
      try ConvolutionTests().compare(run, shape)
      #expect(try ConvolutionRun(engine, shape, image: true) == run)
    }

    @Test(arguments: winogradShapes + stridedShapes)
    func sameBitsAgain(shape: ConvolutionShape) throws {
      let engine = try makeEngine(.onednn)
      #expect(try ConvolutionRun(engine, shape) == (try ConvolutionRun(engine, shape)))
    }

    /// An image's results are the same bits wherever it is in the batch, and however many tiles are
    /// worked on together.
    ///
    /// 152 channels: transformed weights made anew for each chunk of 128 tiles, 32 images; 64 channels:
    /// kept, chunks of 48 tiles, 12 images; 8 channels: a single block.
    @Test(arguments: [152, 64, 8], [1, 2])
    func imageDoesNotDependOnItsPlace(channels: Int, stride: Int) throws {
      try requireIndependence(
        ConvolutionShape(
          batch: 1, inputChannels: channels, outputChannels: channels, inputHeight: 7,
          inputWidth: 7, kernel: 3, stride: stride, padding: 1), kernels: "wino")
    }

    /// Scale, shift, residual and activation in the same sweep, and the gradient of that.
    ///
    /// Twice the tolerance of the sums alone: scales reach 1.5, and three more roundings follow.
    @Test(arguments: winogradShapes + stridedShapes, [Activation.none, .relu, .relu6])
    func evaluationAgreesWithPlainLoops(shape: ConvolutionShape, activation: Activation) throws {
      try requireEvaluation(shape, activation)
    }

    @Test(arguments: imageShapes, [Activation.none, .relu])
    func imagesEvaluationAgreesWithPlainLoops(
      shape: ConvolutionShape, activation: Activation
    ) throws {
      guard readsImages(try makeEngine(.onednn), shape) else { return }
      try requireEvaluation(shape, activation, image: true)
    }

    /// 3x3 convolutions of stride 1 and 2 at any batch, unless tiles are mostly edge.
    @Test func isTakenWhereItPays() throws {
      let engine = try makeEngine(.onednn)
      func names(
        _ c: Int, _ k: Int, _ size: Int, batch: Int, kernel: Int = 3, stride: Int = 1,
        padding: Int = 1
      ) throws -> [String] {
        try plan(
          engine,
          ConvolutionShape(
            batch: batch, inputChannels: c, outputChannels: k, inputHeight: size,
            inputWidth: size, kernel: kernel, stride: stride, padding: padding)
        ).kernelNames
      }
      let taken = [
        try names(16, 16, 32, batch: 1), try names(64, 64, 32, batch: 1),
        try names(128, 128, 4, batch: 2), try names(512, 512, 4, batch: 32),
        try names(64, 64, 7, batch: 2), try names(64, 64, 2, batch: 16),
        try names(8, 8, 32, batch: 16), try names(15, 64, 32, batch: 16),
        try names(64, 64, 32, batch: 2, stride: 2), try names(8, 16, 32, batch: 2, stride: 2),
        try names(64, 64, 14, batch: 2, stride: 2),
      ]
      for names in taken { #expect(names.allSatisfy { $0.contains("wino") }, "\(names)") }
      let direct = [
        try names(64, 64, 5, batch: 16), try names(64, 64, 4, batch: 2, stride: 2),
        try names(64, 64, 32, batch: 2, stride: 3),
        try names(64, 64, 32, batch: 2, kernel: 1, padding: 0),
        try names(64, 64, 32, batch: 2, padding: 0),
        try names(64, 64, 32, batch: 2, kernel: 5, padding: 2),
      ]
      for names in direct { #expect(!names.contains { $0.contains("wino") }, "\(names)") }
    }
  }

  /// Requires that an image of a convolution with as many channels out as in gives the same bits at
  /// several places of several batches, by kernels whose name contains `kernels`.
  func requireIndependence(_ shape: ConvolutionShape, kernels: String) throws {
    let engine = try makeEngine(.onednn)
    engine.enterThread()
    var shape = shape
    let layout = engine.activationLayout(
      channels: shape.inputChannels, height: shape.inputHeight, width: shape.inputWidth)
    let size = layout.count(batch: 1)
    let outputSize = size / layout.planeSize * shape.outputHeight * shape.outputWidth
    let x = AlignedStorage<Float>(count: 40 * size)
    x.copy(from: randomValues(40 * size, stream: 1))
    let small = try plan(engine, shape)
    let weights = AlignedStorage<Float>(count: small.weightCount)
    let prepared = AlignedStorage<Float>(count: small.preparedCount)
    small.importWeights(ConvolutionRun.weights(shape), to: weights.pointer)
    small.prepare(weights.pointer, into: prepared.pointer)
    func results(first: Int, batch: Int) throws -> [Float] {
      shape.batch = batch
      let object = try plan(engine, shape)
      #expect(object.kernelNames.allSatisfy { $0.contains(kernels) })
      let y = AlignedStorage<Float>(count: batch * outputSize)
      let gradient = AlignedStorage<Float>(count: batch * size)
      object.forward(
        input: x.pointer + first * size, weights: weights.pointer, prepared: prepared.pointer,
        output: y.pointer)
      object.backwardInput(
        gradOutput: x.pointer + first * outputSize, weights: weights.pointer,
        prepared: prepared.pointer, gradInput: gradient.pointer)
      func part(_ image: Int, _ size: Int, _ values: AlignedStorage<Float>) -> [Float] {
        Array(values.buffer[image * size..<(image + 1) * size])
      }
      return (0..<batch).flatMap { part($0, outputSize, y) + part($0, size, gradient) }
    }
    let all = try results(first: 0, batch: 40)
    let both = size + outputSize
    for (first, batch) in [(0, 1), (1, 13), (5, 35), (39, 1)] {
      let some = try results(first: first, batch: batch)
      let expected = Array(all[first * both..<(first + batch) * both])
      #expect(some == expected, "\(batch) from \(first)")
    }
  }

  /// Compares evaluation with normalisation, residual and activation, and its gradient, with plain
  /// loops.
  func requireEvaluation(
    _ shape: ConvolutionShape, _ activation: Activation, image: Bool = false
  ) throws {
    let engine = try makeEngine(.onednn)
    engine.enterThread()
    let (inner, output) = layouts(engine, shape)
    let input =
      image
      ? .nchw(channels: shape.inputChannels, height: shape.inputHeight, width: shape.inputWidth)
      : inner
    let convolution = try #require(
      try engine.makeConvolution(
        shape, input: input, output: output, needsInputGradient: true, training: false,
        workspace: Workspace()) as? any FoldingConvolution)
    let winograd = convolution.kernelNames.contains { $0.contains("wino") }
    let window = shape.kernel * shape.kernel
    let canonical = ConvolutionRun.weights(shape)
    let own = AlignedStorage<Float>(count: convolution.weightCount)
    convolution.importWeights(canonical, to: own.pointer)
    let (scales, shifts) = (
      randomValues(shape.outputChannels, stream: 4).map { 1 + $0 / 8 },
      randomValues(shape.outputChannels, stream: 5)
    )
    func wholeBlocks(_ values: [Float]) -> AlignedStorage<Float> {
      let storage = AlignedStorage<Float>(count: output.blocks * output.block)
      storage.copy(from: values + [Float](repeating: 0, count: storage.count - values.count))
      return storage
    }
    let (scale, shift) = (wholeBlocks(scales), wholeBlocks(shifts))
    let folded = FoldedNormalisation(
      scale: scale.pointer, shift: shift.pointer, activation: activation)
    let batch = shape.batch
    let naive = NaiveConvolution(shape: shape)
    let x = packed(ConvolutionRun.input(shape), input, batch: batch)
    let residuals = randomValues(naive.outputCount, stream: 6)
    let residual = packed(residuals, output, batch: batch)
    let y = AlignedStorage<Float>(count: output.count(batch: batch))
    y.fill(.nan)
    convolution.evaluate(
      input: x.pointer, weights: own.pointer, normalisation: folded, residual: residual.pointer,
      output: y.pointer)

    let plane = shape.outputHeight * shape.outputWidth
    let expected = zip(naive.forward(ConvolutionRun.input(shape), canonical), residuals)
      .enumerated().map { index, values in
        let channel = index / plane % shape.outputChannels
        let value =
          Double(scales[channel]) * values.0 + Double(shifts[channel]) + Double(values.1)
        return switch activation {
        case .none: value
        case .relu: max(0, value)
        case .relu6: min(6, max(0, value))
        }
      }
    #expect(
      largestError(unpacked(y, output, batch: batch), expected)
        <= 2 * sumTolerance(terms: shape.inputChannels * window, winograd: winograd))
    #expect(padding(y, output, batch: batch).allSatisfy { $0 == 0 })
    // The result may take the residual's place.
    convolution.evaluate(
      input: x.pointer, weights: own.pointer, normalisation: folded, residual: residual.pointer,
      output: residual.pointer)
    #expect(residual.array == y.array)

    let gradient = packed(ConvolutionRun.gradOutput(shape), output, batch: batch)
    let gradInput = AlignedStorage<Float>(count: input.count(batch: batch))
    gradInput.fill(.nan)
    convolution.evaluateBackwardInput(
      gradOutput: gradient.pointer, weights: own.pointer, normalisation: folded,
      gradInput: gradInput.pointer)
    let scaled = canonical.enumerated().map { index, value in
      value * scales[index / (shape.inputChannels * window)]
    }
    #expect(
      largestError(
        unpacked(gradInput, input, batch: batch),
        naive.backwardInput(ConvolutionRun.gradOutput(shape), scaled))
        <= 2 * sumTolerance(terms: shape.outputChannels * window, winograd: winograd))
    #expect(padding(gradInput, input, batch: batch).allSatisfy { $0 == 0 })

    // What is not a number stays visible behind an activation.
    x.fill(.nan)
    convolution.evaluate(
      input: x.pointer, weights: own.pointer, normalisation: folded, residual: nil,
      output: y.pointer)
    let visible = unpacked(y, output, batch: batch).filter(\.isNaN).count
    #expect(visible == naive.outputCount)
  }

  /// The engine's layouts between inner layers.
  private func layouts(
    _ engine: any Engine, _ shape: ConvolutionShape
  ) -> (input: ActivationLayout, output: ActivationLayout) {
    (
      engine.activationLayout(
        channels: shape.inputChannels, height: shape.inputHeight, width: shape.inputWidth),
      engine.activationLayout(
        channels: shape.outputChannels, height: shape.outputHeight, width: shape.outputWidth)
    )
  }
#endif

import MecaTensor
import Testing

#if MECA_ONEDNN
  /// Channels in and out, height, width, stride, batch: odd planes, single points, filled-up blocks,
  /// half pairs of them.
  private let pointwiseShapes: [ConvolutionShape] = [
    (3, 8, 5, 7, 2, 3), (8, 5, 1, 1, 2, 4), (8, 8, 32, 32, 2, 1), (16, 32, 16, 16, 2, 5),
    (24, 12, 7, 9, 2, 3), (12, 40, 33, 31, 2, 1), (128, 128, 4, 6, 2, 2), (20, 16, 10, 11, 3, 3),
    (40, 72, 1, 13, 2, 7),
  ].map { c, k, height, width, stride, batch in
    ConvolutionShape(
      batch: batch, inputChannels: c, outputChannels: k, inputHeight: height, inputWidth: width,
      kernel: 1, stride: stride, padding: 0)
  }

  /// Our strided kernels of 1x1 behind the oneDNN engine.
  @Suite struct PointwiseTests {
    @Test(arguments: pointwiseShapes)
    func agreesWithPlainLoops(shape: ConvolutionShape) throws {
      let run = try ConvolutionRun(try makeEngine(.onednn), shape)
      #expect(run.kernelNames.count == 3 && run.kernelNames.allSatisfy { $0.contains("pointwise") })
      try ConvolutionTests().compare(run, shape)
    }

    @Test(arguments: pointwiseShapes)
    func sameBitsAgain(shape: ConvolutionShape) throws {
      let engine = try makeEngine(.onednn)
      #expect(try ConvolutionRun(engine, shape) == (try ConvolutionRun(engine, shape)))
    }

    @Test(arguments: [8, 24])
    func imageDoesNotDependOnItsPlace(channels: Int) throws {
      try requireIndependence(
        ConvolutionShape(
          batch: 1, inputChannels: channels, outputChannels: channels, inputHeight: 7,
          inputWidth: 9, kernel: 1, stride: 2, padding: 0), kernels: "pointwise")
    }

    @Test(arguments: pointwiseShapes, [Activation.none, .relu, .relu6])
    func evaluationAgreesWithPlainLoops(shape: ConvolutionShape, activation: Activation) throws {
      try requireEvaluation(shape, activation)
    }
  }
#endif

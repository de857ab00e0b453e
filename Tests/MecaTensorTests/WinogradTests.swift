import MecaCore
import MecaTensor
import Testing

#if MECA_ONEDNN
  /// Channels in and out, height, width, batch: odd planes, several chunks of tiles, half panels of
  /// outputs, filled-up blocks, weights too large to stay transformed, more channels than are summed
  /// at once, derivatives by the weights in one chunk and in several.
  private let winogradShapes: [ConvolutionShape] = [
    (152, 160, 7, 7, 13), (64, 64, 32, 32, 1), (64, 72, 17, 19, 3), (136, 128, 8, 8, 12),
    (96, 112, 7, 13, 5), (72, 96, 16, 15, 3), (68, 66, 17, 16, 3), (264, 272, 7, 4, 8),
    (256, 256, 4, 4, 16), (16, 16, 32, 32, 2), (20, 17, 8, 8, 3), (16, 48, 4, 4, 1),
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
    /// a tile. The twelve in `sumTolerance` is six deviations, twice.
    @Test(arguments: winogradShapes)
    func agreesWithPlainLoops(shape: ConvolutionShape) throws {
      let run = try ConvolutionRun(try makeEngine(.onednn), shape)
      #expect(run.kernelNames.count == 3 && run.kernelNames.allSatisfy { $0.contains("wino") })
      try ConvolutionTests().compare(run, shape)
    }

    @Test(arguments: winogradShapes)
    func sameBitsAgain(shape: ConvolutionShape) throws {
      let engine = try makeEngine(.onednn)
      #expect(try ConvolutionRun(engine, shape) == (try ConvolutionRun(engine, shape)))
    }

    /// An image's results are the same bits wherever it is in the batch, and however many tiles are
    /// worked on together.
    @Test func imageDoesNotDependOnItsPlace() throws {
      let engine = try makeEngine(.onednn)
      engine.enterThread()
      var shape = winogradShapes[0]
      shape.outputChannels = shape.inputChannels
      let layout = engine.activationLayout(channels: shape.inputChannels, height: 7, width: 7)
      let size = layout.count(batch: 1)
      let x = AlignedStorage<Float>(count: 17 * size)
      x.copy(from: randomValues(17 * size, stream: 1))
      shape.batch = 1
      let small = try plan(engine, shape)
      let weights = AlignedStorage<Float>(count: small.weightCount)
      let prepared = AlignedStorage<Float>(count: small.preparedCount)
      small.importWeights(ConvolutionRun.weights(shape), to: weights.pointer)
      small.prepare(weights.pointer, into: prepared.pointer)
      func results(first: Int, batch: Int) throws -> [Float] {
        shape.batch = batch
        let object = try plan(engine, shape)
        #expect(object.kernelNames.allSatisfy { $0.contains("wino") })
        let y = AlignedStorage<Float>(count: batch * size)
        let gradient = AlignedStorage<Float>(count: batch * size)
        object.forward(
          input: x.pointer + first * size, weights: weights.pointer, prepared: prepared.pointer,
          output: y.pointer)
        object.backwardInput(
          gradOutput: x.pointer + first * size, weights: weights.pointer,
          prepared: prepared.pointer, gradInput: gradient.pointer)
        return (0..<batch).flatMap { image in
          let range = image * size..<(image + 1) * size
          return Array(y.buffer[range]) + Array(gradient.buffer[range])
        }
      }
      let all = try results(first: 0, batch: 17)
      for (first, batch) in [(0, 12), (1, 13), (5, 12), (2, 15)] {
        let some = try results(first: first, batch: batch)
        let expected = Array(all[first * 2 * size..<(first + batch) * 2 * size])
        #expect(some == expected, "\(batch) from \(first)")
      }
    }

    /// Square 3x3 convolutions of 16 channels or more, at any batch, unless tiles are mostly edge.
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
        try names(64, 64, 7, batch: 2),
      ]
      for names in taken { #expect(names.allSatisfy { $0.contains("wino") }, "\(names)") }
      let direct = [
        try names(8, 8, 32, batch: 16), try names(15, 64, 32, batch: 16),
        try names(64, 64, 5, batch: 16), try names(64, 64, 2, batch: 16),
        try names(64, 64, 32, batch: 2, stride: 2),
        try names(64, 64, 32, batch: 2, kernel: 1, padding: 0),
        try names(64, 64, 32, batch: 2, padding: 0),
        try names(64, 64, 32, batch: 2, kernel: 5, padding: 2),
      ]
      for names in direct { #expect(!names.contains { $0.contains("wino") }, "\(names)") }
    }
  }
#endif

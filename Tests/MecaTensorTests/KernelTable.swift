import Glibc
import MecaCore
import MecaTensor
import Testing

/// Prints what every convolution of ResNet-18 runs on and how fast, one core, microbatch 16.
///
/// `MECA_KERNEL_TABLE=1 swift test -c release --filter KernelTable`; not part of the normal run,
/// since a timing proves nothing there.
@Suite struct KernelTable {
  @Test(.enabled(if: getenv("MECA_KERNEL_TABLE") != nil), arguments: EngineKind.available)
  func printTable(kind: EngineKind) throws {
    let engine = try makeEngine(kind)
    engine.enterThread()
    print(engine.fingerprint)
    for width in kind == .onednn ? [8, 16, 64] : [16] {
      print("ResNet-18 width \(width), microbatch 16")
      var total = [0.0, 0.0, 0.0]
      var operationCount = 0.0
      for shape in resNetShapes(width: width, batch: 16) {
        let times = try Self.times(engine, shape)
        let operations = 2 * Double(shape.multiplyAdds)
        let repeats = Self.repeats(shape, width: width)
        operationCount += repeats * operations
        for direction in 0..<3 { total[direction] += repeats * times.seconds[direction] }
        let columns = zip(times.names, times.seconds).map { name, seconds in
          "\(name) \((operations / seconds / 1e8).rounded() / 10)"
        }
        print(
          "\(shape.inputChannels)→\(shape.outputChannels) \(shape.inputHeight)x\(shape.inputWidth)"
            + " k\(shape.kernel) s\(shape.stride): " + columns.joined(separator: " | "))
      }
      let rates = total.map { (operationCount / $0 / 1e8).rounded() / 10 }
      let step = total.reduce(0, +)
      print(
        "all convolutions: \(rates) GFLOP/s, \((16 / step).rounded()) images/s three directions, "
          + "\((16 / total[0]).rounded()) forward alone")
    }
  }

  /// Time of the element-wise part: batch normalisation with ReLU, both directions.
  @Test(.enabled(if: getenv("MECA_KERNEL_TABLE") != nil), arguments: [1, 3, 8, 16])
  func printNormalisation(block: Int) {
    for (channels, side) in [(16, 32), (128, 4)] {
      let layout = ActivationLayout(
        channels: channels, block: block == 3 ? channels : block, height: side, width: side)
      let count = layout.count(batch: 16)
      let buffers = (0..<4).map { _ in AlignedStorage<Float>(count: count) }
      let channelValues = (0..<6).map { _ in AlignedStorage<Float>(count: channels) }
      let forward = Self.best {
        batchNormForward(
          layout, batch: 16, x: buffers[0].pointer, residual: nil, gamma: channelValues[0].pointer,
          beta: channelValues[1].pointer, epsilon: 1e-5, activation: .relu, y: buffers[1].pointer,
          mean: channelValues[2].pointer, inverseDeviation: channelValues[3].pointer,
          unbiasedVariance: channelValues[4].pointer)
      }
      let backward = Self.best {
        batchNormBackward(
          layout, batch: 16, gradOutput: buffers[2].pointer, x: buffers[0].pointer,
          y: buffers[1].pointer, gamma: channelValues[0].pointer, beta: channelValues[1].pointer,
          mean: channelValues[2].pointer, inverseDeviation: channelValues[3].pointer,
          activation: .relu, gradInput: buffers[3].pointer, gradResidual: nil,
          gradGamma: channelValues[4].pointer, gradBeta: channelValues[5].pointer)
      }
      // Reads and writes: x twice and y once; three arrays twice and one once.
      let bytes = Double(count * 4)
      print(
        "batch norm \(channels)x\(side)x\(side) block \(layout.block): forward "
          + "\((3 * bytes / forward / 1e8).rounded() / 10) GB/s, backward "
          + "\((7 * bytes / backward / 1e8).rounded() / 10) GB/s")
    }
  }

  /// How often the network has this convolution.
  private static func repeats(_ shape: ConvolutionShape, width: Int) -> Double {
    if shape.inputChannels == 3 || shape.stride == 2 { return 1 }
    return shape.inputChannels == width ? 4 : 3
  }

  /// Best of several runs of each direction.
  private static func times(
    _ engine: any Engine, _ shape: ConvolutionShape
  ) throws -> (names: [String], seconds: [Double]) {
    let object = try plan(engine, shape)
    let activations = NaiveConvolution(shape: shape)
    // Room for whole blocks of up to 16 channels on both sides.
    let x = AlignedStorage<Float>(count: activations.inputCount * 16)
    let y = AlignedStorage<Float>(count: activations.outputCount * 16)
    x.fill(0.5)
    y.fill(0.25)
    let weights = AlignedStorage<Float>(count: object.weightCount)
    let prepared = AlignedStorage<Float>(count: object.preparedCount)
    object.importWeights(ConvolutionRun.weights(shape), to: weights.pointer)
    object.prepare(weights.pointer, into: prepared.pointer)
    let gradient = AlignedStorage<Float>(count: object.weightCount)
    let seconds = [
      best {
        object.forward(
          input: x.pointer, weights: weights.pointer, prepared: prepared.pointer,
          output: y.pointer)
      },
      best {
        object.backwardInput(
          gradOutput: y.pointer, weights: weights.pointer, prepared: prepared.pointer,
          gradInput: x.pointer)
      },
      best {
        object.backwardWeights(
          input: x.pointer, gradOutput: y.pointer, gradWeights: gradient.pointer)
      },
    ]
    return (object.kernelNames, seconds)
  }

  private static func best(_ body: () -> Void) -> Double {
    let clock = ContinuousClock()
    let shortest = (0..<10).map { _ in clock.measure(body) }.min() ?? .zero
    return Double(shortest.components.attoseconds) * 1e-18 + Double(shortest.components.seconds)
  }
}

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
    let shortest = (0..<5).map { _ in clock.measure(body) }.min() ?? .zero
    return Double(shortest.components.attoseconds) * 1e-18 + Double(shortest.components.seconds)
  }
}

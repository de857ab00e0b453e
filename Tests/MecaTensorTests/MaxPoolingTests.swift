import MecaCore
import MecaTensor
import Testing

/// Windows of every kind: those of the networks, without padding, without overlap, with gaps.
let windows: [(kernel: Int, stride: Int, padding: Int)] = [
  (3, 2, 1), (2, 2, 0), (3, 1, 1), (3, 2, 0), (5, 3, 2), (1, 1, 0), (2, 3, 1),
]

/// Whole and broken blocks of 16 and of 8, plain planes, and all channels in one block.
let pooledChannels: [(channels: Int, block: Int)] = [
  (16, 16), (20, 16), (8, 8), (20, 8), (3, 1), (3, 3), (20, 20),
]

/// The definition, by plain loops in `Double` over NCHW.
struct NaivePooling {
  let pooling: MaxPooling
  let batch: Int

  /// Largest values, and for each the place in `x` that it came from.
  func forward(_ x: [Double]) -> (values: [Double], sources: [Int]) {
    let (input, output) = (pooling.input, pooling.output)
    var values: [Double] = []
    var sources: [Int] = []
    for plane in 0..<batch * input.channels {
      for i in 0..<output.height {
        for j in 0..<output.width {
          var best = (value: -Double.infinity, source: -1)
          for r in 0..<pooling.kernel {
            for s in 0..<pooling.kernel {
              let h = i * pooling.stride + r - pooling.padding
              let w = j * pooling.stride + s - pooling.padding
              guard 0..<input.height ~= h, 0..<input.width ~= w else { continue }
              let source = (plane * input.height + h) * input.width + w
              if x[source] > best.value { best = (x[source], source) }
            }
          }
          values.append(best.value)
          sources.append(best.source)
        }
      }
    }
    return (values, sources)
  }

  /// What flows back to the places that the values came from.
  func backward(_ gradOutput: [Float], sources: [Int]) -> [Double] {
    var result = [Double](
      repeating: 0, count: batch * pooling.input.channels * pooling.input.planeSize)
    for (gradient, source) in zip(gradOutput, sources) { result[source] += Double(gradient) }
    return result
  }
}

@Suite struct MaxPoolingTests {
  static let batch = 2

  /// The pooled values and the input's gradient in plain order, and what padding holds afterwards.
  static func run(
    _ pooling: MaxPooling, x: [Float], gradOutput: [Float]
  ) -> (values: [Float], gradInput: [Float], padding: [Float]) {
    let packedX = packed(x, pooling.input, batch: batch)
    let packedGradient = packed(gradOutput, pooling.output, batch: batch)
    let y = AlignedStorage<Float>(count: pooling.output.count(batch: batch))
    let places = AlignedStorage<UInt8>(count: y.count)
    let gradX = AlignedStorage<Float>(count: packedX.count)
    places.fill(.max)
    for storage in [y, gradX] { storage.fill(.nan) }
    pooling.forward(batch: batch, x: packedX.pointer, y: y.pointer, places: places.pointer)
    pooling.backward(
      batch: batch, gradOutput: packedGradient.pointer, places: places.pointer,
      gradInput: gradX.pointer)
    // A lane that only evaluates has no room for places; it must give the same bits.
    let again = AlignedStorage<Float>(count: y.count)
    pooling.forward(batch: batch, x: packedX.pointer, y: again.pointer, places: nil)
    #expect(again.array.map(\.bitPattern) == y.array.map(\.bitPattern))
    return (
      unpacked(y, pooling.output, batch: batch), unpacked(gradX, pooling.input, batch: batch),
      padding(y, pooling.output, batch: batch) + padding(gradX, pooling.input, batch: batch)
    )
  }

  /// Random values, and values of which many are equal, so that it matters which one counts.
  @Test(arguments: pooledChannels, windows)
  func agreesWithPlainLoops(
    channels: (channels: Int, block: Int), window: (kernel: Int, stride: Int, padding: Int)
  ) {
    for (height, width) in [(1, 1), (1, 5), (3, 2), (8, 8), (9, 7), (6, 13)]
    where min(height, width) + 2 * window.padding >= window.kernel {
      let pooling = MaxPooling(
        ActivationLayout(
          channels: channels.channels, block: channels.block, height: height, width: width),
        kernel: window.kernel, stride: window.stride, padding: window.padding)
      let naive = NaivePooling(pooling: pooling, batch: Self.batch)
      let smooth = randomValues(Self.batch * channels.channels * height * width, stream: 1)
      let equal = smooth.map { ($0 * 2).rounded() }
      for x in [smooth, equal] {
        let expected = naive.forward(x.map(Double.init))
        let gradOutput = randomValues(expected.values.count, stream: 2)
        let found = Self.run(pooling, x: x, gradOutput: gradOutput)
        #expect(found.values.map(Double.init) == expected.values, "\(height)x\(width)")
        // Sums of at most kernel² numbers below 1, half an ulp each.
        let tolerance =
          Double(window.kernel * window.kernel * window.kernel * window.kernel) * 0x1p-24
        let error = largestError(
          found.gradInput, naive.backward(gradOutput, sources: expected.sources))
        #expect(error <= tolerance, "\(height)x\(width)")
        #expect(found.padding.allSatisfy { $0 == 0 })
      }
    }
  }

  /// Where a window's largest value is the only one, the derivative is that of the definition.
  ///
  /// The pooled values are linear there, so that the quotient is off by rounding alone: 1e-16 / 1e-6.
  @Test(arguments: [(20, 16), (5, 8), (3, 1)])
  func gradientIsTheCentralDifference(channels: (channels: Int, block: Int)) {
    let pooling = MaxPooling(
      ActivationLayout(
        channels: channels.channels, block: channels.block, height: 7, width: 5),
      kernel: 3, stride: 2, padding: 1)
    let naive = NaivePooling(pooling: pooling, batch: Self.batch)
    // Distinct by much more than the step.
    let count = Self.batch * channels.channels * 35
    var random = KeyedRandom(seed: 3, purpose: .test)
    let x = random.permutation(count: count).map { Float($0) / Float(count) }
    let gradOutput = randomValues(naive.forward(x.map(Double.init)).values.count, stream: 2)
    let found = Self.run(pooling, x: x, gradOutput: gradOutput).gradInput
    func loss(_ x: [Double]) -> Double {
      zip(naive.forward(x).values, gradOutput).reduce(0) { $0 + $1.0 * Double($1.1) }
    }
    let step = 1e-6
    for place in stride(from: 0, to: count, by: 7) {
      var (above, below) = (x.map(Double.init), x.map(Double.init))
      above[place] += step
      below[place] -= step
      let expected = (loss(above) - loss(below)) / (2 * step)
      #expect(abs(Double(found[place]) - expected) < 1e-6, "\(place)")
    }
  }

  /// Of equal values the first in row-major order gets the whole gradient, as in PyTorch.
  @Test func theFirstOfEqualValuesCounts() {
    let pooling = MaxPooling(
      .nchw(channels: 1, height: 3, width: 3), kernel: 3, stride: 2, padding: 1)
    let found = Self.run(
      pooling, x: [Float](repeating: 4, count: 9) + [0, 0, 1, 1, 0, 0, 0, 0, 0],
      gradOutput: [1, 10, 100, 1000, 1, 10, 100, 1000])
    #expect(found.values == [4, 4, 4, 4, 1, 1, 1, 0])
    #expect(
      found.gradInput == [
        1, 10, 0, 100, 1000, 0, 0, 0, 0, 0, 0, 10, 101, 1000, 0, 0, 0, 0,
      ])
  }

  /// A value that is not a number must reach the loss.
  @Test(arguments: [(16, 16), (3, 8), (1, 1)])
  func notANumberWins(channels: (channels: Int, block: Int)) {
    let pooling = MaxPooling(
      ActivationLayout(
        channels: channels.channels, block: channels.block, height: 4, width: 4),
      kernel: 3, stride: 2, padding: 1)
    for place in [0, 5, 15] {
      var x = randomValues(Self.batch * channels.channels * 16, stream: 1)
      x[place] = .nan
      let values = Self.run(
        pooling, x: x, gradOutput: randomValues(Self.batch * channels.channels * 4, stream: 2)
      ).values
      let hit = [0: [0], 5: [0, 1, 2, 3], 15: [3]][place]!
      for index in values.indices { #expect(values[index].isNaN == hit.contains(index)) }
    }
  }

  @Test func impossibleWindowsTrap() async {
    await #expect(processExitsWith: .failure) {
      _ = MaxPooling(.nchw(channels: 1, height: 4, width: 4), kernel: 3, stride: 2, padding: 2)
    }
    await #expect(processExitsWith: .failure) {
      _ = MaxPooling(.nchw(channels: 1, height: 2, width: 4), kernel: 3, stride: 2, padding: 0)
    }
  }
}

import MecaCore
import MecaTensor
import Testing

@Suite struct ElementwiseTests {
  @Test(arguments: layouts)
  func packAndUnpackAreInverse(layout: ActivationLayout) {
    let values = randomValues(3 * layout.channels * layout.planeSize, stream: 1)
    let storage = packed(values, layout, batch: 3)
    #expect(unpacked(storage, layout, batch: 3) == values)
    #expect(padding(storage, layout, batch: 3).allSatisfy { $0 == 0 })
  }

  /// 3 channels in blocks of 2, two points: pairs of channels, then the third with a zero.
  @Test func packedOrderIsTheDocumentedOne() {
    let layout = ActivationLayout(channels: 3, block: 2, height: 1, width: 2)
    let storage = packed([1, 2, 11, 12, 21, 22], layout, batch: 1)
    #expect(storage.array == [1, 11, 2, 12, 21, 0, 22, 0])
  }

  /// 1, 8 and 20 channels: less than a block, a block, several with the last one filled up.
  @Test(arguments: [1, 8, 20], [(4, 8), (8, 16), (16, 8), (8, 4), (1, 8), (8, 1)])
  func reblockingIsPackingAnew(channels: Int, blocks: (from: Int, to: Int)) {
    let (from, to) = (
      ActivationLayout(channels: channels, block: blocks.from, height: 3, width: 5),
      ActivationLayout(channels: channels, block: blocks.to, height: 3, width: 5)
    )
    let values = randomValues(2 * channels * 15, stream: 1)
    let storage = packed(values, from, batch: 2)
    let result = AlignedStorage<Float>(count: to.count(batch: 2))
    result.fill(.nan)
    reblock(from, batch: 2, storage.pointer, to: to, result.pointer)
    #expect(result.array == packed(values, to, batch: 2).array)
  }

  @Test(arguments: layouts)
  func averagePool(layout: ActivationLayout) {
    let batch = 3
    let plane = layout.planeSize
    let x = randomValues(batch * layout.channels * plane, stream: 1)
    var output = [Float](repeating: .nan, count: batch * layout.channels)
    let packedX = packed(x, layout, batch: batch)
    averagePoolForward(layout, batch: batch, x: packedX.pointer, output: &output)
    let expected = (0..<output.count).map { row in
      x[(row * plane)..<((row + 1) * plane)].map(Double.init).reduce(0, +) / Double(plane)
    }
    // Float chains of at most 127 additions (sums.h) of numbers below 1, over their mean.
    #expect(largestError(output, expected) <= 127 * 0x1p-24)

    let gradient = randomValues(output.count, stream: 2)
    let spread = AlignedStorage<Float>(count: layout.count(batch: batch))
    spread.fill(.nan)
    averagePoolBackward(layout, batch: batch, gradOutput: gradient, gradInput: spread.pointer)
    let wanted = (0..<x.count).map { gradient[$0 / plane] / Float(plane) }
    #expect(unpacked(spread, layout, batch: batch) == wanted)
    #expect(padding(spread, layout, batch: batch).allSatisfy { $0 == 0 })
  }

  @Test(arguments: layouts)
  func imagesAreNormalisedAndBack(layout: ActivationLayout) {
    let batch = 2
    let plane = layout.planeSize
    let raw = randomValues(batch * layout.channels * plane, stream: 1)
    let mean = randomValues(layout.channels, stream: 2)
    let inverse = randomValues(layout.channels, stream: 3)
    let loaded = AlignedStorage<Float>(count: layout.count(batch: batch))
    loaded.fill(.nan)
    loadImages(
      layout, batch: batch, raw: raw, mean: mean, inverseDeviation: inverse,
      output: loaded.pointer)
    let channel = { (i: Int) in i / plane % layout.channels }
    #expect(
      unpacked(loaded, layout, batch: batch)
        == raw.indices.map { (raw[$0] - mean[channel($0)]) * inverse[channel($0)] })
    #expect(padding(loaded, layout, batch: batch).allSatisfy { $0 == 0 })

    let gradient = randomValues(raw.count, stream: 4)
    var rawGradient = [Float](repeating: .nan, count: raw.count)
    let packedGradient = packed(gradient, layout, batch: batch)
    unloadImageGradient(
      layout, batch: batch, gradient: packedGradient.pointer, inverseDeviation: inverse,
      rawGradient: &rawGradient)
    #expect(rawGradient == raw.indices.map { gradient[$0] * inverse[channel($0)] })
  }

  @Test(arguments: [0, 1, 15, 16, 1003])
  func addition(count: Int) {
    let x = randomValues(count, stream: 1)
    var y = randomValues(count, stream: 2)
    let expected = zip(x, y).map { $1 + $0 }
    add(x, to: &y, count: count)
    #expect(y == expected)
  }

  @Test(arguments: [0, 1, 16, 1003])
  func sumOfSquaresAgrees(count: Int) {
    let x = randomValues(count, stream: 1)
    let expected = x.map { Double($0) * Double($0) }.reduce(0, +)
    // Squares are exact in double; sums of `count` positive numbers.
    #expect(abs(sumOfSquares(x, count: count) - expected) <= Double(count) * expected * 0x1p-52)
  }

  @Test(arguments: [false, true])
  func momentumStep(nesterov: Bool) {
    let count = 37
    let gradient = randomValues(count, stream: 1)
    let oldVelocity = randomValues(count, stream: 2)
    let oldWeights = randomValues(count, stream: 3)
    var velocity = oldVelocity
    var weights = oldWeights
    sgdUpdate(
      count: count, gradient: gradient, gradientScale: 0.5, learningRate: 0.1, momentum: 0.9,
      weightDecay: 5e-4, nesterov: nesterov, velocity: &velocity, weights: &weights)
    var expectedVelocity: [Double] = []
    var expectedWeights: [Double] = []
    for i in 0..<count {
      let w = Double(oldWeights[i])
      let g = 0.5 * Double(gradient[i]) + 5e-4 * w
      let v = 0.9 * Double(oldVelocity[i]) + g
      expectedVelocity.append(v)
      expectedWeights.append(w - 0.1 * (nesterov ? g + 0.9 * v : v))
    }
    // Six operations on numbers below 2, half an ulp of 2⁻²³ each.
    #expect(largestError(velocity, expectedVelocity) <= 6 * 0x1p-24)
    #expect(largestError(weights, expectedWeights) <= 6 * 0x1p-24)
  }

  /// A value that is not a number must reach the loss, not vanish in an activation.
  @Test(arguments: [(Activation.relu, Float(9)), (.relu6, 6)])
  func activationsKeepNaN(activation: Activation, nine: Float) {
    let layout = ActivationLayout.nchw(channels: 1, height: 1, width: 3)
    var y: [Float] = [0, 0, 0]
    scaleForward(
      layout, batch: 1, x: [.nan, -1, 9], residual: nil, scale: [1], shift: [0],
      activation: activation, y: &y)
    #expect(y[0].isNaN && y[1] == 0 && y[2] == nine)
    var gradient: [Float] = [0, 0, 0]
    scaleBackward(
      layout, batch: 1, gradOutput: [.nan, 1, 1], y: [.nan, 1, 6], scale: [1],
      activation: activation, gradInput: &gradient, gradResidual: nil)
    #expect(gradient[0].isNaN && gradient[1] == 1 && gradient[2] == (activation == .relu ? 1 : 0))
  }
}

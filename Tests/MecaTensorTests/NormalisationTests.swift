import MecaCore
import MecaTensor
import Testing

/// One layout of each way the kernels walk memory: whole vectors, half vectors, planes, rest lanes.
let layouts: [ActivationLayout] = [
  ActivationLayout(channels: 16, block: 16, height: 4, width: 4),
  ActivationLayout(channels: 20, block: 16, height: 5, width: 3),
  ActivationLayout(channels: 16, block: 8, height: 32, width: 32),
  ActivationLayout(channels: 5, block: 8, height: 3, width: 3),
  ActivationLayout(channels: 20, block: 8, height: 9, width: 8),
  ActivationLayout(channels: 3, block: 1, height: 9, width: 9),
  ActivationLayout(channels: 3, block: 1, height: 1, width: 1),
  ActivationLayout(channels: 3, block: 3, height: 8, width: 8),
  ActivationLayout(channels: 20, block: 20, height: 5, width: 5),
  ActivationLayout(channels: 64, block: 64, height: 4, width: 4),
]

/// What may follow a normalisation.
let endings: [(hasResidual: Bool, activation: Activation)] = [
  (false, .none), (true, .none), (false, .relu), (true, .relu), (false, .relu6), (true, .relu6),
]

extension Activation {
  /// The activation in `Double`.
  func applied(to y: Double) -> Double {
    switch self {
    case .none: y
    case .relu: max(y, 0)
    case .relu6: min(max(y, 0), 6)
    }
  }

  /// Whether the derivative is 1 where the result is `y`.
  func passes(_ y: Float) -> Bool {
    switch self {
    case .none: true
    case .relu: y > 0
    case .relu6: y > 0 && y < 6
    }
  }
}

/// Training-mode batch normalisation by plain loops in `Double`, NCHW.
struct NaiveBatchNorm {
  let layout: ActivationLayout
  let batch: Int
  let epsilon: Double
  let activation: Activation
  var mean: [Double] = []
  var variance: [Double] = []
  var output: [Double] = []

  init(
    _ layout: ActivationLayout, batch: Int, epsilon: Float, activation: Activation, x: [Float],
    residual: [Float]?, gamma: [Float], beta: [Float]
  ) {
    self.layout = layout
    self.batch = batch
    self.epsilon = Double(epsilon)
    self.activation = activation
    output = [Double](repeating: 0, count: x.count)
    for c in 0..<layout.channels {
      let places = self.places(c)
      let values = places.map { Double(x[$0]) }
      let centre = values.reduce(0, +) / Double(values.count)
      let spread = values.map { ($0 - centre) * ($0 - centre) }.reduce(0, +) / Double(values.count)
      mean.append(centre)
      variance.append(spread)
      for place in places {
        var y =
          Double(gamma[c]) * (Double(x[place]) - centre) / (spread + self.epsilon).squareRoot()
          + Double(beta[c])
        if let residual { y += Double(residual[place]) }
        output[place] = activation.applied(to: y)
      }
    }
  }

  /// Where the values of channel `c` lie in NCHW.
  func places(_ c: Int) -> [Int] {
    (0..<batch).flatMap { n in
      (0..<layout.planeSize).map { (n * layout.channels + c) * layout.planeSize + $0 }
    }
  }

  /// Gradients by x, residual, gamma, beta, where `mask` tells which outputs the activation let through.
  func backward(
    _ gradOutput: [Float], x: [Float], gamma: [Float], mask: [Bool]
  ) -> (x: [Double], residual: [Double], gamma: [Double], beta: [Double]) {
    var gradX = [Double](repeating: 0, count: x.count)
    let g = zip(gradOutput, mask).map { $1 ? Double($0) : 0 }
    var gradGamma: [Double] = []
    var gradBeta: [Double] = []
    for c in 0..<layout.channels {
      let places = self.places(c)
      let n = Double(places.count)
      let inverse = 1 / (variance[c] + epsilon).squareRoot()
      let normalised = places.map { (Double(x[$0]) - mean[c]) * inverse }
      let sum = places.map { g[$0] }.reduce(0, +)
      let product = zip(places, normalised).map { g[$0] * $1 }.reduce(0, +)
      gradBeta.append(sum)
      gradGamma.append(product)
      for (place, hat) in zip(places, normalised) {
        gradX[place] = Double(gamma[c]) * inverse * (g[place] - sum / n - hat * product / n)
      }
    }
    return (gradX, g, gradGamma, gradBeta)
  }
}

@Suite struct NormalisationTests {
  /// Allowed error of a normalised value of order 1 whose input has a mean of `offset`.
  ///
  /// One rounding of a number of size s is s·2⁻²⁴; the output takes about 8 of them, on numbers up
  /// to 1 + |offset|, scaled by at most gamma/σ ≈ 4; the chains of at most 127 float additions
  /// (sums.h) add about sqrt(127) roundings of numbers that are on average a few times smaller than
  /// their sum.
  private func tolerance(_ offset: Float) -> Double { 4 * 24 * Double(1 + abs(offset)) * 0x1p-24 }

  @Test(arguments: layouts, endings)
  func trainingAgreesWithPlainLoops(
    layout: ActivationLayout, ending: (hasResidual: Bool, activation: Activation)
  ) throws {
    let (hasResidual, activation) = ending
    let batch = layout.planeSize > 500 ? 2 : 5
    let count = batch * layout.channels * layout.planeSize
    let offset: Float = 3
    let x = randomValues(count, stream: 1).map { $0 + offset }
    let residual = randomValues(count, stream: 2)
    let gamma = randomValues(layout.channels, stream: 3).map { $0 + 1.5 }
    // ReLU6 gets values on both sides of both its bends.
    let beta = randomValues(layout.channels, stream: 4).map { $0 + (activation == .relu6 ? 3 : 0) }
    let gradOutput = randomValues(count, stream: 5)

    let naive = NaiveBatchNorm(
      layout, batch: batch, epsilon: 1e-5, activation: activation, x: x,
      residual: hasResidual ? residual : nil, gamma: gamma, beta: beta)

    let packedX = packed(x, layout, batch: batch)
    let packedResidual = packed(residual, layout, batch: batch)
    let y = AlignedStorage<Float>(count: packedX.count)
    y.fill(.nan)
    var mean = [Float](repeating: .nan, count: layout.channels)
    var inverse = mean
    var unbiased = mean
    batchNormForward(
      layout, batch: batch, x: packedX.pointer,
      residual: hasResidual ? UnsafePointer(packedResidual.pointer) : nil, gamma: gamma,
      beta: beta, epsilon: 1e-5, activation: activation, y: y.pointer, mean: &mean,
      inverseDeviation: &inverse, unbiasedVariance: &unbiased)
    let limit = tolerance(offset)
    let points = Double(batch * layout.planeSize)
    #expect(largestError(mean, naive.mean) <= limit)
    #expect(
      largestError(unbiased, naive.variance.map { $0 * points / (points - 1) }) <= limit)
    let output = unpacked(y, layout, batch: batch)
    // Five points a channel can lie close together and then divide by a small deviation.
    let worst = naive.variance.map { 1 / ($0 + 1e-5).squareRoot() }.max() ?? 1
    #expect(largestError(output, naive.output) <= limit * max(1, worst))
    #expect(padding(y, layout, batch: batch).allSatisfy { $0 == 0 })

    let gradients = naive.backward(
      gradOutput, x: x, gamma: gamma, mask: output.map(activation.passes))
    let packedGradient = packed(gradOutput, layout, batch: batch)
    let gradInput = AlignedStorage<Float>(count: packedX.count)
    let gradResidual = AlignedStorage<Float>(count: packedX.count)
    gradInput.fill(.nan)
    gradResidual.fill(.nan)
    var gradGamma = [Float](repeating: .nan, count: layout.channels)
    var gradBeta = gradGamma
    batchNormBackward(
      layout, batch: batch, gradOutput: packedGradient.pointer, x: packedX.pointer, y: y.pointer,
      gamma: gamma, beta: beta, mean: mean, inverseDeviation: inverse, activation: activation,
      gradInput: gradInput.pointer, gradResidual: hasResidual ? gradResidual.pointer : nil,
      gradGamma: &gradGamma, gradBeta: &gradBeta)
    // Sums over all points of a channel, normalised by 1/σ, σ ≈ 0.6.
    let sumLimit = sumTolerance(terms: batch * layout.planeSize) * max(1, worst)
    #expect(largestError(gradBeta, gradients.beta) <= sumLimit)
    #expect(largestError(gradGamma, gradients.gamma) <= sumLimit + limit * points.squareRoot())
    #expect(
      largestError(unpacked(gradInput, layout, batch: batch), gradients.x)
        <= limit * max(1, worst * worst))
    #expect(padding(gradInput, layout, batch: batch).allSatisfy { $0 == 0 })
    if hasResidual {
      #expect(
        largestError(unpacked(gradResidual, layout, batch: batch), gradients.residual) == 0)
      #expect(padding(gradResidual, layout, batch: batch).allSatisfy { $0 == 0 })
    }

    if !hasResidual {
      // The activation is known without its result.
      let again = AlignedStorage<Float>(count: gradInput.count)
      var (againGamma, againBeta) = (gradGamma, gradBeta)
      batchNormBackward(
        layout, batch: batch, gradOutput: packedGradient.pointer, x: packedX.pointer, y: nil,
        gamma: gamma, beta: beta, mean: mean, inverseDeviation: inverse, activation: activation,
        gradInput: again.pointer, gradResidual: nil, gradGamma: &againGamma,
        gradBeta: &againBeta)
      #expect(again.array == gradInput.array)
      #expect(againGamma == gradGamma && againBeta == gradBeta)
    } else {
      // The residual's gradient takes the place of the output's.
      let place = packed(unpacked(packedGradient, layout, batch: batch), layout, batch: batch)
      let again = AlignedStorage<Float>(count: gradInput.count)
      batchNormBackward(
        layout, batch: batch, gradOutput: place.pointer, x: packedX.pointer, y: y.pointer,
        gamma: gamma, beta: beta, mean: mean, inverseDeviation: inverse, activation: activation,
        gradInput: again.pointer, gradResidual: place.pointer, gradGamma: &gradGamma,
        gradBeta: &gradBeta)
      #expect(again.array == gradInput.array && place.array == gradResidual.array)
    }

    // In place: the gradient's memory is reused.
    batchNormBackward(
      layout, batch: batch, gradOutput: packedGradient.pointer, x: packedX.pointer, y: y.pointer,
      gamma: gamma, beta: beta, mean: mean, inverseDeviation: inverse, activation: activation,
      gradInput: packedGradient.pointer, gradResidual: nil, gradGamma: &gradGamma,
      gradBeta: &gradBeta)
    #expect(packedGradient.array == gradInput.array)
  }

  /// A mean a thousand times the deviation must not eat the variance's digits.
  @Test func varianceSurvivesLargeMean() {
    let layout = ActivationLayout(channels: 8, block: 8, height: 16, width: 16)
    let x = randomValues(4 * 8 * 256, stream: 1).map { $0 + 600 }
    let ones = [Float](repeating: 1, count: 8)
    let zeros = [Float](repeating: 0, count: 8)
    let naive = NaiveBatchNorm(
      layout, batch: 4, epsilon: 0, activation: .none, x: x, residual: nil, gamma: ones, beta: zeros
    )
    let packedX = packed(x, layout, batch: 4)
    let y = AlignedStorage<Float>(count: packedX.count)
    var mean = zeros
    var inverse = zeros
    var unbiased = zeros
    batchNormForward(
      layout, batch: 4, x: packedX.pointer, residual: nil, gamma: ones, beta: zeros, epsilon: 0,
      activation: .none, y: y.pointer, mean: &mean, inverseDeviation: &inverse,
      unbiasedVariance: &unbiased)
    // Distances to the pivot are exact here, so the variance keeps a sum's accuracy.
    let expected = naive.variance.map { $0 * 1024 / 1023 }
    #expect(largestError(unbiased, expected) <= 64 * 0x1p-24)
  }

  @Test(arguments: layouts, endings)
  func evaluationAgreesWithPlainLoops(
    layout: ActivationLayout, ending: (hasResidual: Bool, activation: Activation)
  ) {
    let (hasResidual, activation) = ending
    let batch = 2
    let plane = layout.planeSize
    let count = batch * layout.channels * plane
    let x = randomValues(count, stream: 1)
    let residual = randomValues(count, stream: 2)
    let gradOutput = randomValues(count, stream: 3)
    let scale = randomValues(layout.channels, stream: 4)
    let shift = randomValues(layout.channels, stream: 5).map {
      activation == .relu6 ? 4 * $0 + 3 : $0
    }
    let expected = (0..<count).map { i -> Double in
      let c = i / plane % layout.channels
      let y =
        Double(scale[c]) * Double(x[i]) + Double(shift[c])
        + (hasResidual ? Double(residual[i]) : 0)
      return activation.applied(to: y)
    }
    let packedX = packed(x, layout, batch: batch)
    let packedResidual = packed(residual, layout, batch: batch)
    let y = AlignedStorage<Float>(count: packedX.count)
    y.fill(.nan)
    scaleForward(
      layout, batch: batch, x: packedX.pointer,
      residual: hasResidual ? UnsafePointer(packedResidual.pointer) : nil, scale: scale,
      shift: shift, activation: activation, y: y.pointer)
    let output = unpacked(y, layout, batch: batch)
    // Three operations on numbers below 3, half an ulp of 2⁻²² each; with ReLU6 below 9, ulp 2⁻²⁰.
    #expect(largestError(output, expected) <= 3 * (activation == .relu6 ? 0x1p-21 : 0x1p-23))
    #expect(padding(y, layout, batch: batch).allSatisfy { $0 == 0 })

    let packedGradient = packed(gradOutput, layout, batch: batch)
    let gradInput = AlignedStorage<Float>(count: packedX.count)
    let gradResidual = AlignedStorage<Float>(count: packedX.count)
    scaleBackward(
      layout, batch: batch, gradOutput: packedGradient.pointer, y: y.pointer, scale: scale,
      activation: activation, gradInput: gradInput.pointer,
      gradResidual: hasResidual ? gradResidual.pointer : nil)
    let masked = (0..<count).map { activation.passes(output[$0]) ? gradOutput[$0] : 0 }
    let product = (0..<count).map { Double(masked[$0] * scale[$0 / plane % layout.channels]) }
    #expect(largestError(unpacked(gradInput, layout, batch: batch), product) == 0)
    #expect(padding(gradInput, layout, batch: batch).allSatisfy { $0 == 0 })
    if hasResidual {
      #expect(unpacked(gradResidual, layout, batch: batch) == masked)
    }
  }

  /// Lengths that fill no vector, and what is no number.
  @Test func maskLetsThroughWhatTheActivationDid() {
    for (activation, passing) in [
      (Activation.none, [true, true, true, true, true, true]),
      (.relu, [false, false, true, true, true, true]),
      (.relu6, [false, false, true, false, false, true]),
    ] {
      for copies in [1, 3, 7] {
        let y = [[Float]](repeating: [-1, 0, 3, 6, 7, .nan], count: copies).flatMap { $0 }
        var gradient = y.indices.map { Float($0 + 1) }
        maskGradient(count: y.count, y: y, activation: activation, gradient: &gradient)
        let expected = y.indices.map { passing[$0 % 6] ? Float($0 + 1) : 0 }
        #expect(gradient == expected, "\(activation)")
      }
    }
  }
}

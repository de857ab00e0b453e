import MecaCore

/// The linear classifier: `output[n, k] = bias[k] + Σ weight[k, c] · input[n, c]`.
///
/// Plain loops: with at most some hundred classes this is a thousandth of the network, and every sum
/// has an order that no other sample can change.
/// - Shapes: input `[N, C]`, weight `[K, C]`, bias `[K]`, output `[N, K]`.
final class Dense {
  private let site: DenseSite
  private let microbatch: Int
  private let weights: UnsafePointer<Float>
  private let bias: UnsafePointer<Float>

  init(_ site: DenseSite, model: Model, microbatch: Int) {
    self.site = site
    self.microbatch = microbatch
    weights = UnsafePointer(model.parameters.pointer + site.weights.lowerBound)
    bias = UnsafePointer(model.parameters.pointer + site.bias.lowerBound)
  }

  /// Overwrites `output`.
  func forward(_ input: UnsafePointer<Float>, output: UnsafeMutablePointer<Float>) {
    let (classes, features) = (site.classes, site.features)
    for n in 0..<microbatch {
      for k in 0..<classes {
        output[n * classes + k] =
          bias[k] + dotProduct(weights + k * features, input + n * features, count: features)
      }
    }
  }

  /// Overwrites `gradInput[n, c] = Σ gradOutput[n, k] · weight[k, c]`, and in training
  /// `gradWeight[k, c] = Σ gradOutput[n, k] · input[n, c]` and `gradBias[k] = Σ gradOutput[n, k]`.
  func backward(
    input: UnsafePointer<Float>, gradOutput: UnsafePointer<Float>,
    gradInput: UnsafeMutablePointer<Float>, _ pass: Pass
  ) {
    let (classes, features) = (site.classes, site.features)
    gradInput.update(repeating: 0, count: microbatch * features)
    for n in 0..<microbatch {
      for k in 0..<classes {
        addScaled(
          gradOutput[n * classes + k], weights + k * features, to: gradInput + n * features,
          count: features)
      }
    }
    guard case .training(let result) = pass else { return }
    let gradWeights = result.gradients + site.weights.lowerBound
    let gradBias = result.gradients + site.bias.lowerBound
    gradWeights.update(repeating: 0, count: classes * features)
    gradBias.update(repeating: 0, count: classes)
    for n in 0..<microbatch {
      for k in 0..<classes {
        let gradient = gradOutput[n * classes + k]
        addScaled(gradient, input + n * features, to: gradWeights + k * features, count: features)
        gradBias[k] += gradient
      }
    }
  }
}

/// Scalar product `Σ a[i] · b[i]` over eight running sums that are added pairwise at the end.
private func dotProduct(
  _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, count: Int
) -> Float {
  var sums = SIMD8<Float>()
  var index = 0
  while index + 8 <= count {
    let left = UnsafeRawPointer(a + index).loadUnaligned(as: SIMD8<Float>.self)
    let right = UnsafeRawPointer(b + index).loadUnaligned(as: SIMD8<Float>.self)
    sums += left * right
    index += 8
  }
  let four = sums.lowHalf + sums.highHalf
  let two = four.lowHalf + four.highHalf
  var sum = two.x + two.y
  while index < count {
    sum += a[index] * b[index]
    index += 1
  }
  return sum
}

/// Adds a multiple: `y += factor · x`.
private func addScaled(
  _ factor: Float, _ x: UnsafePointer<Float>, to y: UnsafeMutablePointer<Float>, count: Int
) {
  for index in 0..<count { y[index] += factor * x[index] }
}

import CMecaKernels

/// Adds element by element: `y += x`.
public func add(_ x: UnsafePointer<Float>, to y: UnsafeMutablePointer<Float>, count: Int) {
  meca_add(Int64(count), x, y)
}

/// One step of stochastic gradient descent with momentum, as `torch.optim.SGD` does it.
///
/// `g = gradientScale · gradient + weightDecay · w`, `v = momentum · v + g`,
/// `w −= learningRate · (nesterov ? g + momentum · v : v)`.
///
/// - Parameters:
///   - velocity: "v", updated; zero before the first step.
///   - weights: "w", updated.
public func sgdUpdate(
  count: Int, gradient: UnsafePointer<Float>, gradientScale: Float, learningRate: Float,
  momentum: Float, weightDecay: Float, nesterov: Bool, velocity: UnsafeMutablePointer<Float>,
  weights: UnsafeMutablePointer<Float>
) {
  meca_sgd(
    Int64(count), gradient, gradientScale, learningRate, momentum, weightDecay, nesterov ? 1 : 0,
    velocity, weights)
}

/// Sum of squares in `Double`, in an order that depends on `count` alone.
public func sumOfSquares(_ x: UnsafePointer<Float>, count: Int) -> Double {
  meca_sum_of_squares(Int64(count), x)
}

import CMecaKernels

extension ActivationLayout {
  /// The layout as the C kernels want it.
  func kernelLayout(batch: Int) -> meca_layout {
    meca_layout(
      batch: Int64(batch), channels: Int64(channels), blocks: Int64(blocks),
      plane: Int64(planeSize), block: Int64(block))
  }
}

/// What follows a normalisation, in the same sweep.
public enum Activation: Sendable {
  /// y itself.
  case none
  /// `max(0, y)`; its derivative is 1 where the result exceeds 0.
  case relu
  /// `min(max(0, y), 6)`; its derivative is 1 where the result lies between 0 and 6.
  ///
  /// - Source: Krizhevsky 2010, "Convolutional deep belief networks on CIFAR-10".
  case relu6

  /// The same for the C kernels.
  var kernelActivation: meca_activation {
    switch self {
    case .none: MECA_NO_ACTIVATION
    case .relu: MECA_RELU
    case .relu6: MECA_RELU6
    }
  }
}

/// Normalises every channel by this microbatch's statistics, adds a residual, applies `activation`.
///
/// `y = activation(gamma · (x − mean) / sqrt(variance + epsilon) + beta + residual)`; mean and variance
/// (biased) over batch and plane.
///
/// - Shapes: `x`, `residual`, `y` as `layout`; `gamma`, `beta`, `mean`, `inverseDeviation`,
///   `unbiasedVariance` `[channels]`. Padded channels of `y` become zero.
/// - Accuracy: one pass sums distances to a pivot near the channel's mean and their squares, at
///   most 127 additions in `Float`, everything above in `Double`. Roundings of random signs leave
///   about sqrt(127)·2⁻²⁴ ≈ 7e-7 relative; 127·2⁻²⁴ ≈ 8e-6 is the bound.
/// - Source: Ioffe and Szegedy 2015, arXiv:1502.03167, algorithm 1.
/// - Parameters:
///   - residual: added before the activation, or nil.
///   - inverseDeviation: receives `1 / sqrt(variance + epsilon)` for the backward pass.
///   - unbiasedVariance: receives `variance · n / (n − 1)` for the running statistics (biased
///     where n is 1).
public func batchNormForward(
  _ layout: ActivationLayout, batch: Int, x: UnsafePointer<Float>,
  residual: UnsafePointer<Float>?, gamma: UnsafePointer<Float>, beta: UnsafePointer<Float>,
  epsilon: Float, activation: Activation, y: UnsafeMutablePointer<Float>,
  mean: UnsafeMutablePointer<Float>, inverseDeviation: UnsafeMutablePointer<Float>,
  unbiasedVariance: UnsafeMutablePointer<Float>
) {
  meca_batch_norm_forward(
    layout.kernelLayout(batch: batch), x, residual, gamma, beta, epsilon,
    activation.kernelActivation, y, mean, inverseDeviation, unbiasedVariance)
}

/// Derivatives of `batchNormForward`.
///
/// With `g = gradOutput` times the activation's derivative and `x̂ = (x − mean) · inv`:
/// `gradBeta = Σ g`, `gradGamma = Σ g · x̂`,
/// `gradInput = gamma · inv · (g − gradBeta / n − x̂ · gradGamma / n)`, `gradResidual = g`.
///
/// - Parameters:
///   - y: output of the forward pass; read only with an activation. nil where there was no residual:
///     the same sum is taken again, bit for bit, which costs less than reading it.
///   - gradInput: overwritten; may be `gradOutput` itself.
///   - gradResidual: overwritten with `g`, or nil; may be `gradOutput` itself if `gradInput` is not.
public func batchNormBackward(
  _ layout: ActivationLayout, batch: Int, gradOutput: UnsafePointer<Float>,
  x: UnsafePointer<Float>, y: UnsafePointer<Float>?, gamma: UnsafePointer<Float>,
  beta: UnsafePointer<Float>, mean: UnsafePointer<Float>, inverseDeviation: UnsafePointer<Float>,
  activation: Activation, gradInput: UnsafeMutablePointer<Float>,
  gradResidual: UnsafeMutablePointer<Float>?, gradGamma: UnsafeMutablePointer<Float>,
  gradBeta: UnsafeMutablePointer<Float>
) {
  precondition(y != nil || gradResidual == nil, "the sum without a residual was asked for")
  meca_batch_norm_backward(
    layout.kernelLayout(batch: batch), gradOutput, x, y, gamma, beta, mean, inverseDeviation,
    activation.kernelActivation, gradInput, gradResidual, gradGamma, gradBeta)
}

/// Normalises by fixed numbers: `y = activation(scale[c] · x + shift[c] + residual)`.
///
/// The evaluation form of batch normalisation: `scale = gamma / sqrt(variance + epsilon)`,
/// `shift = beta − mean · scale`. Padded channels of `y` become zero.
public func scaleForward(
  _ layout: ActivationLayout, batch: Int, x: UnsafePointer<Float>,
  residual: UnsafePointer<Float>?, scale: UnsafePointer<Float>, shift: UnsafePointer<Float>,
  activation: Activation, y: UnsafeMutablePointer<Float>
) {
  meca_scale_forward(
    layout.kernelLayout(batch: batch), x, residual, scale, shift,
    activation.kernelActivation, y)
}

/// Derivative of an activation alone, in place: `gradient · activation′`.
///
/// - Parameters:
///   - count: floats of both arrays.
///   - y: result of the activation.
public func maskGradient(
  count: Int, y: UnsafePointer<Float>, activation: Activation,
  gradient: UnsafeMutablePointer<Float>
) {
  meca_mask(Int64(count), y, activation.kernelActivation, gradient)
}

/// Derivatives of `scaleForward` by its input and residual.
///
/// With `g = gradOutput` times the activation's derivative: `gradInput = scale[c] · g`,
/// `gradResidual = g`. Either may be `gradOutput` itself, but not both.
public func scaleBackward(
  _ layout: ActivationLayout, batch: Int, gradOutput: UnsafePointer<Float>,
  y: UnsafePointer<Float>, scale: UnsafePointer<Float>, activation: Activation,
  gradInput: UnsafeMutablePointer<Float>, gradResidual: UnsafeMutablePointer<Float>?
) {
  meca_scale_backward(
    layout.kernelLayout(batch: batch), gradOutput, y, scale, activation.kernelActivation,
    gradInput, gradResidual)
}

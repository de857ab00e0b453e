import MecaCore
import MecaTensor

/// Batch normalisation, with the residual's addition and the activation in the same sweep.
///
/// `y = activation(γ · (x − mean) / √(variance + ε) + β + residual)`, channel by channel. In training mean
/// and (biased) variance are those of this microbatch alone ("ghost batch normalisation"); in
/// evaluation they are the running ones, folded into `y = activation(scale · x + shift + residual)`.
///
/// - Source: Ioffe and Szegedy 2015, arXiv:1502.03167; Hoffer et al. 2017, arXiv:1705.08741, §4.1.
final class BatchNormalisation {
  private let site: NormalisationSite
  private let microbatch: Int
  private let activation: Activation
  private let epsilon: Float
  private let gamma: UnsafePointer<Float>
  private let beta: UnsafePointer<Float>
  private let scale: UnsafePointer<Float>
  private let shift: UnsafePointer<Float>
  /// 1 / √(variance + ε) of the last training pass.
  private let inverseDeviation: AlignedStorage<Float>

  /// The normalisation of `site`, followed by `activation`.
  init(_ site: NormalisationSite, model: Model, microbatch: Int, activation: Activation) {
    self.site = site
    self.microbatch = microbatch
    self.activation = activation
    epsilon = model.epsilon
    gamma = UnsafePointer(model.parameters.pointer + site.gamma.lowerBound)
    beta = UnsafePointer(model.parameters.pointer + site.beta.lowerBound)
    scale = UnsafePointer(model.folded.pointer + site.mean.lowerBound)
    shift = UnsafePointer(model.folded.pointer + site.variance.lowerBound)
    inverseDeviation = AlignedStorage(count: site.layout.channels)
  }

  /// Overwrites `output`; in training also the batch's mean and unbiased variance.
  ///
  /// In evaluation `output` may be `input`.
  func forward(
    input: UnsafePointer<Float>, residual: UnsafePointer<Float>?,
    output: UnsafeMutablePointer<Float>, _ pass: Pass
  ) {
    switch pass {
    case .training(let result):
      batchNormForward(
        site.layout, batch: microbatch, x: input, residual: residual, gamma: gamma, beta: beta,
        epsilon: epsilon, activation: activation, y: output,
        mean: result.statistics + site.mean.lowerBound,
        inverseDeviation: inverseDeviation.pointer,
        unbiasedVariance: result.statistics + site.variance.lowerBound)
    case .evaluation:
      scaleForward(
        site.layout, batch: microbatch, x: input, residual: residual, scale: scale, shift: shift,
        activation: activation, y: output)
    }
  }

  /// Overwrites the gradients by input and residual, in training also those of γ and β.
  ///
  /// - Parameters:
  ///   - input, output: of the forward pass. Evaluation does not read `input`.
  ///   - gradInput: must not be `gradOutput` where `gradResidual` is.
  ///   - gradResidual: nil without a residual; may be `gradOutput`.
  func backward(
    input: UnsafePointer<Float>, output: UnsafePointer<Float>, gradOutput: UnsafePointer<Float>,
    gradInput: UnsafeMutablePointer<Float>, gradResidual: UnsafeMutablePointer<Float>?,
    _ pass: Pass
  ) {
    switch pass {
    case .training(let result):
      batchNormBackward(
        site.layout, batch: microbatch, gradOutput: gradOutput, x: input, y: output, gamma: gamma,
        mean: result.statistics + site.mean.lowerBound,
        inverseDeviation: inverseDeviation.pointer, activation: activation, gradInput: gradInput,
        gradResidual: gradResidual, gradGamma: result.gradients + site.gamma.lowerBound,
        gradBeta: result.gradients + site.beta.lowerBound)
    case .evaluation:
      scaleBackward(
        site.layout, batch: microbatch, gradOutput: gradOutput, y: output, scale: scale,
        activation: activation, gradInput: gradInput, gradResidual: gradResidual)
    }
  }
}

import MecaCore
import MecaTensor

/// A convolution with its batch normalisation, the residual's addition and the activation.
///
/// `output = activation(γ · (z − mean) / √(variance + ε) + β + residual)` with `z = weight ∗ input`,
/// channel by channel. In training mean and (biased) variance are those of this microbatch alone
/// ("ghost batch normalisation"); in evaluation they are the running ones, folded into
/// `scale · z + shift`, where the convolution can do that in the same sweep.
///
/// - Shapes: input `[N, C, H, W]`, weight `[K, C/G, R, R]`, output and residual `[N, K, H′, W′]`,
///   activations in the site's layouts, weights in the engine's order.
/// - Source: Ioffe and Szegedy 2015, arXiv:1502.03167; Hoffer et al. 2017, arXiv:1705.08741, §4.1.
final class NormalisedConvolution {
  /// Result of the last forward pass.
  let output: AlignedStorage<Float>
  /// The convolution's result, "z"; the same memory as `output` in lanes that only evaluate.
  private let convolved: AlignedStorage<Float>
  private let site: NormalisedConvolutionSite
  private let layout: ActivationLayout
  private let microbatch: Int
  private let operation: any Convolution
  /// The same, if it takes the normalisation in.
  private let folding: (any FoldingConvolution)?
  private let epsilon: Float
  private let weights: UnsafePointer<Float>
  private let prepared: UnsafePointer<Float>
  private let gamma: UnsafePointer<Float>
  private let beta: UnsafePointer<Float>
  private let folded: FoldedNormalisation
  /// 1 / √(variance + ε) of the last training pass.
  private let inverseDeviation: AlignedStorage<Float>
  /// Whether the last forward pass added a residual.
  private var hasResidual = false
  private let times: LayerTimes?

  /// Plans the two layers of `site` for a lane; `needsInputGradient`: `backward` will be asked for it.
  init(
    _ site: NormalisedConvolutionSite, memory: LaneMemory, output: AlignedStorage<Float>,
    needsInputGradient: Bool
  ) throws {
    let (model, convolution) = (memory.model, site.convolution)
    self.site = site
    self.output = output
    layout = convolution.output
    microbatch = memory.microbatch
    var shape = convolution.shape
    shape.batch = microbatch
    operation = try model.engine.makeConvolution(
      shape, input: convolution.input, output: layout, needsInputGradient: needsInputGradient,
      training: memory.training, workspace: memory.workspace)
    precondition(
      operation.weightCount == convolution.weights.count
        && operation.preparedCount == convolution.prepared.count,
      "\(convolution.name): \(operation.weightCount) weights and \(operation.preparedCount) prepared "
        + "for batch \(microbatch), \(convolution.weights.count) and \(convolution.prepared.count) "
        + "for one image")
    folding = operation as? any FoldingConvolution
    epsilon = model.epsilon
    let normalisation = site.normalisation
    weights = UnsafePointer(model.parameters.pointer + convolution.weights.lowerBound)
    prepared = UnsafePointer(model.prepared.pointer + convolution.prepared.lowerBound)
    gamma = UnsafePointer(model.parameters.pointer + normalisation.gamma.lowerBound)
    beta = UnsafePointer(model.parameters.pointer + normalisation.beta.lowerBound)
    folded = FoldedNormalisation(
      scale: UnsafePointer(model.folded.pointer + normalisation.scale.lowerBound),
      shift: UnsafePointer(model.folded.pointer + normalisation.shift.lowerBound),
      activation: site.activation)
    inverseDeviation = AlignedStorage(count: memory.training ? layout.channels : 0)
    convolved = memory.training ? AlignedStorage(count: layout.count(batch: microbatch)) : output
    times = memory.profile?.layer(
      convolution.name, shape: shape, kernelNames: operation.kernelNames)
  }

  /// Computes `output`; in training also the batch's mean and unbiased variance.
  ///
  /// - Parameter residual: nil without one; not `output`.
  func forward(
    _ input: UnsafePointer<Float>, residual: UnsafePointer<Float>? = nil, _ pass: Pass
  ) {
    switch pass {
    case .training(let result):
      hasResidual = residual != nil
      timed(\.forward) { convolve(input, convolved.pointer) }
      timed(\.normalise) {
        batchNormForward(
          layout, batch: microbatch, x: convolved.pointer, residual: residual, gamma: gamma,
          beta: beta, epsilon: epsilon, activation: site.activation, y: output.pointer,
          mean: result.statistics + site.normalisation.mean.lowerBound,
          inverseDeviation: inverseDeviation.pointer,
          unbiasedVariance: result.statistics + site.normalisation.variance.lowerBound)
      }
    case .evaluation:
      if let folding {
        timed(\.forward) {
          folding.evaluate(
            input: input, weights: weights, normalisation: folded, residual: residual,
            output: output.pointer)
        }
        return
      }
      timed(\.forward) { convolve(input, output.pointer) }
      timed(\.normalise) {
        scaleForward(
          layout, batch: microbatch, x: output.pointer, residual: residual, scale: folded.scale,
          shift: folded.shift, activation: site.activation, y: output.pointer)
      }
    }
  }

  private func convolve(_ input: UnsafePointer<Float>, _ target: UnsafeMutablePointer<Float>) {
    operation.forward(input: input, weights: weights, prepared: prepared, output: target)
  }

  /// Overwrites `gradInput`, in training also the gradients of the weights, γ and β.
  ///
  /// - Parameters:
  ///   - input: of the forward pass.
  ///   - gradOutput: gradient of `output`; used up, unless there is neither an activation nor
  ///     `residual`.
  ///   - residual: `gradOutput` shall become the residual's gradient.
  ///   - scratch: memory for the gradient of the convolution's result; may be `gradOutput` unless
  ///     `residual`.
  ///   - gradInput: nil where nobody needs it; neither `scratch` nor `gradOutput`.
  func backward(
    _ input: UnsafePointer<Float>, gradOutput: UnsafeMutablePointer<Float>, residual: Bool = false,
    scratch: UnsafeMutablePointer<Float>, gradInput: UnsafeMutablePointer<Float>?, _ pass: Pass
  ) {
    precondition(gradInput != scratch && gradInput != gradOutput, "gradients in one place")
    switch pass {
    case .training(let result):
      let normalisation = site.normalisation
      timed(\.normaliseBackward) {
        batchNormBackward(
          layout, batch: microbatch, gradOutput: gradOutput, x: convolved.pointer,
          y: hasResidual ? UnsafePointer(output.pointer) : nil, gamma: gamma, beta: beta,
          mean: result.statistics + normalisation.mean.lowerBound,
          inverseDeviation: inverseDeviation.pointer, activation: site.activation,
          gradInput: scratch, gradResidual: residual ? gradOutput : nil,
          gradGamma: result.gradients + normalisation.gamma.lowerBound,
          gradBeta: result.gradients + normalisation.beta.lowerBound)
      }
      timed(\.byWeights) {
        operation.backwardWeights(
          input: input, gradOutput: scratch,
          gradWeights: result.gradients + site.convolution.weights.lowerBound)
      }
      guard let gradInput else { return }
      timed(\.byInput) {
        operation.backwardInput(
          gradOutput: scratch, weights: weights, prepared: prepared, gradInput: gradInput)
      }
    case .evaluation:
      guard let gradInput else { return }
      if let folding {
        timed(\.normaliseBackward) {
          maskGradient(
            count: layout.count(batch: microbatch), y: output.pointer, activation: site.activation,
            gradient: gradOutput)
        }
        timed(\.byInput) {
          folding.evaluateBackwardInput(
            gradOutput: gradOutput, weights: weights, normalisation: folded, gradInput: gradInput)
        }
        return
      }
      timed(\.normaliseBackward) {
        scaleBackward(
          layout, batch: microbatch, gradOutput: gradOutput, y: output.pointer,
          scale: folded.scale, activation: site.activation, gradInput: scratch,
          gradResidual: residual ? gradOutput : nil)
      }
      timed(\.byInput) {
        operation.backwardInput(
          gradOutput: scratch, weights: weights, prepared: prepared, gradInput: gradInput)
      }
    }
  }

  private func timed(_ part: ReferenceWritableKeyPath<LayerTimes, Double>, _ work: () -> Void) {
    guard let times else { return work() }
    let start = ContinuousClock.now
    work()
    times[keyPath: part] += (ContinuousClock.now - start) / .seconds(1)
  }
}

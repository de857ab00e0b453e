import MecaTensor

/// A convolution without bias.
///
/// `output[n, k, i, j] = Σ weight[k, c, r, s] · input[n, c, i·stride + r − padding, …]`
///
/// - Shapes: input `[N, C, H, W]`, weight `[K, C, R, R]`, output `[N, K, H′, W′]`, activations in
///   the site's layouts, weights in the engine's order.
final class ConvolutionLayer {
  private let operation: any Convolution
  private let site: ConvolutionSite
  private let weights: UnsafePointer<Float>
  private let prepared: UnsafePointer<Float>

  /// Plans the convolution of `site` for a lane.
  ///
  /// - Parameter needsInputGradient: whether `backward` will be asked for it.
  init(
    _ site: ConvolutionSite, model: Model, microbatch: Int, training: Bool,
    needsInputGradient: Bool, workspace: Workspace
  ) throws {
    var shape = site.shape
    shape.batch = microbatch
    operation = try model.engine.makeConvolution(
      shape, input: site.input, output: site.output, needsInputGradient: needsInputGradient,
      training: training, workspace: workspace)
    precondition(
      operation.weightCount == site.weights.count && operation.preparedCount == site.prepared.count,
      "\(site.name): \(operation.weightCount) weights and \(operation.preparedCount) prepared for "
        + "batch \(microbatch), \(site.weights.count) and \(site.prepared.count) for one image")
    self.site = site
    weights = UnsafePointer(model.parameters.pointer + site.weights.lowerBound)
    prepared = UnsafePointer(model.prepared.pointer + site.prepared.lowerBound)
  }

  /// Overwrites `output`.
  func forward(input: UnsafePointer<Float>, output: UnsafeMutablePointer<Float>) {
    operation.forward(input: input, weights: weights, prepared: prepared, output: output)
  }

  /// Overwrites the weight gradient in training, and `gradInput` unless it is nil.
  func backward(
    input: UnsafePointer<Float>, gradOutput: UnsafePointer<Float>,
    gradInput: UnsafeMutablePointer<Float>?, _ pass: Pass
  ) {
    if case .training(let result) = pass {
      operation.backwardWeights(
        input: input, gradOutput: gradOutput,
        gradWeights: result.gradients + site.weights.lowerBound)
    }
    if let gradInput {
      operation.backwardInput(
        gradOutput: gradOutput, weights: weights, prepared: prepared, gradInput: gradInput)
    }
  }
}

import MecaTensor

/// Where the time of a lane's passes goes, layer by layer.
///
/// Measuring costs two looks at the clock a part, which is nothing beside a convolution; a lane
/// without a profile does not look.
public final class LaneProfile {
  /// The convolutions in the order in which they were planned: forward, projections behind the
  /// blocks' other convolutions.
  public private(set) var layers: [LayerTimes] = []

  /// No layers yet; `Lane.init` adds them.
  public init() {}

  func layer(
    _ name: String, shape: ConvolutionShape, kernelNames: [String]
  ) -> LayerTimes {
    let layer = LayerTimes(name: name, shape: shape, kernelNames: kernelNames)
    layers.append(layer)
    return layer
  }
}

/// Seconds that a convolution and its normalisation have taken so far.
public final class LayerTimes {
  /// Prefix of its tensors' names.
  public let name: String
  /// Sizes, with the lane's microbatch.
  public let shape: ConvolutionShape
  /// The engine's names of the kernels: forward, by input, by weights, as far as planned.
  public let kernelNames: [String]
  /// Convolution, forward.
  public internal(set) var forward = 0.0
  /// Normalisation, residual and activation, forward.
  public internal(set) var normalise = 0.0
  /// Derivative of the normalisation.
  public internal(set) var normaliseBackward = 0.0
  /// Convolution, derivative by the input.
  public internal(set) var byInput = 0.0
  /// Convolution, derivative by the weights.
  public internal(set) var byWeights = 0.0

  init(name: String, shape: ConvolutionShape, kernelNames: [String]) {
    self.name = name
    self.shape = shape
    self.kernelNames = kernelNames
  }

  /// Forgets what was measured.
  public func reset() {
    (forward, normalise, normaliseBackward, byInput, byWeights) = (0, 0, 0, 0, 0)
  }
}

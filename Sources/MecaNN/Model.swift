import MecaCore
import MecaTensor

/// The weights and running statistics of one network, and what is derived from them.
///
/// One per rank. During a pass any number of lanes read it at the same time; everything that
/// changes it (`applyStatistics`, `weightsDidChange`, `importTensors`, an SGD step) and everything
/// that exports it is called by one thread while no lane runs.
public final class Model: @unchecked Sendable {
  /// Shapes and input scale.
  public let configuration: NetworkConfiguration
  /// What computes its convolutions.
  public let engine: any Engine
  /// All weights in one block, convolutions in the engine's own order; see `weightsDidChange`.
  public let parameters: AlignedStorage<Float>
  /// Running mean and variance (unbiased) of every normalisation, layer by layer.
  public let statistics: AlignedStorage<Float>
  /// Share of a batch in the running statistics: new = (1 − rate) · old + rate · batch.
  public let statisticsRate: Float = 0.1
  /// What normalisation adds to the variance, "ε".
  public let epsilon: Float = 1e-5

  let plan: NetworkPlan
  /// Derived weights of the convolutions.
  let prepared: AlignedStorage<Float>
  /// Scale and shift of every normalisation in evaluation.
  let folded: AlignedStorage<Float>
  /// Means of the three colours.
  let imageMean: AlignedStorage<Float>
  /// 1 / standard deviation of the three colours.
  let imageInverseDeviation: AlignedStorage<Float>

  /// Floats that one microbatch of training yields: gradients, then batch statistics.
  public var reductionCount: Int { parameters.count + statistics.count }

  /// Plans a network and draws its weights.
  ///
  /// Convolutions start normal (He et al., fan out), normalisations with 1 and 0, the classifier
  /// uniform. The numbers of a tensor depend on `seed` and its place in the list of tensors alone,
  /// so that all engines and ranks start alike.
  /// - Throws: `UsageError` for impossible sizes, `EngineError` where the engine refuses a shape.
  public init(_ configuration: NetworkConfiguration, engine: any Engine, seed: UInt64) throws {
    self.configuration = configuration
    self.engine = engine
    plan = try NetworkPlan(configuration, engine: engine)
    parameters = AlignedStorage(count: plan.parameterCount)
    statistics = AlignedStorage(count: plan.statisticsCount)
    prepared = AlignedStorage(count: plan.preparedCount)
    folded = AlignedStorage(count: plan.foldedCount)
    imageMean = AlignedStorage(count: configuration.mean.count)
    imageMean.copy(from: configuration.mean)
    imageInverseDeviation = AlignedStorage(count: configuration.standardDeviation.count)
    imageInverseDeviation.copy(from: configuration.standardDeviation.map { 1 / $0 })
    for (index, slot) in plan.slots.enumerated() {
      store(Self.startValues(of: slot, index: index, seed: seed), in: slot)
    }
    weightsDidChange()
  }

  /// Multiplications of the network for one image, counting those of direct convolutions.
  ///
  /// Training computes three directions of each layer, but not the gradient by the image; scoring
  /// two forward passes and one by the image.
  public var multiplyAdds: (evaluation: Int, training: Int, scoring: Int) {
    let convolutions = plan.normalisedConvolutions.map(\.convolution.shape.multiplyAdds)
    let forward = convolutions.reduce(plan.dense.weights.count, +)
    return (forward, 3 * forward - convolutions[0], 3 * forward)
  }

  /// Whether every weight and every running statistic is a number.
  public var isFinite: Bool {
    func allFinite(_ storage: AlignedStorage<Float>) -> Bool {
      UnsafeBufferPointer(start: storage.pointer, count: storage.count).allSatisfy(\.isFinite)
    }
    return allFinite(parameters) && allFinite(statistics)
  }

  /// Derives from the weights what the lanes need; after every change of weights or statistics.
  ///
  /// Reordered weights of the convolutions, and for evaluation each normalisation as
  /// `scale · x + shift` with `scale = γ / √(variance + ε)`, `shift = β − mean · scale`.
  public func weightsDidChange() {
    engine.enterThread()
    forEachNormalisedConvolution { site in
      let convolution = site.convolution
      plan.convolutions[convolution.index].prepare(
        parameters.pointer + convolution.weights.lowerBound,
        into: prepared.pointer + convolution.prepared.lowerBound)
      let normalisation = site.normalisation
      for channel in 0..<normalisation.layout.channels {
        let mean = statistics.pointer[normalisation.mean.lowerBound + channel]
        let variance = statistics.pointer[normalisation.variance.lowerBound + channel]
        let gamma = parameters.pointer[normalisation.gamma.lowerBound + channel]
        let beta = parameters.pointer[normalisation.beta.lowerBound + channel]
        let scale = gamma / (variance + epsilon).squareRoot()
        folded.pointer[normalisation.scale.lowerBound + channel] = scale
        folded.pointer[normalisation.shift.lowerBound + channel] = beta - mean * scale
      }
    }
  }

  /// Moves the running statistics towards those of a batch; then call `weightsDidChange`.
  ///
  /// - Parameter averaged: batch means and unbiased variances in the order of `statistics`, averaged
  ///   over the microbatches.
  public func applyStatistics(_ averaged: UnsafePointer<Float>) {
    let running = statistics.pointer
    for index in 0..<statistics.count {
      running[index] = (1 - statisticsRate) * running[index] + statisticsRate * averaged[index]
    }
  }

  private func forEachNormalisedConvolution(_ body: (NormalisedConvolutionSite) -> Void) {
    plan.normalisedConvolutions.forEach(body)
  }

  private static func startValues(of slot: TensorSlot, index: Int, seed: UInt64) -> [Float] {
    var random = KeyedRandom(seed: seed, purpose: .weightInitialisation, index)
    return switch slot.start {
    case .constant(let value): [Float](repeating: value, count: slot.count)
    case .normal(let deviation): (0..<slot.count).map { _ in deviation * random.normal() }
    case .uniform(let bound): (0..<slot.count).map { _ in random.uniform(in: -bound...bound) }
    }
  }
}

import MecaTensor

/// Hands out ranges of a flat block, each on a multiple of 16 floats.
///
/// For example ranges of 3 and 20 floats are 0..<3 and 16..<36; the gaps are 3..<16 and 36..<48.
struct RangeAllocator {
  /// Floats handed out so far, gaps included.
  private(set) var count = 0
  /// What no range covers.
  private(set) var gaps: [Range<Int>] = []

  /// The next `length` floats.
  mutating func take(_ length: Int) -> Range<Int> {
    let range = count..<count + length
    count = (range.upperBound + 15) / 16 * 16
    if count > range.upperBound { gaps.append(range.upperBound..<count) }
    return range
  }
}

/// Gathers sites and slots of a network layer by layer.
struct PlanBuilder {
  let engine: any Engine
  private let workspace = Workspace()
  private(set) var slots: [TensorSlot] = []
  private(set) var convolutions: [any Convolution] = []
  private(set) var parameters = RangeAllocator()
  private(set) var prepared = RangeAllocator()
  /// Whole blocks of channels, since kernels read them so.
  private(set) var folded = RangeAllocator()
  private(set) var statisticsCount = 0

  init(engine: any Engine) {
    self.engine = engine
    engine.enterThread()
  }

  /// A convolution without bias and its normalisation; the padding keeps the size at stride 1.
  mutating func normalisedConvolution(
    names: NetworkOutline.Names, input: ActivationLayout, channels: Int, kernel: Int, stride: Int,
    groups: Int = 1, activation: Activation
  ) throws -> NormalisedConvolutionSite {
    let convolution = try self.convolution(
      name: names.convolution, input: input, channels: channels, kernel: kernel, stride: stride,
      groups: groups)
    return NormalisedConvolutionSite(
      convolution: convolution,
      normalisation: normalisation(name: names.normalisation, layout: convolution.output),
      activation: activation)
  }

  /// One block of the outline.
  mutating func block(
    _ block: NetworkOutline.Block, input: ActivationLayout, activation: Activation
  ) throws -> any BlockSite {
    switch block.kind {
    case .basic:
      try ResidualBlockSite(block, input: input, activation: activation, builder: &self)
    case .inverted(let expansion):
      try InvertedResidualSite(
        block, expansion: expansion, input: input, activation: activation, builder: &self)
    }
  }

  /// The classifier; PyTorch's start values for a linear layer, uniform within ±1/√features.
  mutating func dense(name: String, features: Int, classes: Int) -> DenseSite {
    let weights = parameters.take(classes * features)
    let bias = parameters.take(classes)
    let start = TensorSlot.Start.uniform(bound: 1 / Float(features).squareRoot())
    slots.append(
      TensorSlot(
        name: "\(name).weight", shape: [classes, features],
        place: .parameters(offset: weights.lowerBound), start: start))
    slots.append(
      TensorSlot(
        name: "\(name).bias", shape: [classes], place: .parameters(offset: bias.lowerBound),
        start: start))
    return DenseSite(features: features, classes: classes, weights: weights, bias: bias)
  }

  /// A convolution; starts normal with variance 2 / (outputs · kernel²).
  ///
  /// - Source: He et al. 2015, arXiv:1502.01852, equation 14 ("fan out").
  private mutating func convolution(
    name: String, input: ActivationLayout, channels: Int, kernel: Int, stride: Int, groups: Int
  ) throws -> ConvolutionSite {
    let shape = ConvolutionShape(
      batch: 1, inputChannels: input.channels, outputChannels: channels,
      inputHeight: input.height, inputWidth: input.width, kernel: kernel, stride: stride,
      padding: kernel / 2, groups: groups)
    let output = engine.activationLayout(
      channels: channels, height: shape.outputHeight, width: shape.outputWidth)
    let operation = try engine.makeConvolution(
      shape, input: input, output: output, needsInputGradient: true, training: true,
      workspace: workspace)
    let site = ConvolutionSite(
      name: name, shape: shape, input: input, output: output, index: convolutions.count,
      weights: parameters.take(operation.weightCount),
      prepared: prepared.take(operation.preparedCount))
    slots.append(
      TensorSlot(
        name: "\(name).weight", shape: [channels, input.channels / groups, kernel, kernel],
        place: .convolution(site.index, offset: site.weights.lowerBound),
        start: .normal(deviation: (2 / Float(channels * kernel * kernel)).squareRoot())))
    convolutions.append(operation)
    return site
  }

  private mutating func normalisation(
    name: String, layout: ActivationLayout
  ) -> NormalisationSite {
    let channels = layout.channels
    let site = NormalisationSite(
      name: name, layout: layout, gamma: parameters.take(channels),
      beta: parameters.take(channels), mean: statisticsCount..<statisticsCount + channels,
      variance: statisticsCount + channels..<statisticsCount + 2 * channels,
      scale: folded.take(channels), shift: folded.take(channels))
    statisticsCount += 2 * channels
    func append(_ suffix: String, _ place: TensorSlot.Place, _ start: Float) {
      slots.append(
        TensorSlot(
          name: "\(name).\(suffix)", shape: [channels], place: place, start: .constant(start)))
    }
    append("weight", .parameters(offset: site.gamma.lowerBound), 1)
    append("bias", .parameters(offset: site.beta.lowerBound), 0)
    append("running_mean", .statistics(offset: site.mean.lowerBound), 0)
    append("running_var", .statistics(offset: site.variance.lowerBound), 1)
    slots.append(
      TensorSlot(
        name: "\(name).num_batches_tracked", shape: [], place: .batchCounter, start: .constant(0)))
    return site
  }
}

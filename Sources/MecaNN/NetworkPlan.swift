import MecaTensor

/// One convolution of the network: what it maps and where its weights lie.
struct ConvolutionSite {
  /// Prefix of its tensors' names.
  let name: String
  /// Sizes for one image.
  let shape: ConvolutionShape
  let input: ActivationLayout
  let output: ActivationLayout
  /// Its place in `NetworkPlan.convolutions`.
  let index: Int
  /// Where its weights lie in the parameters.
  let weights: Range<Int>
  /// Where its derived weights lie in the prepared block.
  let prepared: Range<Int>
}

/// One batch normalisation: where its numbers lie; every range has one float per channel.
struct NormalisationSite {
  /// Prefix of its tensors' names.
  let name: String
  let layout: ActivationLayout
  /// Scale, "γ", in the parameters.
  let gamma: Range<Int>
  /// Shift, "β", in the parameters.
  let beta: Range<Int>
  /// Running mean in the statistics.
  let mean: Range<Int>
  /// Running variance in the statistics.
  let variance: Range<Int>
  /// Scale for evaluation in the folded block.
  let scale: Range<Int>
  /// Shift for evaluation in the folded block.
  let shift: Range<Int>
}

/// A convolution and the normalisation behind it.
struct NormalisedConvolutionSite {
  let convolution: ConvolutionSite
  let normalisation: NormalisationSite
  /// What follows the normalisation.
  let activation: Activation
}

/// One block of the network: its convolutions, and how a lane gets its layers.
protocol BlockSite {
  /// In the order of their parameters.
  var convolutions: [NormalisedConvolutionSite] { get }
  /// Layout of what the block gives.
  var output: ActivationLayout { get }

  /// Plans the layers for a lane; `inputIndex` is the shared buffer that the input lies in.
  func makeBlock(memory: LaneMemory, inputIndex: Int) throws -> any Block

  /// Appends the block's layers to a list of all; `input` and the result are numbers of values.
  func appendLayers(to list: inout LayerList, input: Int) -> Int
}

/// The linear classifier: where its weights lie in the parameters.
struct DenseSite {
  let features: Int
  let classes: Int
  /// `[classes, features]`, row-major.
  let weights: Range<Int>
  let bias: Range<Int>
}

/// One tensor of the state dictionary.
struct TensorSlot {
  /// Where its values are.
  enum Place {
    /// Weights of the convolution with this index, in the engine's order.
    case convolution(Int, offset: Int)
    /// Plain values in the parameters.
    case parameters(offset: Int)
    /// Plain values in the statistics.
    case statistics(offset: Int)
    /// PyTorch's count of batches, which no computation here uses.
    case batchCounter
  }
  /// What it holds before training.
  enum Start {
    case constant(Float)
    case normal(deviation: Float)
    case uniform(bound: Float)
  }
  let name: String
  let shape: [Int]
  let place: Place
  let start: Start
  /// Number of values.
  var count: Int { shape.reduce(1, *) }
}

/// The description of a network that no lane and no batch size changes: its layers, in order, and
/// where in the flat blocks their numbers lie.
///
/// Every parameter tensor begins on a multiple of 16 floats (64 bytes, a cache line); what lies
/// between two of them is a gap that holds zero in weights and gradients.
struct NetworkPlan {
  let image: ActivationLayout
  let stem: NormalisedConvolutionSite
  /// What follows the stem, in networks for large images.
  let stemPooling: MaxPooling?
  let blocks: [any BlockSite]
  /// The convolution behind the blocks, in architectures that have one.
  let head: NormalisedConvolutionSite?
  let dense: DenseSite
  /// All tensors in the order of torchvision's state dictionary.
  let slots: [TensorSlot]
  /// One operation for each convolution, for one image: the order of its weights and their prepared
  /// form are those of every batch size.
  let convolutions: [any Convolution]
  let parameterCount: Int
  let statisticsCount: Int
  let preparedCount: Int
  let foldedCount: Int
  /// Ranges of the parameters that belong to no tensor.
  let gaps: [Range<Int>]

  /// All convolutions with their normalisations, in the order of their parameters.
  let normalisedConvolutions: [NormalisedConvolutionSite]

  /// Layout of what is averaged for the classifier.
  let features: ActivationLayout

  /// Plans the layers of `configuration`.
  ///
  /// - Throws: `UsageError` for impossible sizes, `EngineError` where the engine refuses a shape.
  init(_ configuration: NetworkConfiguration, engine: any Engine) throws {
    try configuration.validate()
    var builder = PlanBuilder(engine: engine)
    let outline = configuration.outline
    let image = try engine.imageLayout(
      height: configuration.imageHeight, width: configuration.imageWidth,
      channels: NetworkConfiguration.imageChannels, kernel: outline.stem.kernel,
      stride: outline.stem.stride)
    self.image = image
    let stem = try builder.normalisedConvolution(
      names: outline.stem.names, input: image, channels: outline.stem.channels,
      kernel: outline.stem.kernel, stride: outline.stem.stride, activation: outline.activation)
    self.stem = stem
    stemPooling =
      outline.stem.isPooled
      ? MaxPooling(stem.convolution.output, kernel: 3, stride: 2, padding: 1) : nil
    var layout = stemPooling?.output ?? stem.convolution.output
    var blocks: [any BlockSite] = []
    for block in outline.blocks {
      let site = try builder.block(block, input: layout, activation: outline.activation)
      layout = site.output
      blocks.append(site)
    }
    self.blocks = blocks
    let head = try outline.head.map {
      try builder.normalisedConvolution(
        names: $0.names, input: layout, channels: $0.channels, kernel: 1, stride: 1,
        activation: outline.activation)
    }
    self.head = head
    normalisedConvolutions = [stem] + blocks.flatMap(\.convolutions) + (head.map { [$0] } ?? [])
    features = head?.convolution.output ?? layout
    dense = builder.dense(
      name: configuration.architecture.classifier, features: features.channels,
      classes: configuration.classCount)
    slots = builder.slots
    convolutions = builder.convolutions
    parameterCount = builder.parameters.count
    statisticsCount = builder.statisticsCount
    preparedCount = builder.prepared.count
    foldedCount = builder.folded.count
    gaps = builder.parameters.gaps
  }
}

import MecaTensor

/// One layer of a network's forward pass in evaluation, for programs that write the network down.
///
/// Values have numbers: 0 is the normalised image, k + 1 what the layer at place k of the list gives.
public struct NetworkLayer: Sendable, Equatable {
  /// A convolution without bias, its normalisation, perhaps an addition, the activation:
  /// `activation(γ · (weight ∗ input − mean) / √(variance + ε) + β + residual)`.
  public struct Convolution: Sendable, Equatable {
    /// Prefix of the tensor `weight`.
    public let name: String
    /// Prefix of the tensors `weight` (γ), `bias` (β), `running_mean` and `running_var`.
    public let normalisation: String
    /// Sizes for one image.
    public let shape: ConvolutionShape
    /// The value that is added before the activation; nil for none.
    public let residual: Int?
    /// What follows.
    public let activation: Activation
  }

  /// What a layer does.
  public enum Operation: Sendable, Equatable {
    /// A normalised convolution.
    case convolution(Convolution)
    /// Largest values of square windows, as if −∞ lay around the plane; see `MaxPooling`.
    case maxPooling(kernel: Int, stride: Int, padding: Int)
    /// The mean of every channel's plane, `[N, C, H, W]` to `[N, C]`.
    case averagePooling
    /// The linear classifier; the prefix of its tensors `weight` `[classes, features]` and `bias`.
    case dense(name: String)
  }

  /// What it does.
  public let operation: Operation
  /// The value that it does it to.
  public let input: Int
}

/// Gathers layers in the order in which they are computed.
struct LayerList {
  private(set) var layers: [NetworkLayer] = []

  /// Appends a layer, and gives the number of its value.
  mutating func append(_ operation: NetworkLayer.Operation, to input: Int) -> Int {
    layers.append(NetworkLayer(operation: operation, input: input))
    return layers.count
  }

  /// The same for a convolution of the plan.
  mutating func append(
    _ site: NormalisedConvolutionSite, to input: Int, residual: Int? = nil
  ) -> Int {
    append(
      .convolution(
        NetworkLayer.Convolution(
          name: site.convolution.name, normalisation: site.normalisation.name,
          shape: site.convolution.shape, residual: residual, activation: site.activation)),
      to: input)
  }
}

extension Model {
  /// The layers of the forward pass in evaluation, from the plan that the lanes compute by; the last
  /// one gives the logits.
  public var layers: [NetworkLayer] {
    var list = LayerList()
    var value = list.append(plan.stem, to: 0)
    if let pooling = plan.stemPooling {
      value = list.append(
        .maxPooling(kernel: pooling.kernel, stride: pooling.stride, padding: pooling.padding),
        to: value)
    }
    for block in plan.blocks { value = block.appendLayers(to: &list, input: value) }
    if let head = plan.head { value = list.append(head, to: value) }
    value = list.append(.averagePooling, to: value)
    _ = list.append(.dense(name: configuration.architecture.classifier), to: value)
    return list.layers
  }
}

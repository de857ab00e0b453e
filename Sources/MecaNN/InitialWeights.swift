/// What models start from in place of drawn weights: a stored network's layers, and the scale of the
/// images that they were made for.
///
/// Everything below the classifier is taken. The classifier is taken where the network knows the same
/// classes, its rows brought into their order; otherwise it is drawn, as without a stored network.
public struct InitialWeights: Sendable {
  /// Whose numbers scale the images.
  public enum ImageScale: Sendable, Equatable {
    /// The file says them.
    case said
    /// ImageNet's, with which torchvision and timm train their networks of 1000 classes.
    case imageNet
    /// Those of the data: nobody says more.
    case data
  }

  /// Weights and running statistics under torchvision's names.
  let tensors: [NamedTensor]
  /// Whether the classifier is among them.
  public let hasClassifier: Bool
  /// Whose numbers scale the images.
  public let imageScale: ImageScale
  /// Means and standard deviations of the three colours; nil where the data's count.
  private let scale: (mean: [Float], deviation: [Float])?

  /// Takes what there is of a stored network.
  ///
  /// - Parameter classes: for each class of the data its number in the network; nil where the network
  ///   knows other classes.
  public init(_ network: StoredNetwork, classes: [Int]? = nil) {
    precondition(
      classes.map { $0.count == network.classCount && Set($0) == Set($0.indices) } ?? true,
      "\(classes ?? []) is no order of \(network.classCount) classes")
    let classifier = network.architecture.classifier + "."
    hasClassifier = classes != nil
    tensors = network.tensors.compactMap { tensor in
      guard tensor.name.hasPrefix(classifier) else { return tensor }
      return classes.map { tensor.takingRows($0) }
    }
    if let mean = network.mean, let deviation = network.standardDeviation {
      (imageScale, scale) = (.said, (mean, deviation))
    } else if network.classCount == 1000 {
      (imageScale, scale) = (.imageNet, ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]))
    } else {
      (imageScale, scale) = (.data, nil)
    }
  }

  /// The network with the scale of the images that these weights were made for.
  public func scaling(_ network: NetworkConfiguration) -> NetworkConfiguration {
    var network = network
    if let scale { (network.mean, network.standardDeviation) = (scale.mean, scale.deviation) }
    return network
  }
}

extension NamedTensor {
  /// The rows of the first dimension in another order.
  ///
  /// A shape that has fewer is left for the check against the network's.
  fileprivate func takingRows(_ rows: [Int]) -> NamedTensor {
    guard shape.first == rows.count else { return self }
    let length = values.count / rows.count
    return NamedTensor(
      name: name, shape: shape,
      values: rows.flatMap { values[$0 * length..<($0 + 1) * length] }, kind: kind)
  }
}

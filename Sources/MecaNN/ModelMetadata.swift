extension NetworkConfiguration {
  /// What a weights file says about its network, besides the tensors' shapes.
  ///
  /// `architecture`, `width`, `stem`, `image_height`, `image_width`, and `mean` and `std` as JSON
  /// arrays; `stem_stride` and `stem_pooling` where they are not the stem's usual ones.
  public var metadata: [String: String] {
    var metadata = [
      "architecture": architecture.rawValue,
      "width": "\(width)",
      "stem": stem.rawValue,
      "image_height": "\(imageHeight)",
      "image_width": "\(imageWidth)",
      "mean": "[\(mean.map { "\($0)" }.joined(separator: ", "))]",
      "std": "[\(standardDeviation.map { "\($0)" }.joined(separator: ", "))]",
    ]
    metadata["stem_stride"] = stemStride.map { "\($0)" }
    metadata["stem_pooling"] = stemPooling.map { "\($0)" }
    return metadata
  }
}

extension Model {
  /// What a file of this model holds: its tensors under the names of `names`, and the metadata of its
  /// network with `tensor_names`.
  public func stateDictionary(
    names: TensorNames = .torchvision
  ) -> (tensors: [NamedTensor], metadata: [String: String]) {
    precondition(
      names.suits(configuration.architecture),
      "\(configuration.architecture) has no names like \(names)")
    let tensors = exportTensors().map { tensor in
      var renamed = tensor
      renamed.name = names.name(ofTorchvision: tensor.name)
      return renamed
    }
    return (tensors, configuration.metadata.merging(["tensor_names": names.rawValue]) { $1 })
  }
}

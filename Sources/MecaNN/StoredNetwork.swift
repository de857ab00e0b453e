import FoundationEssentials
import MecaCore

/// What a weights file says of its network: by its tensors, and by its metadata where it has any.
///
/// Files of this program say everything. Of a state dictionary that PyTorch saved, names and shapes
/// give architecture, width, classes and a ResNet's stem; the images' size and scale are those of the
/// data, unless the metadata has them.
public struct StoredNetwork: Sendable {
  /// Which network.
  public let architecture: Architecture
  /// Channels of the stem.
  public let width: Int
  /// Number of classes.
  public let classCount: Int
  /// How it begins; nil where neither shapes nor metadata tell.
  public let stem: Stem?
  /// Stride of the first convolution, where the file says that it is an unusual one.
  public let stemStride: Int?
  /// Whether max pooling follows it, where the file says that that is unusual.
  public let stemPooling: Bool?
  /// How far strides and pooling, which no tensor tells, are known.
  public let strides: StrideKnowledge
  /// Rows and columns of its images; nil where the file does not say.
  public let imageSize: (height: Int, width: Int)?
  /// Means of the three colours; nil where the file does not say.
  public let mean: [Float]?
  /// Standard deviations of the three colours; nil where the file does not say.
  public let standardDeviation: [Float]?
  /// All tensors under torchvision's names.
  public let tensors: [NamedTensor]

  /// Recognises the network of a weights file.
  ///
  /// Also checks that the file holds as many weights as such a network has, so that a wrong shape
  /// never makes anybody reserve memory for a network that is not there.
  ///
  /// - Parameter path: the file, for the error.
  /// - Throws: `FileError.malformed` with what is unknown, cannot be read or contradicts the tensors.
  public init(tensors: [NamedTensor], metadata: [String: String], path: String) throws {
    func malformed(_ reason: String) -> FileError { .malformed(path: path, reason: reason) }
    func entry<Value>(_ name: String, _ read: (String) -> Value?) throws -> Value? {
      guard let text = metadata[name] else { return nil }
      guard let value = read(text) else { throw malformed("metadata \(name): \(text)") }
      return value
    }
    func agreed<Value: Equatable>(
      _ name: String, _ own: Value?, _ read: (String) -> Value?
    ) throws -> Value? {
      let said = try entry(name, read)
      guard let said, let own, said != own else { return own ?? said }
      throw malformed("metadata \(name): \(said), but its tensors are those of \(own)")
    }
    func numbers(_ text: String) -> [Float]? {
      try? JSONDecoder().decode([Float].self, from: Data(text.utf8))
    }

    let ownNames = withoutWrappers(tensors.map(\.name))
    self.tensors = zip(tensors, torchvisionNames(ownNames)).compactMap { tensor, name in
      guard let name else { return nil }
      var renamed = tensor
      renamed.name = name
      return renamed
    }
    let found: RecognisedNetwork
    do {
      found = try RecognisedNetwork(self.tensors)
    } catch let error as UnknownNetwork {
      throw malformed(error.reason)
    }
    _ = try agreed("architecture", found.architecture) { Architecture(rawValue: $0) }
    _ = try agreed("width", found.width) { Int($0) }
    architecture = found.architecture
    width = found.width
    classCount = found.classCount
    // Our files without the entry are of a time that had the small stem alone.
    let said = metadata["architecture"] != nil && found.stem == nil ? Stem.small : nil
    stem = try agreed("stem", found.stem) { Stem(rawValue: $0) } ?? said
    stemStride = try entry("stem_stride") { Int($0) }
    stemPooling = try entry("stem_pooling") { Bool($0) }
    strides = StrideKnowledge(
      stem: found.stem, isOwnFile: metadata["architecture"] != nil,
      hasTorchvisionNames: ownNames.contains("fc.weight"))
    let height = try entry("image_height") { Int($0) }
    let columns = try entry("image_width") { Int($0) }
    imageSize = height.flatMap { height in columns.map { (height, $0) } }
    // A normalisation in front of the network, as `0.mean` and `0.std` of a Sequential, says it too.
    func inFront(_ kind: String) -> [Float]? {
      let found = zip(tensors, ownNames).first { tensor, name in
        name == nil && tensor.name.hasSuffix("." + kind) && tensor.values.count == 3
          && tensor.values.allSatisfy { (0...1).contains($0) }
      }
      return found?.0.values
    }
    let scale = inFront("mean").flatMap { mean in inFront("std").map { (mean, $0) } }
    mean = try entry("mean", numbers) ?? scale?.0
    standardDeviation = try entry("std", numbers) ?? scale?.1
    let weights = self.tensors.filter(\.isWeight).reduce(0) { $0 + $1.values.count }
    do {
      let network = configuration(
        imageHeight: 1, imageWidth: 1, mean: [0, 0, 0], standardDeviation: [1, 1, 1])
      try network.validate()
      guard weights == network.floats.parameters else {
        throw malformed(
          "has \(weights) weights, but a \(architecture.rawValue) of width \(width) for "
            + "\(classCount) classes has \(network.floats.parameters)")
      }
    } catch let error as UsageError {
      throw malformed("no network is like its tensors or metadata: \(error)")
    }
  }

  /// Refuses tensors that no network of a size that is used here has, before they are read.
  ///
  /// - Throws: `FileError.malformed`.
  public static func requirePlausible(
    _ shapes: [(name: String, shape: [Int])], path: String
  ) throws {
    let names = torchvisionNames(withoutWrappers(shapes.map(\.name)))
    let named = zip(names, shapes).compactMap { name, tensor in
      name.map { (name: $0, shape: tensor.shape) }
    }
    let found: RecognisedNetwork
    do {
      found = try RecognisedNetwork(shapes: named)
    } catch let error as UnknownNetwork {
      throw FileError.malformed(path: path, reason: error.reason)
    }
    var elements = 0.0
    for (_, shape) in named { elements += shape.reduce(1.0) { $0 * Double($1) } }
    let largest = NetworkConfiguration(
      architecture: found.architecture, width: mostChannels, classCount: max(1, found.classCount),
      imageHeight: 1, imageWidth: 1, mean: [0, 0, 0], standardDeviation: [1, 1, 1])
    guard found.classCount <= 1 << 20, found.width <= mostChannels,
      elements <= 1.1 * Double(largest.floats.parameters)
    else {
      throw FileError.malformed(
        path: path,
        reason:
          "claims \(found.width) channels, \(found.classCount) classes and \(elements) numbers; no "
          + "such network is read")
    }
  }

  /// Channels of the first stage at most.
  private static let mostChannels = 512

  /// The whole configuration, with the data's facts in place of those that the file does not say.
  ///
  /// - Parameters:
  ///   - stemChoice: for the stem, where the file does not say.
  ///   - stride: of the first convolution, where the file does not say.
  ///   - pooling: whether max pooling follows it, where the file does not say.
  public func configuration(
    imageHeight: Int, imageWidth: Int, mean: [Float], standardDeviation: [Float],
    stemChoice: StemChoice = .auto, stride: Int? = nil, pooling: Bool? = nil
  ) -> NetworkConfiguration {
    let height = imageSize?.height ?? imageHeight
    let columns = imageSize?.width ?? imageWidth
    var network = NetworkConfiguration(
      architecture: architecture, width: width,
      stem: stem ?? stemChoice.resolved(height: height, width: columns), classCount: classCount,
      imageHeight: height, imageWidth: columns, mean: self.mean ?? mean,
      standardDeviation: self.standardDeviation ?? standardDeviation)
    network.stemStride = stemStride ?? stride
    network.stemPooling = stemPooling ?? pooling
    return network
  }
}

/// How far it is known by how much a network shrinks its images: strides and pooling have no tensors.
public enum StrideKnowledge: Sendable, Equatable {
  /// The file says it.
  case said
  /// Networks with such tensors have one usual form, which is assumed.
  case assumed
  /// They have several.
  case open

  init(stem: Stem?, isOwnFile: Bool, hasTorchvisionNames: Bool) {
    self =
      if isOwnFile { .said } else {
        switch stem {
        // torchvision's first convolution.
        case .imagenet: .assumed
        // The CIFAR ResNets, whose classifier is called `linear`; or torchvision's network with
        // another first convolution, where some leave the max pooling in and some do not.
        case .small: hasTorchvisionNames ? .open : .assumed
        // MobileNetV2, where the strides of small images are no torchvision's.
        case nil: .open
        }
      }
  }
}

extension NamedTensor {
  /// Whether it is trained, and no running statistic and no counter.
  fileprivate var isWeight: Bool {
    !name.contains(".running_") && !name.hasSuffix(".num_batches_tracked")
  }
}

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

    self.tensors = tensors.map { tensor in
      var renamed = tensor
      renamed.name = TensorNames.torchvision(of: tensor.name)
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
    let height = try entry("image_height") { Int($0) }
    let columns = try entry("image_width") { Int($0) }
    imageSize = height.flatMap { height in columns.map { (height, $0) } }
    mean = try entry("mean", numbers)
    standardDeviation = try entry("std", numbers)
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

  /// The whole configuration, with the data's facts in place of those that the file does not say.
  ///
  /// - Parameter stemChoice: for the stem, where the file does not say.
  public func configuration(
    imageHeight: Int, imageWidth: Int, mean: [Float], standardDeviation: [Float],
    stemChoice: StemChoice = .auto
  ) -> NetworkConfiguration {
    let height = imageSize?.height ?? imageHeight
    let columns = imageSize?.width ?? imageWidth
    return NetworkConfiguration(
      architecture: architecture, width: width,
      stem: stem ?? stemChoice.resolved(height: height, width: columns), classCount: classCount,
      imageHeight: height, imageWidth: columns, mean: self.mean ?? mean,
      standardDeviation: self.standardDeviation ?? standardDeviation)
  }
}

extension NamedTensor {
  /// Whether it is trained, and no running statistic and no counter.
  fileprivate var isWeight: Bool {
    !name.contains(".running_") && !name.hasSuffix(".num_batches_tracked")
  }
}

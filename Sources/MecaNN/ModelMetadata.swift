import FoundationEssentials
import MecaCore

extension NetworkConfiguration {
  /// What a weights file says about its network, besides the tensors' shapes.
  ///
  /// `architecture`, `image_height`, `image_width`, and `mean` and `std` as JSON arrays.
  public var metadata: [String: String] {
    [
      "architecture": architecture.rawValue,
      "image_height": "\(imageHeight)",
      "image_width": "\(imageWidth)",
      "mean": "[\(mean.map { "\($0)" }.joined(separator: ", "))]",
      "std": "[\(standardDeviation.map { "\($0)" }.joined(separator: ", "))]",
    ]
  }

  /// The configuration of a weights file, from its metadata and the shapes of its tensors.
  ///
  /// - Parameter path: the file, for the error.
  /// - Throws: `FileError.malformed` with the entry that is missing or cannot be read, `UsageError`
  ///   for values that no network can have.
  public init(metadata: [String: String], tensors: [NamedTensor], path: String) throws {
    func entry<Value>(_ name: String, _ read: (String) -> Value?) throws -> Value {
      guard let text = metadata[name], let value = read(text) else {
        throw FileError.malformed(
          path: path, reason: "metadata \(name): \(metadata[name] ?? "missing")")
      }
      return value
    }
    func extent(_ name: String) throws -> Int {
      guard let extent = tensors.first(where: { $0.name == name })?.shape.first else {
        throw FileError.malformed(path: path, reason: "no tensor \(name)")
      }
      return extent
    }
    func numbers(_ text: String) -> [Float]? {
      try? JSONDecoder().decode([Float].self, from: Data(text.utf8))
    }
    self.init(
      architecture: try entry("architecture") { Architecture(rawValue: $0) },
      width: try extent("conv1.weight"), classCount: try extent("fc.bias"),
      imageHeight: try entry("image_height") { Int($0) },
      imageWidth: try entry("image_width") { Int($0) },
      mean: try entry("mean", numbers), standardDeviation: try entry("std", numbers))
    try validate()
  }
}

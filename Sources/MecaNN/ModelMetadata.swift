import FoundationEssentials
import MecaCore

extension NetworkConfiguration {
  /// What a weights file says about its network, besides the tensors' shapes.
  ///
  /// `architecture`, `width`, `image_height`, `image_width`, and `mean` and `std` as JSON arrays.
  public var metadata: [String: String] {
    [
      "architecture": architecture.rawValue,
      "width": "\(width)",
      "image_height": "\(imageHeight)",
      "image_width": "\(imageWidth)",
      "mean": "[\(mean.map { "\($0)" }.joined(separator: ", "))]",
      "std": "[\(standardDeviation.map { "\($0)" }.joined(separator: ", "))]",
    ]
  }

  /// The configuration of a weights file, from its metadata and the length of its classifier.
  ///
  /// Also checks that the file holds as many weights as such a network has, so that a wrong entry
  /// never makes anybody reserve memory for a network that is not there.
  ///
  /// - Parameter path: the file, for the error.
  /// - Throws: `FileError.malformed` with the entry that is missing, cannot be read or cannot be.
  public init(metadata: [String: String], tensors: [NamedTensor], path: String) throws {
    func entry<Value>(_ name: String, _ read: (String) -> Value?) throws -> Value {
      guard let text = metadata[name], let value = read(text) else {
        throw FileError.malformed(
          path: path, reason: "metadata \(name): \(metadata[name] ?? "missing")")
      }
      return value
    }
    func numbers(_ text: String) -> [Float]? {
      try? JSONDecoder().decode([Float].self, from: Data(text.utf8))
    }
    let architecture = try entry("architecture") { Architecture(rawValue: $0) }
    let bias = architecture.classifier + ".bias"
    guard let classCount = tensors.first(where: { $0.name == bias })?.shape.first else {
      throw FileError.malformed(path: path, reason: "no tensor \(bias)")
    }
    self.init(
      architecture: architecture,
      width: try entry("width") { Int($0) }, classCount: classCount,
      imageHeight: try entry("image_height") { Int($0) },
      imageWidth: try entry("image_width") { Int($0) },
      mean: try entry("mean", numbers), standardDeviation: try entry("std", numbers))
    do {
      try validate()
    } catch {
      throw FileError.malformed(path: path, reason: "no network is like its metadata: \(error)")
    }
    let weights = tensors.filter { $0.kind == .float32 && !$0.name.contains("running_") }
      .reduce(0) { $0 + $1.values.count }
    guard weights == floats.parameters else {
      throw FileError.malformed(
        path: path,
        reason: "has \(weights) weights, but a \(architecture.rawValue) of width \(width) has "
          + "\(floats.parameters)")
    }
  }
}

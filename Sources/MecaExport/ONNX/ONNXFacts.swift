/// What an ONNX file says of its network besides the graph.
public struct ONNXFacts: Sendable {
  /// Version of this program.
  public var version: String
  /// Names of the classes, in the order of the logits.
  public var classNames: [String]
  /// Further entries of the metadata, by key.
  public var others: [String: String]

  /// All values.
  public init(version: String, classNames: [String], others: [String: String] = [:]) {
    (self.version, self.classNames, self.others) = (version, classNames, others)
  }
}

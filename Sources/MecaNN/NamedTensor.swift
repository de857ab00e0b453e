import MecaCore

/// A tensor with the name that PyTorch's state dictionary gives it.
public struct NamedTensor: Sendable, Equatable {
  /// The type of an element in a file; in memory every element is a `Float`.
  public enum ElementKind: String, Sendable {
    /// 32-bit floating point.
    case float32 = "F32"
    /// 64-bit integer: only batch normalisation's counter `num_batches_tracked`.
    case int64 = "I64"

    /// Bytes of one element in a file.
    var byteCount: Int { self == .float32 ? 4 : 8 }
  }

  /// Name, for example `layer1.0.conv1.weight`.
  public var name: String
  /// Extent of each dimension; empty for a scalar.
  public var shape: [Int]
  /// Elements in row-major order, as many as the product of `shape`.
  public var values: [Float]
  /// Type of an element in a file.
  public var kind: ElementKind

  /// A tensor of `values` in row-major order.
  public init(name: String, shape: [Int], values: [Float], kind: ElementKind = .float32) {
    precondition(
      shape.reduce(1, *) == values.count, "\(name): \(values.count) values for shape \(shape)")
    self.name = name
    self.shape = shape
    self.values = values
    self.kind = kind
  }
}

/// Why tensors do not fit a network.
public enum TensorError: ReportableError, Equatable {
  /// The network needs a tensor that is not there.
  case missing(name: String)
  /// The network has no tensor of this name.
  case unknown(name: String)
  /// The same name occurs twice.
  case repeated(name: String)
  /// A tensor's shape is not the network's.
  case shape(name: String, found: [Int], expected: [Int])

  /// Weights of another network are bad data.
  public var exitCode: ExitCode { .badData }

  /// One line that names the tensor.
  public var description: String {
    switch self {
    case .missing(let name): "tensor \(name) is missing; these weights are of another network"
    case .unknown(let name):
      "tensor \(name) does not belong to this network; check architecture and width"
    case .repeated(let name): "tensor \(name) occurs twice"
    case .shape(let name, let found, let expected):
      "tensor \(name) has shape \(found), the network needs \(expected); check width and classes"
    }
  }
}

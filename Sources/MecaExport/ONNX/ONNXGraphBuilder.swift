import Foundation
import MecaNN
import MecaTensor
import SwiftProtobuf

/// Turns a model's layers into the nodes and tensors of an ONNX graph.
struct ONNXGraphBuilder {
  /// What has been gathered.
  private(set) var graph = Onnx_GraphProto()
  private let model: Model
  private let tensors: [String: NamedTensor]
  /// Names of the layers' values by number.
  private var values: [String] = []

  /// A graph without nodes for `model`.
  init(_ model: Model) {
    self.model = model
    tensors = Dictionary(uniqueKeysWithValues: model.exportTensors().map { ($0.name, $0) })
    graph.name = model.configuration.architecture.rawValue
  }

  /// Appends everything from the images to the probabilities.
  mutating func addLayers() {
    let network = model.configuration
    graph.input = [
      value(
        "images", [NetworkConfiguration.imageChannels, network.imageHeight, network.imageWidth],
        "RGB images, pixels in [0, 1]")
    ]
    graph.output = [
      value("logits", [network.classCount], "One number a class; the largest is the prediction"),
      value("probabilities", [network.classCount], "Softmax of the logits"),
    ]
    values = [addNormalisedImages()]
    for layer in model.layers {
      let input = values[layer.input]
      switch layer.operation {
      case .convolution(let convolution): values.append(add(convolution, to: input))
      case .maxPooling(let kernel, let stride, let padding):
        values.append(
          add(
            "MaxPool", [input], to: input + ".pooled",
            [
              ("kernel_shape", .list([kernel, kernel])),
              ("pads", .list([Int](repeating: padding, count: 4))),
              ("strides", .list([stride, stride])),
            ]))
      case .averagePooling:
        let planes = add("GlobalAveragePool", [input], to: "features.planes")
        values.append(add("Flatten", [planes], to: "features.pooled", [("axis", .integer(1))]))
      case .dense(let name):
        values.append(
          add(
            "Gemm", [input, addTensor(name + ".weight"), addTensor(name + ".bias")], to: "logits",
            [("transB", .integer(1))]))
      }
    }
    _ = add("Softmax", ["logits"], to: "probabilities", [("axis", .integer(1))])
  }

  /// `(images − mean) · 1/deviation`, as the lanes compute it.
  private mutating func addNormalisedImages() -> String {
    let network = model.configuration
    func perColour(_ name: String, _ values: [Float]) -> NamedTensor {
      NamedTensor(name: name, shape: [1, values.count, 1, 1], values: values)
    }
    let mean = addTensor(perColour("images.mean", network.mean))
    let scale = addTensor(
      perColour("images.inverse_std", network.standardDeviation.map { 1 / $0 }))
    let centred = add("Sub", ["images", mean], to: "images.centred")
    return add("Mul", [centred, scale], to: "images.normalised")
  }

  /// A convolution, its normalisation, the addition, the activation.
  private mutating func add(_ layer: NetworkLayer.Convolution, to input: String) -> String {
    let shape = layer.shape
    let convolved = add(
      "Conv", [input, addTensor(layer.name + ".weight")], to: layer.name + ".convolved",
      [
        ("group", .integer(shape.groups)),
        ("kernel_shape", .list([shape.kernel, shape.kernel])),
        ("pads", .list([Int](repeating: shape.padding, count: 4))),
        ("strides", .list([shape.stride, shape.stride])),
      ])
    let parts = ["weight", "bias", "running_mean", "running_var"]
    let numbers = parts.map { addTensor("\(layer.normalisation).\($0)") }
    var result = add(
      "BatchNormalization", [convolved] + numbers, to: layer.normalisation + ".normalised",
      [("epsilon", .number(model.epsilon))])
    if let residual = layer.residual {
      result = add("Add", [result, values[residual]], to: layer.normalisation + ".added")
    }
    switch layer.activation {
    case .none: return result
    case .relu: return add("Relu", [result], to: layer.normalisation + ".activated")
    case .relu6:
      let bounds = [("relu6.least", Float(0)), ("relu6.most", 6)].map { name, value in
        addTensor(NamedTensor(name: name, shape: [], values: [value]))
      }
      return add("Clip", [result] + bounds, to: layer.normalisation + ".activated")
    }
  }

  /// A node with one output, which has its name.
  private mutating func add(
    _ operation: String, _ inputs: [String], to output: String,
    _ attributes: [(String, Attribute)] = []
  ) -> String {
    graph.node.append(
      .with {
        ($0.opType, $0.name, $0.input, $0.output) = (operation, output, inputs, [output])
        $0.attribute = attributes.map { name, value in value.message(name) }
      })
    return output
  }

  /// A tensor of the model; gives its name.
  private mutating func addTensor(_ name: String) -> String {
    guard let tensor = tensors[name] else { preconditionFailure("the model has no tensor \(name)") }
    return addTensor(tensor)
  }

  /// A tensor, unless one of its name is there already; gives its name.
  private mutating func addTensor(_ tensor: NamedTensor) -> String {
    guard !graph.initializer.contains(where: { $0.name == tensor.name }) else { return tensor.name }
    graph.initializer.append(
      .with {
        $0.name = tensor.name
        $0.dims = tensor.shape.map(Int64.init)
        $0.dataType = Int32(Onnx_TensorProto.DataType.float.rawValue)
        // Little endian, as on every processor that this program is built for.
        $0.rawData = tensor.values.withUnsafeBytes { Data($0) }
      })
    return tensor.name
  }

  /// An input or output, `[batch]` and then `shape`.
  private func value(_ name: String, _ shape: [Int], _ words: String) -> Onnx_ValueInfoProto {
    .with {
      $0.name = name
      $0.docString = words
      $0.type.tensorType.elemType = Int32(Onnx_TensorProto.DataType.float.rawValue)
      $0.type.tensorType.shape.dim = [.with { $0.dimParam = "batch" }]
      $0.type.tensorType.shape.dim += shape.map { size in .with { $0.dimValue = Int64(size) } }
    }
  }
}

/// The value of a node's attribute.
private enum Attribute {
  case integer(Int)
  case list([Int])
  case number(Float)

  func message(_ name: String) -> Onnx_AttributeProto {
    .with {
      $0.name = name
      switch self {
      case .integer(let value): ($0.type, $0.i) = (.int, Int64(value))
      case .list(let values): ($0.type, $0.ints) = (.ints, values.map(Int64.init))
      case .number(let value): ($0.type, $0.f) = (.float, value)
      }
    }
  }
}

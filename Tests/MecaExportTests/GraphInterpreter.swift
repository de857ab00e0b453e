import Foundation
import MecaExport

/// Computes an ONNX graph in `Double` with the plainest loops, by the operators' definitions.
///
/// Shares no line with the networks: it knows the file alone. What is not as opset 13 has it, or does
/// not fit together, is an error.
struct GraphInterpreter {
  /// A tensor, row-major.
  struct Value {
    var shape: [Int]
    var values: [Double]

    /// `[N, C, points]` of `[N, C, H, W]`.
    var planes: (batch: Int, channels: Int, points: Int) {
      (shape[0], shape[1], shape[2...].reduce(1, *))
    }
  }

  /// Why a graph cannot be computed.
  struct Fault: Error, CustomStringConvertible {
    let description: String
  }

  private let graph: Onnx_GraphProto
  private var values: [String: Value] = [:]

  init(_ file: Onnx_ModelProto) throws {
    guard file.opsetImport.count == 1, file.opsetImport[0].version == 13,
      file.opsetImport[0].domain.isEmpty
    else { throw Fault(description: "opsets \(file.opsetImport)") }
    graph = file.graph
    for tensor in graph.initializer {
      let numbers = tensor.rawData.withUnsafeBytes { Array($0.bindMemory(to: Float.self)) }
      let shape = tensor.dims.map(Int.init)
      guard tensor.dataType == 1, numbers.count == shape.reduce(1, *) else {
        throw Fault(description: "\(tensor.name): \(numbers.count) numbers for \(shape)")
      }
      try set(tensor.name, Value(shape: shape, values: numbers.map(Double.init)))
    }
  }

  /// The graph's outputs for images.
  func outputs(_ images: Value) throws -> [String: Value] {
    var run = self
    try run.set(run.graph.input[0].name, images)
    try run.require(images, run.graph.input[0])
    for node in run.graph.node {
      let result = try run.compute(node)
      guard node.output.count == 1 else { throw Fault(description: "\(node.name): outputs") }
      try run.set(node.output[0], result)
    }
    var outputs: [String: Value] = [:]
    for output in run.graph.output {
      let value = try run.value(output.name)
      try run.require(value, output)
      outputs[output.name] = value
    }
    return outputs
  }

  private mutating func set(_ name: String, _ value: Value) throws {
    guard values.updateValue(value, forKey: name) == nil else {
      throw Fault(description: "\(name) is there twice")
    }
  }

  private func value(_ name: String) throws -> Value {
    guard let value = values[name] else { throw Fault(description: "\(name) is not there yet") }
    return value
  }

  /// Compares a value with what the graph declares; one free dimension is allowed, the first.
  private func require(_ value: Value, _ declared: Onnx_ValueInfoProto) throws {
    let sizes = declared.type.tensorType.shape.dim.map { $0.dimParam.isEmpty ? $0.dimValue : -1 }
    guard declared.type.tensorType.elemType == 1, sizes.first == -1,
      sizes.dropFirst().elementsEqual(value.shape.dropFirst().map(Int64.init))
    else { throw Fault(description: "\(declared.name): \(value.shape), declared \(sizes)") }
  }

  private func compute(_ node: Onnx_NodeProto) throws -> Value {
    let inputs = try node.input.map(value)
    func list(_ name: String) -> [Int] {
      node.attribute.first { $0.name == name }.map { $0.ints.map(Int.init) } ?? []
    }
    func integer(_ name: String) -> Int? {
      node.attribute.first { $0.name == name }.map { Int($0.i) }
    }
    func number(_ name: String) -> Double? {
      node.attribute.first { $0.name == name }.map { Double($0.f) }
    }
    func each(_ change: (Double) -> Double) -> Value {
      Value(shape: inputs[0].shape, values: inputs[0].values.map(change))
    }
    switch node.opType {
    case "Sub": return try broadcast(inputs[0], inputs[1], -)
    case "Mul": return try broadcast(inputs[0], inputs[1], *)
    case "Add":
      guard inputs[0].shape == inputs[1].shape else {
        throw Fault(description: "\(node.name): \(inputs[0].shape) + \(inputs[1].shape)")
      }
      return Value(shape: inputs[0].shape, values: zip(inputs[0].values, inputs[1].values).map(+))
    case "Relu": return each { max(0, $0) }
    case "Clip":
      let (least, most) = (inputs[1].values[0], inputs[2].values[0])
      return each { min(max($0, least), most) }
    case "Conv":
      return try windows(
        node, inputs[0], weight: inputs[1], groups: integer("group") ?? 1,
        kernel: list("kernel_shape"), strides: list("strides"), pads: list("pads"))
    case "MaxPool":
      return try windows(
        node, inputs[0], weight: nil, groups: inputs[0].shape[1], kernel: list("kernel_shape"),
        strides: list("strides"), pads: list("pads"))
    case "BatchNormalization":
      return try normalised(inputs, epsilon: number("epsilon") ?? 1e-5)
    case "GlobalAveragePool":
      let (batch, channels, points) = inputs[0].planes
      return Value(
        shape: [batch, channels, 1, 1],
        values: (0..<batch * channels).map {
          inputs[0].values[$0 * points..<($0 + 1) * points].reduce(0, +) / Double(points)
        })
    case "Flatten":
      guard integer("axis") ?? 1 == 1 else { throw Fault(description: "\(node.name): axis") }
      let (batch, channels, points) = inputs[0].planes
      return Value(shape: [batch, channels * points], values: inputs[0].values)
    case "Gemm": return try product(node, inputs, transposed: integer("transB") == 1)
    case "Softmax":
      guard integer("axis") == 1 else { throw Fault(description: "\(node.name): axis") }
      let classes = inputs[0].shape[1]
      return Value(
        shape: inputs[0].shape,
        values: stride(from: 0, to: inputs[0].values.count, by: classes).flatMap { start in
          let row = inputs[0].values[start..<start + classes].map { exp($0) }
          let sum = row.reduce(0, +)
          return row.map { $0 / sum }
        })
    default: throw Fault(description: "\(node.name): \(node.opType)")
    }
  }

  /// With a second operand `[1, C, 1, 1]`.
  private func broadcast(
    _ value: Value, _ other: Value, _ work: (Double, Double) -> Double
  ) throws -> Value {
    let (_, channels, points) = value.planes
    guard other.shape == [1, channels, 1, 1] else { throw Fault(description: "\(other.shape)") }
    return Value(
      shape: value.shape,
      values: value.values.enumerated().map { work($1, other.values[$0 / points % channels]) })
  }

  /// Convolution, or largest values where there is no weight.
  private func windows(
    _ node: Onnx_NodeProto, _ x: Value, weight: Value?, groups: Int, kernel: [Int],
    strides: [Int], pads: [Int]
  ) throws -> Value {
    let inputs = x.shape[1] / groups
    let outputs = weight?.shape[0] ?? x.shape[1]
    guard kernel.count == 2, strides.count == 2, pads.count == 4,
      weight.map({ $0.shape == [outputs, inputs, kernel[0], kernel[1]] }) ?? true
    else { throw Fault(description: "\(node.name): \(weight?.shape ?? []) on \(x.shape)") }
    let height = (x.shape[2] + pads[0] + pads[2] - kernel[0]) / strides[0] + 1
    let width = (x.shape[3] + pads[1] + pads[3] - kernel[1]) / strides[1] + 1
    var y = Value(shape: [x.shape[0], outputs, height, width], values: [])
    for n in 0..<x.shape[0] {
      for k in 0..<outputs {
        for (i, j) in (0..<height).flatMap({ i in (0..<width).map { (i, $0) } }) {
          var sum = 0.0
          var largest = -Double.infinity
          for c in 0..<inputs {
            let plane = n * x.shape[1] + k * groups / outputs * inputs + c
            for r in 0..<kernel[0] {
              let row = i * strides[0] + r - pads[0]
              guard row >= 0 && row < x.shape[2] else { continue }
              for s in 0..<kernel[1] {
                let column = j * strides[1] + s - pads[1]
                guard column >= 0 && column < x.shape[3] else { continue }
                let value = x.values[(plane * x.shape[2] + row) * x.shape[3] + column]
                largest = max(largest, value)
                if let weight {
                  sum += value * weight.values[((k * inputs + c) * kernel[0] + r) * kernel[1] + s]
                }
              }
            }
          }
          y.values.append(weight == nil ? largest : sum)
        }
      }
    }
    return y
  }

  private func normalised(_ inputs: [Value], epsilon: Double) throws -> Value {
    let (_, channels, points) = inputs[0].planes
    guard inputs.count == 5, inputs[1...].allSatisfy({ $0.shape == [channels] }) else {
      throw Fault(description: "normalisation of \(inputs.map(\.shape))")
    }
    let (gamma, beta, mean, variance) = (
      inputs[1].values, inputs[2].values, inputs[3].values, inputs[4].values
    )
    return Value(
      shape: inputs[0].shape,
      values: inputs[0].values.enumerated().map { place, value in
        let c = place / points % channels
        return gamma[c] * (value - mean[c]) / (variance[c] + epsilon).squareRoot() + beta[c]
      })
  }

  private func product(
    _ node: Onnx_NodeProto, _ inputs: [Value], transposed: Bool
  ) throws -> Value {
    let (batch, features) = (inputs[0].shape[0], inputs[0].shape[1])
    let classes = inputs[2].values.count
    guard transposed, inputs[1].shape == [classes, features] else {
      throw Fault(description: "\(node.name): \(inputs.map(\.shape))")
    }
    return Value(
      shape: [batch, classes],
      values: (0..<batch * classes).map { place in
        let (n, k) = (place / classes, place % classes)
        return (0..<features).reduce(inputs[2].values[k]) { sum, c in
          sum + inputs[0].values[n * features + c] * inputs[1].values[k * features + c]
        }
      })
  }
}

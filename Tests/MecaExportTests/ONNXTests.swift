import Foundation
import MecaCore
import MecaExport
import MecaNN
import MecaTensor
import SwiftProtobuf
import Testing

/// Networks as ONNX files, read back and computed by the operators' definitions.
@Suite struct ONNXTests {
  /// Each network with each stem, and the stems that only files from elsewhere have.
  static let configurations: [NetworkConfiguration] = {
    let all = Architecture.allCases.flatMap { architecture in
      Stem.allCases.map { stem in
        NetworkConfiguration(
          architecture: architecture, width: 3, stem: stem, classCount: 5,
          imageHeight: stem == .small ? 9 : 33, imageWidth: stem == .small ? 7 : 21,
          mean: [0.4, 0.5, 0.45], standardDeviation: [0.25, 0.2, 0.3])
      }
    }
    var pooled = all[0]
    (pooled.stemStride, pooled.stemPooling) = (2, true)
    var unpooled = all[1]
    (unpooled.stemStride, unpooled.stemPooling) = (1, false)
    return all + [pooled, unpooled]
  }()

  /// A model whose normalisations have other numbers than 1 and 0, with running statistics that are
  /// those of real activations.
  private func model(_ configuration: NetworkConfiguration) throws -> Model {
    let model = try Model(configuration, engine: makeEngine(.openblas), seed: 4)
    var random = KeyedRandom(seed: 4, purpose: .test, 1)
    let shifts: ClosedRange<Float> =
      configuration.architecture == .mobilenetv2 ? -1...4 : -0.2...0.2
    try model.importTensors(
      model.exportTensors().map { tensor in
        var tensor = tensor
        guard tensor.shape.count == 1, !tensor.name.contains("running_") else { return tensor }
        let range = tensor.name.hasSuffix("weight") ? 0.7...1.3 : shifts
        tensor.values = tensor.values.map { _ in random.uniform(in: range) }
        return tensor
      })
    let lane = try Lane(model: model, microbatch: 4, training: true, inputGradient: false)
    for place in 0..<lane.images.count { lane.images[place] = random.uniform() }
    let reduction = AlignedStorage<Float>(count: model.reductionCount)
    let objective = SampleObjective(label: 0, coefficient: 1)
    [SampleObjective](repeating: objective, count: 4).withUnsafeBufferPointer {
      lane.train($0, reduction: reduction.pointer)
    }
    // 0.9⁵⁰ = 0.5 % of the first statistics are left.
    for _ in 0..<50 { model.applyStatistics(reduction.pointer + model.parameters.count) }
    model.weightsDidChange()
    return model
  }

  private func file(
    _ model: Model, classNames: [String] = ["a", "b", "c", "d", "e"]
  ) throws -> Onnx_ModelProto {
    try Onnx_ModelProto(
      serializedBytes: encodeONNX(
        model, ONNXFacts(version: "1.2.3", classNames: classNames), path: "model"))
  }

  /// Tolerance: the lanes add in `Float`, 53 layers one behind the other, which leaves some 1e-5 of the
  /// largest logit; a wrong stride, padding or addition changes all of it.
  @Test(arguments: configurations)
  func theGraphComputesWhatTheLanesCompute(configuration: NetworkConfiguration) throws {
    let model = try model(configuration)
    let lane = try Lane(model: model, microbatch: 2, training: false, inputGradient: false)
    var random = KeyedRandom(seed: 6, purpose: .test)
    for place in 0..<lane.images.count { lane.images[place] = random.uniform() }
    lane.infer()
    let images = GraphInterpreter.Value(
      shape: [2, 3, configuration.imageHeight, configuration.imageWidth],
      values: lane.images.array.map(Double.init))
    let outputs = try GraphInterpreter(file(model)).outputs(images)
    let logits = try #require(outputs["logits"]?.values)
    let expected = lane.logits.array.map(Double.init)
    try #require(logits.count == expected.count)
    let scale = expected.map(abs).max() ?? 0
    let (first, second) = (expected.prefix(5), expected.suffix(5))
    #expect(zip(first, second).contains { abs($0 - $1) > 1e-3 * scale }, "logits of two images")
    for (found, expected) in zip(logits, expected) {
      #expect(abs(found - expected) <= 1e-4 * scale)
    }
    let probabilities = try #require(outputs["probabilities"]?.values)
    for row in 0..<2 {
      let exponentials = logits[5 * row..<5 * row + 5].map { exp($0) }
      let sum = exponentials.reduce(0, +)
      for k in 0..<5 { #expect(abs(probabilities[5 * row + k] - exponentials[k] / sum) < 1e-12) }
    }
  }

  /// Every tensor of the state dictionary is in it under its name and with its bits, counters aside.
  @Test func theWeightsAreThoseOfTheModel() throws {
    let model = try model(Self.configurations[4])
    let tensors = Dictionary(
      uniqueKeysWithValues: try file(model).graph.initializer.map { ($0.name, $0) })
    let own = model.exportTensors().filter { $0.kind == .float32 }
    for tensor in own {
      let found = try #require(tensors[tensor.name], "\(tensor.name)")
      #expect(found.dims == tensor.shape.map(Int64.init))
      #expect(found.rawData == tensor.values.withUnsafeBytes { Data($0) })
    }
    let others = Set(tensors.keys).subtracting(own.map(\.name))
    #expect(others == ["images.mean", "images.inverse_std", "relu6.least", "relu6.most"])
  }

  @Test func theMetadataSayHowToUseIt() throws {
    let model = try model(Self.configurations[0])
    let names = ["cat", "<script>\"", "a,\nb", "naïve", "\u{202E}x"]
    let file = try file(model, classNames: names)
    let metadata = Dictionary(uniqueKeysWithValues: file.metadataProps.map { ($0.key, $0.value) })
    let list = try JSONDecoder().decode(
      [String].self, from: Data(try #require(metadata["class_names"]).utf8))
    #expect(list == names)
    #expect(metadata["meca_dist_version"] == "1.2.3" && file.producerVersion == "1.2.3")
    #expect(metadata["image_height"] == "9" && metadata["image_width"] == "7")
    #expect(metadata["channel_order"] == "RGB" && metadata["input_range"] == "[0, 1]")
    #expect(metadata["mean"] == "[0.4, 0.5, 0.45]" && metadata["std"] == "[0.25, 0.2, 0.3]")
    #expect(metadata["weights_sha256"] == model.weightsDigest())
    #expect(file.metadataProps.map(\.key) == metadata.keys.sorted())
    #expect(file.irVersion == 7 && file.producerName == "meca-dist")
    #expect(file.graph.input[0].type.tensorType.shape.dim[0].dimParam == "batch")
  }

  @Test func equalModelsGiveEqualBytes() throws {
    let facts = ONNXFacts(version: "1", classNames: ["a"], others: ["image_fit": "cover"])
    let bytes = try (0..<2).map { _ in
      try encodeONNX(model(Self.configurations[0]), facts, path: "model")
    }
    #expect(bytes[0] == bytes[1])
  }

  @Test func whatOneMessageCannotHoldIsRefused() throws {
    try requireOnePiece(2047 << 20, path: "some/model")
    let error = #expect(throws: FileError.self) {
      try requireOnePiece(5 << 30, path: "some/model")
    }
    #expect(error?.description.hasPrefix("some/model: has 5120 MiB of weights") == true)
  }

  @Test func weightsThatAreNoNumbersAreRefused() throws {
    let model = try model(Self.configurations[0])
    model.parameters[3] = .nan
    let error = #expect(throws: FileError.self) {
      try encodeONNX(model, ONNXFacts(version: "1", classNames: []), path: "some/model")
    }
    #expect(error?.description.hasPrefix("some/model: has weights that are not numbers") == true)
  }
}

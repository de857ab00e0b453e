import MecaCore
import MecaNN
import MecaTensor
import Testing

/// Weights in and out, start values, statistics.
@Suite struct ModelTests {
  @Test func namesAndShapesAreThoseOfPyTorch() throws {
    var configuration = oddConfiguration
    configuration.width = 4
    configuration.classCount = 10
    let tensors = try makeModel(EngineKind.available[0], configuration).exportTensors()
    let expected = try golden("resnet18-small/initial").tensors
    #expect(Set(tensors.map(\.name)) == Set(expected.keys))
    for tensor in tensors {
      #expect(tensor.shape == expected[tensor.name]?.shape, "\(tensor.name)")
      #expect(tensor.kind == expected[tensor.name]?.kind, "\(tensor.name)")
    }
    #expect(tensors.prefix(3).map(\.name) == ["conv1.weight", "bn1.weight", "bn1.bias"])
    #expect(tensors.last?.name == "fc.bias")
  }

  /// The state dictionary of torchvision's mobilenet_v2.
  ///
  /// 52 convolutions, five entries for each normalisation, two of the classifier.
  /// `tools/check-safetensors.py` loads a whole file.
  @Test func namesOfMobileNet() throws {
    var configuration = oddConfigurations[1]
    configuration.width = 32
    let tensors = try makeModel(EngineKind.available[0], configuration).exportTensors()
    #expect(tensors.count == 52 * 6 + 2)
    let shapes = Dictionary(uniqueKeysWithValues: tensors.map { ($0.name, $0.shape) })
    let expected = [
      "features.0.0.weight": [32, 3, 3, 3], "features.1.conv.0.0.weight": [32, 1, 3, 3],
      "features.1.conv.1.weight": [16, 32, 1, 1], "features.1.conv.2.running_var": [16],
      "features.2.conv.0.0.weight": [96, 16, 1, 1], "features.2.conv.1.0.weight": [96, 1, 3, 3],
      "features.2.conv.1.1.bias": [96], "features.2.conv.2.weight": [24, 96, 1, 1],
      "features.17.conv.3.num_batches_tracked": [], "features.18.0.weight": [1280, 320, 1, 1],
      "features.18.1.running_mean": [1280], "classifier.1.weight": [5, 1280],
      "classifier.1.bias": [5],
    ]
    for (name, shape) in expected { #expect(shapes[name] == shape, "\(name)") }
  }

  @Test(arguments: EngineKind.available, oddConfigurations)
  func importGivesBackWhatExportGave(
    _ kind: EngineKind, _ configuration: NetworkConfiguration
  ) throws {
    let model = try makeModel(kind, configuration)
    let other = try Model(configuration, engine: makeEngine(kind), seed: 77)
    #expect(model.weightsDigest() != other.weightsDigest())
    try other.importTensors(model.exportTensors().reversed())
    #expect(other.exportTensors() == model.exportTensors())
    #expect(other.parameters.array == model.parameters.array)
    #expect(other.statistics.array == model.statistics.array)
    #expect(other.weightsDigest() == model.weightsDigest())
  }

  @Test func importNamesTheTensorThatDoesNotFit() throws {
    let model = try makeModel(EngineKind.available[0])
    let digest = model.weightsDigest()
    let tensors = model.exportTensors()
    let place = try #require(tensors.firstIndex { $0.name == "layer2.0.downsample.0.weight" })

    var changed = tensors
    changed.remove(at: place)
    #expect(throws: TensorError.missing(name: "layer2.0.downsample.0.weight")) {
      try model.importTensors(changed)
    }
    #expect(throws: TensorError.repeated(name: "layer2.0.downsample.0.weight")) {
      try model.importTensors(tensors + [tensors[place]])
    }
    #expect(throws: TensorError.unknown(name: "layer9.weight")) {
      try model.importTensors(
        tensors + [NamedTensor(name: "layer9.weight", shape: [], values: [1])])
    }
    changed = tensors
    changed[place].shape = [3, 6, 1, 1]
    #expect(
      throws: TensorError.shape(
        name: "layer2.0.downsample.0.weight", found: [3, 6, 1, 1], expected: [6, 3, 1, 1])
    ) {
      try model.importTensors(changed)
    }
    #expect(model.weightsDigest() == digest)
    // Counters are optional.
    try model.importTensors(tensors.filter { $0.kind == .float32 })
    #expect(model.weightsDigest() == digest)
  }

  /// Weights start with the deviation √(2 / (outputs · 9)), "fan out".
  ///
  /// A sample deviation of n numbers is off by
  /// 1/√(2n) = 0.5 % for the 18 432 of this tensor; 2 % is four times that.
  @Test func startValues() throws {
    var configuration = oddConfiguration
    configuration.width = 16
    let model = try Model(configuration, engine: makeEngine(EngineKind.available[0]), seed: 1)
    let tensors = Dictionary(
      uniqueKeysWithValues: model.exportTensors().map { ($0.name, $0.values) })
    let weights = try #require(tensors["layer3.0.conv1.weight"])
    #expect(weights.count == 18_432)
    let square = weights.map { Double($0) * Double($0) }.reduce(0, +) / Double(weights.count)
    let deviation = (2.0 / (64 * 9)).squareRoot()
    #expect(abs(square.squareRoot() / deviation - 1) < 0.02)
    #expect(try #require(tensors["bn1.weight"]).allSatisfy { $0 == 1 })
    #expect(try #require(tensors["bn1.bias"]).allSatisfy { $0 == 0 })
    #expect(try #require(tensors["bn1.running_mean"]).allSatisfy { $0 == 0 })
    #expect(try #require(tensors["bn1.running_var"]).allSatisfy { $0 == 1 })
    let bound = 1 / Float(128).squareRoot()
    let classifier = try #require(tensors["fc.weight"])
    #expect(classifier.allSatisfy { abs($0) <= bound })
    #expect(classifier.contains { abs($0) > 0.9 * bound })
    let again = try Model(configuration, engine: makeEngine(EngineKind.available[0]), seed: 1)
    #expect(again.weightsDigest() == model.weightsDigest())
    let other = try Model(configuration, engine: makeEngine(EngineKind.available[0]), seed: 2)
    #expect(other.weightsDigest() != model.weightsDigest())
  }

  @Test func impossibleConfigurationsAreRefused() throws {
    let engine = try makeEngine(EngineKind.available[0])
    let changes: [@Sendable (inout NetworkConfiguration) -> Void] = [
      { $0.width = 0 }, { $0.classCount = 0 }, { $0.imageHeight = -1 }, { $0.imageWidth = 1 << 40 },
      { $0.mean = [0, 0] }, { $0.mean[1] = .nan }, { $0.standardDeviation[2] = 0 },
    ]
    for change in changes {
      var configuration = oddConfiguration
      change(&configuration)
      #expect(throws: UsageError.self) { try Model(configuration, engine: engine, seed: 1) }
    }
  }

  /// What forecasts count with, without a model, is what its layers do.
  @Test(arguments: Architecture.allCases, [Stem.small, .imagenet])
  func theFormulasCountWhatTheLayersDo(architecture: Architecture, stem: Stem) throws {
    let configuration = NetworkConfiguration(
      architecture: architecture, width: 6, stem: stem, classCount: 7, imageHeight: 40,
      imageWidth: 33, mean: [0.5, 0.5, 0.5], standardDeviation: [0.2, 0.2, 0.2])
    let model = try Model(configuration, engine: makeEngine(EngineKind.available[0]), seed: 1)
    let (layers, formulas) = (model.multiplyAdds, configuration.multiplyAdds)
    #expect(formulas.evaluation == layers.evaluation)
    #expect(formulas.training == layers.training && formulas.scoring == layers.scoring)
  }
}

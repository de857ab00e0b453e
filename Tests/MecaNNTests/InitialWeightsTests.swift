import Foundation
import MecaCore
import MecaNN
import MecaTensor
import Testing

/// What models start from in place of drawn weights.
@Suite struct InitialWeightsTests {
  private static let openblas = EngineKind.openblas

  /// A network of `classes` classes as a file would have it, and a drawn one of the same sizes for 5.
  private func pair(
    _ configuration: NetworkConfiguration, classes: Int, metadata: Bool
  ) throws -> (stored: StoredNetwork, drawn: Model, configuration: NetworkConfiguration) {
    var other = configuration
    other.classCount = classes
    other.mean = [0.1, 0.2, 0.3]
    let model = try makeModel(Self.openblas, other)
    let (tensors, words) = model.stateDictionary()
    let stored = try StoredNetwork(
      tensors: tensors, metadata: metadata ? words : [:], path: "x")
    let drawn = try Model(configuration, engine: makeEngine(Self.openblas), seed: 21)
    return (stored, drawn, configuration)
  }

  private func isClassifier(_ name: String) -> Bool {
    name.hasPrefix("fc.") || name.hasPrefix("classifier.")
  }

  @Test(arguments: oddConfigurations)
  func theBodyIsTakenAndTheHeadIsDrawn(_ configuration: NetworkConfiguration) throws {
    let (stored, drawn, _) = try pair(configuration, classes: 11, metadata: true)
    let before = drawn.exportTensors()
    let initial = InitialWeights(stored)
    #expect(!initial.hasClassifier && initial.imageScale == .said)
    try drawn.start(from: initial)
    let after = drawn.exportTensors()
    let own = Dictionary(uniqueKeysWithValues: stored.tensors.map { ($0.name, $0) })
    #expect(after.count == own.count)
    for (old, new) in zip(before, after) {
      #expect(new == (isClassifier(new.name) ? old : own[new.name]), "\(new.name)")
    }
    #expect(initial.scaling(configuration).mean == [0.1, 0.2, 0.3])
    #expect(
      initial.scaling(configuration).standardDeviation == configuration.standardDeviation)
  }

  /// Rows of the classifier follow the classes, whatever their order in the file.
  @Test func theHeadOfTheSameClassesIsTakenInTheirOrder() throws {
    let (stored, drawn, _) = try pair(oddConfiguration, classes: 5, metadata: false)
    let order = [3, 0, 4, 1, 2]
    let initial = InitialWeights(stored, classes: order)
    #expect(initial.hasClassifier && initial.imageScale == .data)
    #expect(initial.scaling(oddConfiguration) == oddConfiguration)
    try drawn.start(from: initial)
    func head(_ tensors: [NamedTensor]) -> [NamedTensor] {
      tensors.filter { isClassifier($0.name) }
    }
    let (found, own) = (head(drawn.exportTensors()), head(stored.tensors))
    #expect(found.map(\.name) == ["fc.weight", "fc.bias"])
    for (found, own) in zip(found, own) {
      let length = own.values.count / 5
      for (row, place) in order.enumerated() {
        #expect(
          found.values[row * length..<(row + 1) * length]
            == own.values[place * length..<(place + 1) * length])
      }
    }
  }

  @Test func imageNetsNetworksHaveImageNetsScale() throws {
    let (stored, _, configuration) = try pair(oddConfiguration, classes: 1000, metadata: false)
    let initial = InitialWeights(stored)
    #expect(initial.imageScale == .imageNet)
    #expect(initial.scaling(configuration).mean == [0.485, 0.456, 0.406])
    #expect(initial.scaling(configuration).standardDeviation == [0.229, 0.224, 0.225])
  }

  /// A file of another width says which tensor, and changes nothing.
  @Test func tensorsThatDoNotFitAreNamed() throws {
    let (stored, _, _) = try pair(oddConfiguration, classes: 5, metadata: false)
    var wide = oddConfiguration
    wide.width = 4
    let other = try Model(wide, engine: makeEngine(Self.openblas), seed: 21)
    let digest = other.weightsDigest()
    #expect(
      throws: TensorError.shape(
        name: "conv1.weight", found: [3, 3, 3, 3], expected: [4, 3, 3, 3])
    ) {
      try other.start(from: InitialWeights(stored))
    }
    #expect(other.weightsDigest() == digest)
  }

  /// timm's names, as timm 1.0.31 and torchvision 0.28.0 list them (`tools/check-init.py`).
  @Test(arguments: ["", "module.", "model."])
  func timmsMobileNetIsRecognised(prefix: String) throws {
    let path = try #require(
      Bundle.module.path(forResource: "Golden/timm-mobilenetv2", ofType: "txt"))
    let pairs = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n").map {
      $0.split(separator: " ").map(String.init)
    }
    let timm = Dictionary(uniqueKeysWithValues: pairs.map { ($0[1], $0[0]) })
    var configuration = oddConfiguration
    configuration.architecture = .mobilenetv2
    let model = try makeModel(Self.openblas, configuration)
    let tensors = try model.exportTensors().map { tensor in
      var renamed = tensor
      renamed.name = prefix + (try #require(timm[tensor.name], "\(tensor.name)"))
      return renamed
    }
    #expect(tensors.count == pairs.count)
    let stored = try StoredNetwork(tensors: tensors.reversed(), metadata: [:], path: "x")
    #expect(stored.architecture == .mobilenetv2 && stored.width == configuration.width)
    #expect(stored.strides == .open && stored.stem == nil)
    let other = try Model(configuration, engine: makeEngine(Self.openblas), seed: 2)
    try other.importTensors(stored.tensors)
    #expect(other.weightsDigest() == model.weightsDigest())
    try StoredNetwork.requirePlausible(tensors.map { ($0.name, $0.shape) }, path: "x")
  }
}

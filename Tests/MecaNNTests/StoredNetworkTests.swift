import Foundation
import MecaCore
import MecaNN
import MecaTensor
import Testing

/// Networks of weights files: recognised with and without our metadata, under every scheme of names.
@Suite struct StoredNetworkTests {
  /// A configuration and the tensors of such a network, with made-up weights.
  struct Case: CustomTestStringConvertible {
    let configuration: NetworkConfiguration
    var testDescription: String {
      "\(configuration.architecture) \(configuration.stem) \(configuration.width)"
    }

    func model() throws -> Model {
      try Model(configuration, engine: makeEngine(.openblas), seed: 3)
    }
  }

  static let cases = Architecture.allCases.flatMap { architecture in
    Stem.allCases.map { stem in
      var configuration = oddConfiguration
      (configuration.architecture, configuration.stem) = (architecture, stem)
      configuration.width = architecture == .resnet34 ? 4 : 5
      return Case(configuration: configuration)
    }
  }

  static func failure(
    _ tensors: [NamedTensor], _ metadata: [String: String] = [:]
  ) -> String {
    do {
      _ = try StoredNetwork(tensors: tensors, metadata: metadata, path: "x")
      return "nothing is wrong"
    } catch {
      return "\(error)"
    }
  }

  /// The names of BackdoorBox and backdoor-toolbox, and what `DataParallel` makes of names.
  static func foreign(_ tensors: [NamedTensor], cifar: Bool, prefix: String) -> [NamedTensor] {
    tensors.map { tensor in
      var renamed = tensor
      if cifar {
        renamed.name = renamed.name.replacingOccurrences(of: "downsample", with: "shortcut")
          .replacingOccurrences(of: "fc.", with: "linear.")
      }
      renamed.name = prefix + renamed.name
      return renamed
    }
  }

  @Test(arguments: cases)
  func ourFilesSayEverything(_ one: Case) throws {
    let model = try one.model()
    for names in TensorNames.allCases where names.suits(one.configuration.architecture) {
      let (tensors, metadata) = model.stateDictionary(names: names)
      #expect(metadata["tensor_names"] == names.rawValue)
      let stored = try StoredNetwork(tensors: tensors, metadata: metadata, path: "x")
      let found = stored.configuration(
        imageHeight: 100, imageWidth: 100, mean: [9, 9, 9], standardDeviation: [9, 9, 9])
      #expect(found == one.configuration)
      #expect(stored.tensors == model.exportTensors())
    }
  }

  /// What PyTorch saves: no metadata or a foreign one, counters or none, either scheme's names.
  @Test(arguments: cases, ["", "module.", "module._orig_mod."])
  func foreignFilesAreRecognised(_ one: Case, prefix: String) throws {
    let model = try one.model()
    let isMobile = one.configuration.architecture == .mobilenetv2
    for cifar in isMobile ? [false] : [false, true] {
      var tensors = Self.foreign(model.exportTensors(), cifar: cifar, prefix: prefix)
      if cifar { tensors.removeAll { $0.name.hasSuffix("num_batches_tracked") } }
      let stored = try StoredNetwork(
        tensors: tensors.reversed(), metadata: ["format": "pt"], path: "x")
      #expect(stored.stem == (isMobile ? nil : one.configuration.stem))
      #expect(stored.imageSize == nil && stored.mean == nil && stored.standardDeviation == nil)
      let found = stored.configuration(
        imageHeight: one.configuration.imageHeight, imageWidth: one.configuration.imageWidth,
        mean: one.configuration.mean, standardDeviation: one.configuration.standardDeviation,
        stemChoice: one.configuration.stem == .small ? .small : .imagenet)
      #expect(found == one.configuration)
      let other = try Model(found, engine: makeEngine(.openblas), seed: 8)
      try other.importTensors(stored.tensors)
      #expect(other.weightsDigest() == model.weightsDigest())
    }
  }

  /// A normalisation in front of the network has no tensors of the network, but says how images are
  /// scaled; one for pixels up to 255 would be another scale.
  @Test(arguments: [([0.4, 0.5, 0.6], true), ([102, 128, 153], false)] as [([Float], Bool)])
  func aNormalisationInFrontIsTheScale(mean: [Float], isTaken: Bool) throws {
    let model = try Self.cases[0].model()
    let own = Self.foreign(model.exportTensors(), cifar: false, prefix: "1.")
    let front = [
      NamedTensor(name: "0.mean", shape: [1, 3, 1, 1], values: mean),
      NamedTensor(name: "0.std", shape: [1, 3, 1, 1], values: [0.2, 0.25, 0.3]),
    ]
    let stored = try StoredNetwork(tensors: front + own, metadata: [:], path: "x")
    #expect(stored.mean == (isTaken ? mean : nil))
    #expect(stored.standardDeviation == (isTaken ? [0.2, 0.25, 0.3] : nil))
    #expect(stored.tensors.count == own.count)
  }

  /// Every name that differs between the schemes, spelled out.
  @Test func cifarNamesAreThoseOfTheToolboxes() throws {
    let names = try Self.cases[0].model().stateDictionary(names: .cifar).tensors.map(\.name)
    #expect(names.count == 20 * 6 + 2)
    #expect(names.allSatisfy { !$0.contains("downsample") && !$0.hasPrefix("fc") })
    for stage in 2...4 {
      #expect(names.contains("layer\(stage).0.shortcut.0.weight"))
      #expect(names.contains("layer\(stage).0.shortcut.1.running_var"))
    }
    #expect(names.suffix(2) == ["linear.weight", "linear.bias"])
    #expect(Array(names.prefix(2)) == ["conv1.weight", "bn1.weight"])
    #expect(TensorNames.cifar.suits(.resnet34) && !TensorNames.cifar.suits(.mobilenetv2))
  }

  @Test func autoTakesTheStemOfTheSize() {
    for (height, width, stem) in [
      (32, 32, Stem.small), (111, 224, .small), (224, 111, .small), (112, 112, .imagenet),
      (224, 224, .imagenet), (1, 1, .small),
    ] {
      #expect(StemChoice.auto.resolved(height: height, width: width) == stem)
      #expect(StemChoice.small.resolved(height: height, width: width) == .small)
      #expect(StemChoice.imagenet.resolved(height: height, width: width) == .imagenet)
    }
  }

  /// The stem of a MobileNetV2 changes no shape: our old files had the small one, foreign ones ask.
  @Test func theStemOfMobileNetIsSaidOrAsked() throws {
    let one = Self.cases.first {
      $0.configuration.architecture == .mobilenetv2 && $0.configuration.stem == .small
    }!
    let tensors = try one.model().exportTensors()
    func stem(_ metadata: [String: String], side: Int, _ choice: StemChoice = .auto) throws -> Stem
    {
      try StoredNetwork(tensors: tensors, metadata: metadata, path: "x").configuration(
        imageHeight: side, imageWidth: side, mean: [0, 0, 0], standardDeviation: [1, 1, 1],
        stemChoice: choice
      ).stem
    }
    #expect(try stem([:], side: 32) == .small && stem([:], side: 224) == .imagenet)
    #expect(try stem([:], side: 224, .small) == .small)
    #expect(try stem(["stem": "imagenet"], side: 32) == .imagenet)
    var old = one.configuration.metadata
    old["stem"] = nil
    #expect(try stem(old, side: 224) == .small)
  }

  @Test func aConfigurationWithoutStemHasTheSmallOne() throws {
    let small = oddConfiguration
    let text = String(decoding: try JSONEncoder().encode(small), as: UTF8.self)
    #expect(text.contains("\"stem\":\"small\""))
    for entry in [",\"stem\":\"small\"", "\"stem\":\"small\",", ""] {
      let data = Data(text.replacingOccurrences(of: entry, with: "").utf8)
      #expect(try JSONDecoder().decode(NetworkConfiguration.self, from: data) == small)
    }
    let large = oddConfigurations[2]
    #expect(large.stem == .imagenet)
    #expect(
      try JSONDecoder().decode(
        NetworkConfiguration.self, from: try JSONEncoder().encode(large)) == large)
  }

  @Test func metadataThatCannotBeIsRefused() throws {
    let model = try Self.cases[0].model()
    let (tensors, metadata) = model.stateDictionary()
    for (name, value, reason) in [
      ("architecture", "resnet50", "metadata architecture: resnet50"),
      (
        "architecture", "resnet34",
        "metadata architecture: resnet34, but its tensors are those of resnet18"
      ),
      ("width", "wide", "metadata width: wide"),
      ("width", "6", "metadata width: 6, but its tensors are those of 5"),
      ("stem", "imagenet", "metadata stem: imagenet, but its tensors are those of small"),
      ("stem", "none", "metadata stem: none"),
      ("image_height", "?", "metadata image_height: ?"),
      ("image_width", "1e9", "metadata image_width: 1e9"),
      (
        "image_height", "-1",
        "no network is like its tensors or metadata: image height -1: must be from 1 to 16384"
      ),
      (
        "image_width", "99999",
        "no network is like its tensors or metadata: image width 99999: must be from 1 to 16384"
      ),
      ("mean", "[0, 0", "metadata mean: [0, 0"),
      (
        "mean", "[0, 0]",
        "no network is like its tensors or metadata: mean [0.0, 0.0]: must be 3 finite numbers"
      ),
      (
        "std", "[1, 1, 0]",
        "no network is like its tensors or metadata: standard deviation [1.0, 1.0, 0.0]: must be 3 positive numbers"
      ),
    ] {
      var damaged = metadata
      damaged[name] = value
      #expect(Self.failure(tensors, damaged) == "x: \(reason)")
    }
  }

  @Test func tensorsOfOtherNetworksAreNamed() throws {
    let tensors = try Self.cases[0].model().exportTensors()
    func changed(_ change: (inout [NamedTensor]) -> Void) -> [NamedTensor] {
      var result = tensors
      change(&result)
      return result
    }
    func named(_ name: String, _ shape: [Int]) -> NamedTensor {
      NamedTensor(name: name, shape: shape, values: .init(repeating: 0, count: shape.reduce(1, *)))
    }
    func replaced(_ name: String, _ shape: [Int]) -> [NamedTensor] {
      changed { $0[$0.firstIndex { $0.name == name }!] = named(name, shape) }
    }
    let unknown = " (the first is "
    #expect(Self.failure([]).contains(unknown + "missing); resnet18 and resnet34"))
    #expect(
      Self.failure([named("features.0.weight", [64, 3, 3, 3]), named("z", [1])])
        .contains(unknown + "features.0.weight); resnet18 and resnet34"))
    #expect(
      Self.failure(tensors + [named("layer1.0.conv3.weight", [5, 5, 1, 1])])
        == "x: a ResNet of three convolutions a block (50 layers or more); resnet18 and resnet34 have "
        + "two")
    #expect(
      Self.failure(changed { $0.removeAll { $0.name.hasPrefix("bn1.") } })
        == "x: a pre-activation ResNet (no bn1 behind conv1); resnet18 and resnet34 normalise behind "
        + "each convolution")
    #expect(
      Self.failure(changed { $0.removeAll { $0.name.hasPrefix("layer3.1") } })
        == "x: a ResNet with 2, 2, 1, 2 blocks in its stages; resnet18 has 2, 2, 2, 2, resnet34 3, 4, "
        + "6, 3")
    #expect(
      Self.failure(changed { $0.removeAll { $0.name == "fc.weight" } }) == "x: no tensor fc.weight")
    #expect(
      Self.failure(replaced("conv1.weight", [5, 3, 5, 5]))
        == "x: conv1.weight has shape [5, 3, 5, 5], [width, 3, 3, 3] or [width, 3, 7, 7] is wanted")
    #expect(
      Self.failure(replaced("conv1.weight", [5, 1, 3, 3]))
        == "x: conv1.weight has shape [5, 1, 3, 3], [width, 3, 3, 3] or [width, 3, 7, 7] is wanted")
    #expect(
      Self.failure(replaced("fc.weight", [5]))
        == "x: fc.weight has shape [5], [classes, features] is wanted")
    // A shape that would be a giant's is refused before anything is reserved for it.
    let weights = tensors.filter {
      !$0.name.contains("running_") && !$0.name.contains("num_batches")
    }.reduce(0) { $0 + $1.values.count }
    let wide = Self.failure(replaced("conv1.weight", [4096, 3, 3, 3]))
    #expect(
      wide.hasPrefix("x: has \(weights - 5 * 27 + 4096 * 27) weights, but a resnet18 of width"))
    #expect(
      Self.failure(replaced("conv1.weight", [0, 3, 3, 3]))
        == "x: no network is like its tensors or metadata: width 0: must be from 1 to 4096")
    // One name twice, once with and once without what DataParallel adds.
    let doubled = changed { $0.append(named("module.fc.bias", [0])) }
    let stored = try StoredNetwork(tensors: doubled, metadata: [:], path: "x")
    let model = try Self.cases[0].model()
    #expect(throws: TensorError.repeated(name: "fc.bias")) {
      try model.importTensors(stored.tensors)
    }
  }
}

/// The network that a state dictionary is of, as far as names and shapes tell.
struct RecognisedNetwork: Equatable {
  var architecture: Architecture
  /// Channels of the stem.
  var width: Int
  var classCount: Int
  /// nil where both stems have the same shapes: in MobileNetV2, whose stems differ in strides alone.
  var stem: Stem?
}

/// Why a state dictionary is of no network that is known here.
struct UnknownNetwork: Error {
  /// For the error's line.
  var reason: String
}

extension RecognisedNetwork {
  /// Recognises a network by torchvision's names.
  ///
  /// Only what tells networks apart is looked at; that every tensor is there, with its shape, is
  /// checked where a model takes them over.
  ///
  /// - Throws: `UnknownNetwork`.
  init(_ tensors: [NamedTensor]) throws {
    try self.init(shapes: tensors.map { ($0.name, $0.shape) })
  }

  /// The same by names and shapes alone.
  init(shapes: [(name: String, shape: [Int])]) throws {
    let shapes = Dictionary(
      shapes.map { ($0.name, $0.shape) }, uniquingKeysWith: { first, _ in first })
    architecture = try Self.architecture(Set(shapes.keys))
    let (stemName, kernels) =
      architecture == .mobilenetv2 ? ("features.0.0.weight", [3]) : ("conv1.weight", [3, 7])
    let stemShape = try Self.shape(of: stemName, in: shapes)
    guard stemShape.count == 4, stemShape[1] == NetworkConfiguration.imageChannels,
      stemShape[2] == stemShape[3], kernels.contains(stemShape[2])
    else {
      let wanted = kernels.map { "[width, 3, \($0), \($0)]" }.joined(separator: " or ")
      throw UnknownNetwork(reason: "\(stemName) has shape \(stemShape), \(wanted) is wanted")
    }
    width = stemShape[0]
    stem = architecture == .mobilenetv2 ? nil : stemShape[2] == 7 ? .imagenet : .small
    let classifier = architecture.classifier + ".weight"
    let classifierShape = try Self.shape(of: classifier, in: shapes)
    guard classifierShape.count == 2 else {
      throw UnknownNetwork(
        reason: "\(classifier) has shape \(classifierShape), [classes, features] is wanted")
    }
    classCount = classifierShape[0]
  }

  private static func shape(of name: String, in shapes: [String: [Int]]) throws -> [Int] {
    guard let shape = shapes[name] else { throw UnknownNetwork(reason: "no tensor \(name)") }
    return shape
  }

  private static func architecture(_ names: Set<String>) throws -> Architecture {
    if names.contains("features.0.0.weight") { return .mobilenetv2 }
    guard names.contains("layer1.0.conv1.weight") else {
      throw UnknownNetwork(
        reason: "these tensors are of no network that is known here (the first is "
          + "\(names.min() ?? "missing")); resnet18 and resnet34 with torchvision's names or the "
          + "CIFAR variants', and torchvision's and timm's mobilenetv2 are")
    }
    if names.contains("layer1.0.conv3.weight") {
      throw UnknownNetwork(
        reason: "a ResNet of three convolutions a block (50 layers or more); resnet18 and resnet34 "
          + "have two")
    }
    if names.contains("layer1.0.bn1.weight") && !names.contains("bn1.weight") {
      throw UnknownNetwork(
        reason: "a pre-activation ResNet (no bn1 behind conv1); resnet18 and resnet34 normalise "
          + "behind each convolution")
    }
    let counts = (1...4).map { stage in
      (0..<names.count).prefix { names.contains("layer\(stage).\($0).conv1.weight") }.count
    }
    let known = [Architecture.resnet18, .resnet34].first { $0.blocksPerStage == counts }
    guard let known else {
      func list(_ counts: [Int]) -> String { counts.map(String.init).joined(separator: ", ") }
      throw UnknownNetwork(
        reason: "a ResNet with \(list(counts)) blocks in its stages; resnet18 has "
          + "\(list(Architecture.resnet18.blocksPerStage)), resnet34 "
          + "\(list(Architecture.resnet34.blocksPerStage))")
    }
    return known
  }
}

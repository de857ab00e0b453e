import Foundation
import MecaCore
import MecaNN
import MecaTensor
import Testing

/// Tensors of one of PyTorch's golden files by name; see `tools/golden.py` for what is in which.
func golden(_ name: String) throws -> (tensors: [String: NamedTensor], metadata: [String: String]) {
  let path = try #require(
    Bundle.module.path(forResource: "Golden/\(name)", ofType: "safetensors"))
  let (tensors, metadata) = try readSafetensors(path)
  return (Dictionary(uniqueKeysWithValues: tensors.map { ($0.name, $0) }), metadata)
}

/// A small network with sizes that no block of channels divides, and odd planes.
let oddConfiguration = NetworkConfiguration(
  architecture: .resnet18, width: 3, classCount: 5, imageHeight: 9, imageWidth: 7,
  mean: [0.4, 0.5, 0.45], standardDeviation: [0.25, 0.2, 0.3])

/// The same for each kind of block and stem; the ImageNet stems leave two points of 33x21 pixels.
let oddConfigurations: [NetworkConfiguration] = Stem.allCases.flatMap { stem in
  [Architecture.resnet18, .mobilenetv2].map { architecture in
    var configuration = oddConfiguration
    (configuration.architecture, configuration.stem) = (architecture, stem)
    if stem == .imagenet { (configuration.imageHeight, configuration.imageWidth) = (33, 21) }
    return configuration
  }
}

/// A model whose normalisations have other values than 1 and 0, so that a swapped one is seen.
///
/// Where the seed puts a value within rounding of a bend of ReLU, gradients in `Float` and in `Double`
/// are those of its two sides. MobileNetV2 has so many values that some seeds do (3 is one; 4, 5 and
/// 6 are none; with the ImageNet stem 4 is one, 5 to 14 are none).
func makeModel(
  _ kind: EngineKind, _ configuration: NetworkConfiguration = oddConfiguration,
  seed chosen: UInt64? = nil
) throws -> Model {
  let seed = chosen ?? (configuration.stem == .imagenet ? 8 : 4)
  let model = try Model(configuration, engine: makeEngine(kind), seed: seed)
  var random = KeyedRandom(seed: seed, purpose: .test, 1)
  var tensors = model.exportTensors()
  let means = tensors.map(\.name).filter { $0.hasSuffix(".running_mean") }
  let normalisations = Set(means.map { $0.dropLast(".running_mean".count) })
  // Wide enough for ReLU6 to cut some values off at its upper end too.
  let shifts: ClosedRange<Float> =
    configuration.architecture == .mobilenetv2 ? -1...4 : -0.2...0.2
  for index in tensors.indices where tensors[index].kind == .float32 {
    let name = tensors[index].name
    let range: ClosedRange<Float>? =
      if name.hasSuffix("running_var") {
        0.6...1.8
      } else if name.hasSuffix("running_mean") {
        -0.3...0.3
      } else if normalisations.contains(name[..<(name.lastIndex(of: ".") ?? name.endIndex)]) {
        name.hasSuffix("weight") ? 0.7...1.3 : shifts
      } else {
        nil
      }
    if let range {
      tensors[index].values = tensors[index].values.map { _ in random.uniform(in: range) }
    }
  }
  try model.importTensors(tensors)
  if configuration.architecture == .mobilenetv2 {
    // Always by the same engine, so that models are equal.
    let other = try Model(configuration, engine: makeEngine(.openblas), seed: seed)
    try other.importTensors(tensors)
    try settleStatistics(other)
    try model.importTensors(other.exportTensors())
  }
  return model
}

/// Brings the running statistics close to those of real activations.
///
/// Through 52 layers made-up ones would let the values vanish or end at the bends of ReLU6, and
/// gradients with them. Fifty steps at a rate of 0.1 leave 0.9⁵⁰ = 0.5 % of the old.
private func settleStatistics(_ model: Model) throws {
  let lane = try Lane(model: model, microbatch: 8, training: true, inputGradient: false)
  fillImages(lane, first: 100)
  let reduction = train(lane, meanLoss([Int32](repeating: 0, count: 8)))
  Array(reduction[model.parameters.count...]).withUnsafeBufferPointer {
    for _ in 0..<50 { model.applyStatistics($0.baseAddress!) }
  }
  model.weightsDidChange()
}

/// Fills a lane's images with uniform pixels; sample n has the numbers of key (n + `first`).
func fillImages(_ lane: Lane, first: Int = 0) {
  let count = lane.model.configuration.imageCount
  for sample in 0..<lane.microbatch {
    var random = KeyedRandom(seed: 5, purpose: .test, 2, first + sample)
    for index in 0..<count { lane.images[sample * count + index] = random.uniform() }
  }
}

/// Runs one training pass and gives a copy of what it yields.
func train(_ lane: Lane, _ objectives: [SampleObjective]) -> [Float] {
  let reduction = AlignedStorage<Float>(count: lane.model.reductionCount)
  reduction.fill(.nan)
  objectives.withUnsafeBufferPointer { lane.train($0, reduction: reduction.pointer) }
  return reduction.array
}

/// Objectives of plain training on the mean loss.
func meanLoss(_ labels: [Int32]) -> [SampleObjective] {
  labels.map { SampleObjective(label: $0, coefficient: 1 / Float(labels.count)) }
}

/// Largest difference of two arrays, relative to the largest magnitude in `expected`.
///
/// The scale is the tensor's because rounding errors of a sum follow its largest terms; `leastScale`
/// is taken instead where it is larger.
func relativeError<T: BinaryFloatingPoint, U: BinaryFloatingPoint>(
  _ found: [T], _ expected: [U], leastScale: Double = 0
) -> Double {
  guard found.count == expected.count, !found.isEmpty else { return .infinity }
  var difference = 0.0
  var scale = max(leastScale, Double.leastNormalMagnitude)
  for index in found.indices {
    let distance = abs(Double(found[index]) - Double(expected[index]))
    guard distance.isFinite else { return .infinity }
    difference = max(difference, distance)
    scale = max(scale, abs(Double(expected[index])))
  }
  return difference / scale
}

/// What rounding errors of a tensor's gradient are measured against.
///
/// Its largest value; for a normalisation's shift also that of its scale, a sum over the same
/// gradients: a shift that the next normalisation takes away has a gradient of 0 and rounding alone.
/// And the other way round: behind ReLU a normalisation takes both away together, which ties
/// γ · ∂γ to −β · ∂β.
func gradientScale(_ tensor: NamedTensor, among tensors: [NamedTensor]) -> Double {
  var sibling = tensor.name
  if sibling.hasSuffix(".bias") {
    sibling = sibling.dropLast(4) + "weight"
  } else if sibling.hasSuffix(".weight"), tensor.shape.count == 1 {
    sibling = sibling.dropLast(6) + "bias"
  }
  return tensors.filter { $0.name == tensor.name || $0.name == sibling }
    .flatMap { $0.values.map { Double(abs($0)) } }.max() ?? 0
}

/// The gradients of a training pass under the weights' names.
func gradients(_ reduction: [Float], _ model: Model) -> [NamedTensor] {
  reduction.withUnsafeBufferPointer { model.exportParameters($0.baseAddress!) }
}

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

/// A model whose normalisations have other values than 1 and 0, so that a swapped one is seen.
func makeModel(
  _ kind: EngineKind, _ configuration: NetworkConfiguration = oddConfiguration, seed: UInt64 = 3
) throws -> Model {
  let model = try Model(configuration, engine: makeEngine(kind), seed: seed)
  var random = KeyedRandom(seed: seed, purpose: .test, 1)
  var tensors = model.exportTensors()
  for index in tensors.indices where tensors[index].kind == .float32 {
    let name = tensors[index].name
    let range: ClosedRange<Float>? =
      if name.hasSuffix("running_var") {
        0.6...1.8
      } else if name.hasSuffix("running_mean") {
        -0.3...0.3
      } else if name.contains("bn") || name.contains("downsample.1") {
        name.hasSuffix("weight") ? 0.7...1.3 : -0.2...0.2
      } else {
        nil
      }
    if let range {
      tensors[index].values = tensors[index].values.map { _ in random.uniform(in: range) }
    }
  }
  try model.importTensors(tensors)
  return model
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
/// The scale is the tensor's because rounding errors of a sum follow its largest terms.
func relativeError<T: BinaryFloatingPoint, U: BinaryFloatingPoint>(
  _ found: [T], _ expected: [U]
) -> Double {
  guard found.count == expected.count, !found.isEmpty else { return .infinity }
  var difference = 0.0
  var scale = Double.leastNormalMagnitude
  for index in found.indices {
    let distance = abs(Double(found[index]) - Double(expected[index]))
    guard distance.isFinite else { return .infinity }
    difference = max(difference, distance)
    scale = max(scale, abs(Double(expected[index])))
  }
  return difference / scale
}

/// The gradients of a training pass under the weights' names.
func gradients(_ reduction: [Float], _ model: Model) -> [NamedTensor] {
  reduction.withUnsafeBufferPointer { model.exportParameters($0.baseAddress!) }
}

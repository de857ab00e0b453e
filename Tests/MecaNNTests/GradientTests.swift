import MecaCore
import MecaNN
import MecaTensor
import MecaTestSupport
import Testing

/// Every gradient against central differences of the network in `Double`.
///
/// With step h = 1e-6 the difference quotient is off by h² (curvature) + 1e-16 / h (rounding), both
/// below 1e-9. What remains is the `Float` rounding of the network as in `GoldenTests`, 6e-6,
/// amplified by normalisations over as few as 10 values (5 images of 2 × 1 points in the last
/// stage), a factor below 20: 1e-4 of a tensor's largest gradient. (Seen: 1e-5.)
@Suite struct GradientTests {
  static let tolerance = 1e-4
  static let step = 1e-6

  /// Learning, unlearning, ignoring, and one sample on either side of its cap.
  static let objectives = [
    SampleObjective(label: 0, coefficient: 0.5),
    SampleObjective(label: 3, coefficient: -0.3),
    SampleObjective(label: 1, coefficient: 0),
    SampleObjective(label: 4, coefficient: -0.4, lossCap: 1e-3),
    SampleObjective(label: 2, coefficient: -0.25, lossCap: 50),
  ]

  /// Central difference of `loss` by one number.
  static func difference(_ loss: (Double) -> Double) -> Double {
    (loss(step) - loss(-step)) / (2 * step)
  }

  @Test(arguments: EngineKind.available, oddConfigurations)
  func everyWeightTensorInTraining(
    _ kind: EngineKind, _ configuration: NetworkConfiguration
  ) throws {
    let model = try makeModel(kind, configuration)
    let lane = try Lane(model: model, microbatch: 5, training: true, inputGradient: false)
    fillImages(lane)
    let images = lane.images.array.map(Double.init)
    let reference = ReferenceNetwork(model, training: true)
    let tensors = gradients(train(lane, Self.objectives), model)
    #expect(relativeError(lane.logits.array, reference.logits(images).flatMap { $0 }) < 1e-4)
    var random = KeyedRandom(seed: 8, purpose: .test)
    for tensor in tensors {
      // MobileNetV2 has three times the tensors.
      let drawn = runsFull && configuration.architecture != .mobilenetv2 ? 4 : 1
      let ends = runsFull ? [0, tensor.values.count - 1] : []
      let places = Set(ends).union(
        (0..<drawn).map { _ in random.integer(below: tensor.values.count) })
      let scale = gradientScale(tensor, among: tensors)
      for place in places.sorted() {
        let expected = Self.difference { shift in
          var moved = reference
          moved.tensors[tensor.name]![place] += shift
          return moved.loss(images, Self.objectives)
        }
        let error = abs(Double(tensor.values[place]) - expected)
        #expect(error < Self.tolerance * scale, "\(tensor.name)[\(place)]")
      }
    }
  }

  @Test(arguments: EngineKind.available, oddConfigurations)
  func pixelsInTraining(_ kind: EngineKind, _ configuration: NetworkConfiguration) throws {
    let model = try makeModel(kind, configuration)
    let lane = try Lane(model: model, microbatch: 5, training: true, inputGradient: true)
    fillImages(lane)
    _ = train(lane, Self.objectives)
    checkPixels(lane, training: true) { $0.loss($1, Self.objectives) }
  }

  @Test(arguments: EngineKind.available, oddConfigurations)
  func pixelsInEvaluation(_ kind: EngineKind, _ configuration: NetworkConfiguration) throws {
    let model = try makeModel(kind, configuration)
    for training in [true, false] {
      try checkPixelsInEvaluation(
        Lane(model: model, microbatch: 5, training: training, inputGradient: true))
    }
  }

  private func checkPixelsInEvaluation(_ lane: Lane) {
    fillImages(lane)
    let labels: [Int32] = [4, 0, 2, 2, 1]
    labels.withUnsafeBufferPointer { lane.inferWithInputGradient(labels: $0) }
    // The sum of the samples' losses has each sample's own gradient: in evaluation nobody sees others.
    let objectives = labels.map { SampleObjective(label: $0, coefficient: 1) }
    checkPixels(lane, training: false) { $0.loss($1, objectives) }
  }

  /// Where the image is larger than any activation.
  @Test(arguments: EngineKind.available, [1, 2])
  func pixelsOfTheNarrowest(_ kind: EngineKind, width: Int) throws {
    var configuration = oddConfiguration
    configuration.width = width
    let lane = try Lane(
      model: makeModel(kind, configuration), microbatch: 3, training: false, inputGradient: true)
    fillImages(lane)
    let labels: [Int32] = [4, 0, 2]
    labels.withUnsafeBufferPointer { lane.inferWithInputGradient(labels: $0) }
    let objectives = labels.map { SampleObjective(label: $0, coefficient: 1) }
    checkPixels(lane, training: false) { $0.loss($1, objectives) }
  }

  private func checkPixels(
    _ lane: Lane, training: Bool, loss: (ReferenceNetwork, [Double]) -> Double
  ) {
    let reference = ReferenceNetwork(lane.model, training: training)
    let images = lane.images.array.map(Double.init)
    let scale = Double(lane.imageGradient.array.map(abs).max()!)
    var random = KeyedRandom(seed: 9, purpose: .test)
    for _ in 0..<(runsFull ? 60 : 15) {
      let place = random.integer(below: images.count)
      let expected = Self.difference { shift in
        var moved = images
        moved[place] += shift
        return loss(reference, moved)
      }
      let error = abs(Double(lane.imageGradient[place]) - expected)
      #expect(error < Self.tolerance * scale, "pixel \(place)")
    }
  }

  /// The loss alone: no rounding but that of the result, so that 1e-6 must do.
  @Test func softmaxCrossEntropyGradient() {
    let logits: [Float] = [2.5, -1, 0.25, 7]
    for label in 0..<4 {
      var gradient = [Float](repeating: 0, count: 4)
      let loss = softmaxCrossEntropy(
        logits, classes: 4, objective: SampleObjective(label: Int32(label), coefficient: -0.5),
        gradient: &gradient)
      #expect(abs(Double(loss) - crossEntropy(logits.map(Double.init), Int32(label))) < 1e-6)
      for place in 0..<4 {
        let expected = Self.difference { shift in
          var moved = logits.map(Double.init)
          moved[place] += shift
          return -0.5 * crossEntropy(moved, Int32(label))
        }
        #expect(abs(Double(gradient[place]) - expected) < 1e-6)
      }
    }
  }
  /// Two labels, the same one twice among them: the mean of their losses, by their shares.
  @Test func softmaxCrossEntropyGradientOfMixedLabels() {
    let logits: [Float] = [2.5, -1, 0.25, 7]
    for (label, second) in [(0, 1), (1, 0), (3, 2), (2, 2)] as [(Int32, Int32)] {
      for share in [Float(0), 0.3, 0.984375] {
        let objective = SampleObjective(label: label, coefficient: 0.75)
          .mixed(with: second, share: share)
        var gradient = [Float](repeating: .nan, count: 4)
        let loss = softmaxCrossEntropy(
          logits, classes: 4, objective: objective, gradient: &gradient)
        func mixedLoss(_ logits: [Double]) -> Double {
          Double(share) * crossEntropy(logits, label)
            + (1 - Double(share)) * crossEntropy(logits, second)
        }
        #expect(abs(Double(loss) - mixedLoss(logits.map(Double.init))) < 1e-6)
        for place in 0..<4 {
          let expected = Self.difference { shift in
            var moved = logits.map(Double.init)
            moved[place] += shift
            return 0.75 * mixedLoss(moved)
          }
          #expect(abs(Double(gradient[place]) - expected) < 1e-6, "\(objective), \(place)")
        }
      }
    }
  }
}

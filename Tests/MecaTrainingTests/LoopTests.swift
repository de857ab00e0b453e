import Foundation
import MecaCore
import MecaFormats
import MecaImages
import MecaMPI
import MecaNN
import MecaTensor
import MecaTraining
import Testing

/// The training, evaluation and scoring loops on one rank.
@MainActor @Suite(.serialized) struct LoopTests {
  let set = ShapesSet(seed: 3, split: .train, count: 20)

  let key = StageKey("test")

  var labels: [Int32] { (0..<set.count).map { Int32(set.label(at: $0)) } }

  func recipe(
    epochs: Int, rate: Float = 0.05, augmentation: Augmentation = .none
  ) -> TrainingRecipe {
    TrainingRecipe(
      epochs: epochs, learningRate: rate, schedule: .constant, augmentation: augmentation)
  }

  /// The same training written down a second time: one lane, one sum, no ranks, no threads.
  func trainPlainly(
    _ model: Model, epochs: Int, rate: Float, key: StageKey, augmentation: Augmentation? = nil
  ) throws {
    let lane = try Lane(model: model, microbatch: 4, training: true, inputGradient: false)
    let optimiser = SGD(model: model)
    let images = try set.images(0..<set.count)
    let first = AlignedStorage<Float>(count: model.reductionCount)
    let second = AlignedStorage<Float>(count: model.reductionCount)
    for epoch in 0..<epochs {
      let order = EpochOrder(
        groups: [TrainingGroup(indices: (0..<20).map { Int32($0) })], shards: 2, microbatch: 4,
        key: key, seed: 5, epoch: epoch)
      for step in 0..<3 {  // 20 samples in steps of 8
        for (shard, result) in [first, second].enumerated() {
          var objectives: [SampleObjective] = []
          for slot in 0..<4 {
            let index = Int(order.index(step: step, shard: shard, slot: slot))
            for place in 0..<3072 {
              lane.images.pointer[slot * 3072 + place] =
                Float(images[index * 3072 + place]) * (1 / 255)
            }
            objectives.append(SampleObjective(label: labels[index], coefficient: 1.0 / 8))
            guard let augmentation else { continue }
            var random = KeyedRandom(
              seed: key.seed(of: 5), purpose: .augmentation, epoch, index)
            ImageAugmenter(augmentation, shape: set.imageShape).augment(
              try set.image(at: index), to: lane.images.pointer + slot * 3072, &random)
          }
          if let cutMix = augmentation?.cutMix {
            mixPlainly(
              cutMix, lane.images, &objectives,
              KeyedRandom(
                seed: key.seed(of: 5), purpose: .labelMixing, epoch, step * 2 + shard))
          }
          objectives.withUnsafeBufferPointer { lane.train($0, reduction: result.pointer) }
        }
        for place in 0..<model.reductionCount { first.pointer[place] += second.pointer[place] }
        let statistics = first.pointer + model.parameters.count
        for place in 0..<model.statistics.count { statistics[place] *= 0.5 }
        model.applyStatistics(statistics)
        optimiser.step(
          model, gradient: first.pointer, learningRate: rate,
          SGDConfiguration(momentum: 0.9, nesterov: true, weightDecay: 5e-4))
      }
    }
  }

  /// CutMix of a microbatch of 4, with copies of everything.
  func mixPlainly(
    _ cutMix: CutMix, _ images: AlignedStorage<Float>, _ objectives: inout [SampleObjective],
    _ numbers: KeyedRandom
  ) {
    var random = numbers
    let before = images.array
    let labels = objectives.map(\.label)
    guard let box = cutMix.drawBox(shape: set.imageShape, &random) else { return }
    let partners = random.permutation(count: 4)
    let inside = Float(box.rows.count * box.columns.count) / 1024
    for (slot, partner) in partners.enumerated() {
      objectives[slot] = objectives[slot].mixed(with: labels[partner], share: 1 - inside)
      for channel in 0..<3 {
        for row in box.rows {
          for column in box.columns {
            let place = (channel * 32 + row) * 32 + column
            images[slot * 3072 + place] = before[partner * 3072 + place]
          }
        }
      }
    }
  }

  /// Every transformation, mixed labels in about half of the shards.
  nonisolated static let augmentation = Augmentation(
    crop: RandomCrop(), flips: true, jitter: ColourJitter(), affine: RandomAffine(),
    cutMix: CutMix(probability: 0.5))

  @Test(arguments: [
    augmentation, .cropAndFlip, Augmentation(cutMix: CutMix(alpha: 0.4)),
  ])
  func theAugmentedLoopIsThePlainOne(augmentation: Augmentation) throws {
    let session = try session()
    let model = try Model(thinNetwork(set), engine: session.engine, seed: 9)
    let plain = try Model(thinNetwork(set), engine: session.engine, seed: 9)
    let without = try Model(thinNetwork(set), engine: session.engine, seed: 9)
    for (model, augmentation) in [(model, augmentation), (without, .none)] {
      try session.train(
        model, on: set, .learning((0..<20).map { Int32($0) }, labels: labels),
        recipe(epochs: 2, augmentation: augmentation), key: key)
    }
    try trainPlainly(plain, epochs: 2, rate: 0.05, key: key, augmentation: augmentation)
    #expect(model.weightsDigest() == plain.weightsDigest())
    #expect(model.weightsDigest() != without.weightsDigest())
  }

  /// What is unlearnt, or learnt up to a cap, keeps its own label: the same bits with and without.
  @Test func groupsWithACapAreNeverMixed() throws {
    let session = try session()
    func digest(_ groups: [TrainingGroup], _ augmentation: Augmentation) throws -> String {
      let model = try Model(thinNetwork(set), engine: session.engine, seed: 9)
      try session.train(
        model, on: set, Lesson(groups: groups, labels: labels),
        recipe(epochs: 1, rate: 0.01, augmentation: augmentation), key: key)
      return model.weightsDigest()
    }
    let mixed = Augmentation(cutMix: CutMix())
    let all = (0..<20).map { Int32($0) }
    for (weight, cap) in [(-1, 5), (1, 5), (-1, Float.infinity)] as [(Float, Float)] {
      let groups = [TrainingGroup(indices: all, weight: weight, lossCap: cap)]
      #expect(try digest(groups, mixed) == digest(groups, .none), "\(weight), \(cap)")
    }
    let learnt = [TrainingGroup(indices: all)]
    #expect(try digest(learnt, mixed) != digest(learnt, .none))
  }

  @Test(arguments: EngineKind.available)
  func theLoopIsThePlainOne(engine: EngineKind) throws {
    let session = try session(engine: engine)
    let model = try Model(thinNetwork(set), engine: session.engine, seed: 9)
    let plain = try Model(thinNetwork(set), engine: session.engine, seed: 9)
    let before = model.weightsDigest()
    #expect(before == plain.weightsDigest())
    try session.train(
      model, on: set, .learning((0..<20).map { Int32($0) }, labels: labels), recipe(epochs: 2),
      key: key)
    try trainPlainly(plain, epochs: 2, rate: 0.05, key: key)
    #expect(model.weightsDigest() == plain.weightsDigest())
    #expect(model.weightsDigest() != before)
  }

  @Test func learningLowersAndUnlearningRaisesTheLoss() throws {
    let session = try session()
    let model = try Model(thinNetwork(set), engine: session.engine, seed: 9)
    let learnt = (0..<12).map { Int32($0) }
    let unlearnt = (12..<20).map { Int32($0) }
    func loss(_ indices: [Int32]) throws -> Float {
      try session.evaluate(model, on: set, indices: indices, labels: labels)
        .reduce(0) { $0 + $1.loss } / Float(indices.count)
    }
    func train(_ groups: [TrainingGroup], epochs: Int, rate: Float) throws {
      try session.train(
        model, on: set, Lesson(groups: groups, labels: labels),
        recipe(epochs: epochs, rate: rate), key: key)
    }
    let first = try loss(learnt + unlearnt)
    try train([TrainingGroup(indices: learnt + unlearnt)], epochs: 8, rate: 0.03)
    let fitted = try loss(unlearnt)
    #expect(try loss(learnt + unlearnt) < first * 0.8)
    try train(
      [
        TrainingGroup(indices: learnt),
        TrainingGroup(indices: unlearnt, weight: -1, lossCap: 5),
      ], epochs: 2, rate: 0.01)
    #expect(try loss(unlearnt) > fitted + 0.5)
  }

  /// ABL's sign: a step whose mean loss is below the floor goes up, written down a second time as
  /// the step with the opposite coefficient; one above it is as without a floor.
  @Test func stepsBelowTheFloorGoUpTheGradient() throws {
    let session = try session()
    let one = Array(labels.indices.prefix(8)).map { Int32($0) }  // a single step
    func weights(_ weight: Float, below floor: Float?) throws -> String {
      let model = try Model(thinNetwork(set), engine: session.engine, seed: 9)
      try session.train(
        model, on: set,
        Lesson(
          groups: [TrainingGroup(indices: one, weight: weight)], labels: labels, ascendBelow: floor),
        recipe(epochs: 1, rate: 0.01), key: key)
      return model.weightsDigest()
    }
    let down = try weights(1, below: nil)
    let up = try weights(-1, below: nil)
    #expect(down != up)
    #expect(try weights(1, below: 0) == down)
    #expect(try weights(1, below: 100) == up)
  }

  @Test func theDirectionIsTheSignOfTheGap() {
    let lesson = Lesson(groups: [], labels: [], ascendBelow: 0.5)
    #expect(lesson.direction(meanLoss: 0.6) == 1)
    #expect(lesson.direction(meanLoss: 0.4) == -1)
    #expect(lesson.direction(meanLoss: 0.5) == 0)
    #expect(Lesson(groups: [], labels: []).direction(meanLoss: 0.1) == 1)
  }

  @Test func anEmptyGroupAndALossBeyondNumbersAreSaid() throws {
    let session = try session()
    let model = try Model(thinNetwork(set), engine: session.engine, seed: 9)
    func train(_ indices: [Int32], rate: Float) throws {
      try session.train(
        model, on: set, .learning(indices, labels: labels), recipe(epochs: 3, rate: rate),
        key: StageKey("clean"))
    }
    let empty = #expect(throws: RemoteFailure.self) { try train([], rate: 0.1) }
    #expect(empty?.exitCode == .badData)
    #expect(empty?.message.hasPrefix("clean: no training samples are left") == true)
    // The last update counts too: 8 samples are one step, whose own loss was still a number.
    for samples in [20, 8] {
      let beyond = #expect(throws: RemoteFailure.self) {
        try train((0..<Int32(samples)).map { $0 }, rate: 1e38)
      }
      #expect(beyond?.message.contains("not numbers any more") == true)
      #expect(beyond?.exitCode == .badData)
    }
  }

  /// Finite weights whose products are not.
  @Test func outputsBeyondNumbersAreSaid() throws {
    let session = try session()
    let model = try Model(thinNetwork(set), engine: session.engine, seed: 9)
    try model.importTensors(
      model.exportTensors().map { tensor in
        var tensor = tensor
        if tensor.name == "fc.weight" {
          tensor.values = tensor.values.map { $0 > 0 ? 3e38 : -3e38 }
        }
        return tensor
      })
    let failure = #expect(throws: RemoteFailure.self) { try session.evaluate(model, on: set) }
    #expect(failure?.message.contains("is not a number") == true)
  }

  /// The score of Algorithm 1 written down a second time: x* = clamp(x + m ⊙ ε·sign(∂CE/∂x)),
  /// s = KL(softmax f(x) ‖ softmax f(x*)) in double precision.
  @Test func theScoreIsThePlainOne() throws {
    let session = try session()
    let model = try Model(thinNetwork(set), engine: session.engine, seed: 9)
    let labels = labels.map { ($0 + 1) % 10 }
    let (side, epsilon) = (3, Float(40))
    let records = try session.score(
      model, on: set, indices: (0..<20).map { $0 }, labels: labels,
      perturbation: PerturbationConfiguration(patchSize: side, epsilon: epsilon), key: key)
    let lane = try Lane(model: model, microbatch: 1, training: false, inputGradient: true)
    for index in 0..<20 {
      for (place, byte) in try set.image(at: index).enumerated() {
        lane.images.pointer[place] = Float(byte) * (1 / 255)
      }
      [labels[index]].withUnsafeBufferPointer { lane.inferWithInputGradient(labels: $0) }
      let before = softmax(lane.logits.array)
      let loss = -log(before[Int(labels[index])])
      var random = KeyedRandom(
        seed: key.seed(of: session.compute.seed), purpose: .perturbationMask, 0, index)
      let top = random.integer(below: 32 - side + 1)
      let left = random.integer(below: 32 - side + 1)
      for channel in 0..<3 {
        for row in top..<top + side {
          for column in left..<left + side {
            let place = (channel * 32 + row) * 32 + column
            let gradient = lane.imageGradient[place]
            let step = epsilon / 255 * (gradient > 0 ? 1 : gradient < 0 ? -1 : 0)
            lane.images[place] = min(1, max(0, lane.images[place] + step))
          }
        }
      }
      lane.infer()
      let after = softmax(lane.logits.array)
      let expected = zip(before, after).reduce(0) { $0 + $1.0 * log($1.0 / $1.1) }
      // The batch is another, so the logits may differ in their last digits.
      #expect(abs(Double(records[index].loss) - loss) < 1e-5 * loss)
      // Logits of order 1 are good to about 1e-6; a divergence is of second order in their change.
      #expect(abs(Double(records[index].divergence) - expected) < 1e-3 * expected + 1e-8)
      #expect(expected > 1e-6, "the perturbation must show")
    }
  }

  private func softmax(_ logits: [Float]) -> [Double] {
    let powers = logits.map { exp(Double($0)) }
    return powers.map { $0 / powers.reduce(0, +) }
  }

  @Test func aSampleIsJudgedAloneWhateverItsBatch() throws {
    let session = try session()
    let set = ShapesSet(seed: 3, split: .test, count: 70)
    let model = try Model(thinNetwork(set), engine: session.engine, seed: 9)
    let labels = (0..<set.count).map { Int32(set.label(at: $0)) }
    let all = (0..<70).map { Int32($0) }
    let records = try session.evaluate(model, on: set)
    #expect(records.count == 70)
    #expect(try session.evaluate(model, on: set, indices: []).isEmpty)
    // −log p of the given label where that is the prediction.
    for (record, label) in zip(records, labels) where record.prediction == label {
      #expect(abs(-log(record.confidence) - record.loss) < 1e-6 + 1e-6 * record.loss)
    }
    #expect(records.allSatisfy { $0.confidence >= 0.1 && $0.confidence <= 1 }, "of ten classes")
    for index in [0, 31, 32, 69] as [Int32] {
      let alone = try session.evaluate(model, on: set, indices: [index])
      #expect(alone.count == 1)
      #expect(alone[0].loss == records[Int(index)].loss)
      #expect(alone[0].prediction == records[Int(index)].prediction)
    }
    let counts = try session.accuracy(model, on: set)
    #expect(counts.all.hits == all.filter { records[Int($0)].prediction == labels[Int($0)] }.count)
    #expect(counts.all.count == 70 && counts.perClass.map(\.count).reduce(0, +) == 70)

    func scores(_ indices: [Int32], masks: Int = 1, key: String = "a") throws -> [SampleRecord] {
      try session.score(
        model, on: set, indices: indices, labels: labels,
        perturbation: PerturbationConfiguration(patchSize: 8, epsilon: 64, masks: masks),
        key: StageKey(key))
    }
    let scored = try scores(all)
    #expect(scored.count == 70)
    #expect(scored.map(\.loss) == records.map(\.loss))
    #expect(scored.allSatisfy { $0.divergence >= 0 })
    #expect(scored.contains { $0.divergence > 0 })
    let backwards = try scores(all.reversed())
    #expect(backwards.map(\.divergence) == scored.map(\.divergence).reversed())
    #expect(try scores(all, key: "b").map(\.divergence) != scored.map(\.divergence))
    #expect(try scores(all, masks: 3).map(\.divergence) != scored.map(\.divergence))
  }
}

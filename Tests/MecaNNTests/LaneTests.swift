import MecaCore
import MecaNN
import MecaTensor
import Testing

/// What lanes promise: no sample sees another, threads change nothing, engines agree.
@Suite struct LaneTests {
  @Test(arguments: EngineKind.available, oddConfigurations)
  func logitsDependOnNoOtherSample(
    _ kind: EngineKind, _ configuration: NetworkConfiguration
  ) throws {
    let model = try makeModel(kind, configuration)
    let many = try Lane(model: model, microbatch: 7, training: false, inputGradient: true)
    fillImages(many)
    let labels: [Int32] = [0, 1, 2, 3, 4, 0, 1]
    labels.withUnsafeBufferPointer { many.inferWithInputGradient(labels: $0) }
    let pixels = model.configuration.imageCount
    for (microbatch, inputGradient) in [(1, false), (1, true), (2, true), (3, false)] {
      let few = try Lane(
        model: model, microbatch: microbatch, training: false, inputGradient: inputGradient)
      for first in 0...(7 - microbatch) {
        fillImages(few, first: first)
        if inputGradient {
          Array(labels[first..<first + microbatch]).withUnsafeBufferPointer {
            few.inferWithInputGradient(labels: $0)
          }
          #expect(
            few.imageGradient.array
              == Array(many.imageGradient.array[first * pixels..<(first + microbatch) * pixels]),
            "gradients of \(microbatch) samples from \(first)")
        } else {
          few.infer()
        }
        #expect(
          few.logits.array == Array(many.logits.array[first * 5..<(first + microbatch) * 5]),
          "logits of \(microbatch) samples from \(first)")
      }
    }
  }

  /// Planes and channel counts of real runs, where Winograd kernels work on tiles of several images.
  ///
  /// All runs use batches of one size; another size may choose other kernels and so other bits.
  @Test(
    arguments: EngineKind.available,
    [(Architecture.resnet18, 16), (.resnet18, 64), (.mobilenetv2, 32)])
  func wideLogitsDependOnNoOtherSample(
    _ kind: EngineKind, network: (architecture: Architecture, width: Int)
  ) throws {
    var configuration = oddConfiguration
    (configuration.architecture, configuration.width) = network
    (configuration.imageHeight, configuration.imageWidth) = (32, 32)
    let model = try makeModel(kind, configuration)
    let batch = 16
    func lane(first: Int) throws -> Lane {
      let lane = try Lane(model: model, microbatch: batch, training: false, inputGradient: true)
      fillImages(lane, first: first)
      (first..<first + batch).map { Int32($0 % 5) }.withUnsafeBufferPointer {
        lane.inferWithInputGradient(labels: $0)
      }
      return lane
    }
    let here = try lane(first: 0)
    let shift = 5
    let elsewhere = try lane(first: shift)
    func firstDifference(_ values: KeyPath<Lane, AlignedStorage<Float>>) -> Int? {
      let (a, b) = (here[keyPath: values].array, elsewhere[keyPath: values].array)
      let moved = a.count / batch * shift
      return (moved..<a.count).first { a[$0] != b[$0 - moved] }
    }
    #expect(firstDifference(\.logits) == nil)
    #expect(firstDifference(\.imageGradient) == nil)
    #expect(firstDifference(\.losses) == nil)
  }

  /// An exchange may begin with what a backward pass has announced.
  @Test(arguments: EngineKind.available, oddConfigurations)
  func announcedGradientsAreComplete(
    _ kind: EngineKind, _ configuration: NetworkConfiguration
  ) throws {
    let model = try makeModel(kind, configuration)
    let lane = try Lane(model: model, microbatch: 3, training: true, inputGradient: false)
    fillImages(lane)
    let reduction = AlignedStorage<Float>(count: model.reductionCount)
    reduction.fill(.nan)
    var floors: [Int] = []
    var seen: [[Float]] = []
    let objectives = (0..<3).map { SampleObjective(label: Int32($0), coefficient: 1) }
    objectives.withUnsafeBufferPointer {
      lane.train($0, reduction: reduction.pointer) { floor in
        floors.append(floor)
        seen.append(Array(reduction.buffer[floor..<model.parameters.count]))
      }
    }
    // Classifier, eight blocks, stem; or classifier, head, seventeen blocks, stem.
    let count = configuration.architecture == .mobilenetv2 ? 20 : 10
    #expect(floors.count == count && floors.last == 0)
    #expect(zip(floors, floors.dropFirst()).allSatisfy { $0 > $1 })
    #expect(reduction.array.allSatisfy { $0.isFinite })
    for (floor, part) in zip(floors, seen) {
      #expect(part == Array(reduction.buffer[floor..<model.parameters.count]), "from \(floor)")
    }
  }

  /// A profile measures every convolution and changes nothing.
  @Test(arguments: EngineKind.available)
  func profileChangesNoBits(_ kind: EngineKind) throws {
    let model = try makeModel(kind)
    let profile = LaneProfile()
    let lanes = try [nil, profile].map {
      try Lane(model: model, microbatch: 3, training: true, inputGradient: false, profile: $0)
    }
    let results = lanes.map { lane in
      fillImages(lane)
      return train(lane, meanLoss([0, 1, 2]))
    }
    #expect(results[0] == results[1])
    let names = model.exportTensors().map(\.name).filter {
      $0.contains("conv") || $0.contains("0.weight")
    }
    #expect(profile.layers.count == names.count)
    for layer in profile.layers {
      #expect(layer.forward > 0 && layer.normalise > 0 && layer.byWeights > 0)
      #expect((layer.byInput > 0) == (layer.name != "conv1"), "\(layer.name)")
      layer.reset()
      #expect(layer.forward == 0 && layer.byWeights == 0)
    }
  }

  @Test(arguments: oddConfigurations)
  func enginesAgree(_ configuration: NetworkConfiguration) throws {
    let results = try EngineKind.available.map { kind in
      let model = try makeModel(kind, configuration)
      let lane = try Lane(model: model, microbatch: 6, training: true, inputGradient: true)
      fillImages(lane)
      let reduction = train(lane, meanLoss([0, 1, 2, 3, 4, 0]))
      return (model.weightsDigest(), lane.logits.array, gradients(reduction, model))
    }
    for result in results.dropFirst() {
      #expect(result.0 == results[0].0)
      #expect(relativeError(result.1, results[0].1) < GoldenTests.tolerance)
      #expect(result.2.count == results[0].2.count)
      for (found, expected) in zip(result.2, results[0].2) {
        #expect(found.name == expected.name)
        let error = zip(found.values, expected.values).map { abs(Double($0) - Double($1)) }.max()!
        #expect(found.values.count == expected.values.count)
        #expect(
          error < GradientTests.tolerance * gradientScale(expected, among: results[0].2),
          "\(found.name)")
      }
    }
  }

  @Test(arguments: EngineKind.available)
  func lanesOfOneModelRunSideBySide(_ kind: EngineKind) async throws {
    let model = try makeModel(kind)
    func makeLanes() throws -> [Lane] {
      try (0..<3).map { index in
        let lane = try Lane(model: model, microbatch: 4, training: true, inputGradient: false)
        fillImages(lane, first: 4 * index)
        return lane
      }
    }
    let objectives = meanLoss([0, 1, 2, 3])
    let alone = try makeLanes().map { train($0, objectives) }
    let lanes = try makeLanes()
    let together = await withTaskGroup(of: (Int, [Float]).self) { group in
      for (index, lane) in lanes.enumerated() {
        group.addTask { (index, train(lane, objectives)) }
      }
      var results = [[Float]](repeating: [], count: lanes.count)
      for await (index, result) in group { results[index] = result }
      return results
    }
    #expect(together == alone)
    #expect(alone[0] != alone[1])
  }

  @Test(arguments: EngineKind.available, oddConfigurations)
  func secondPassForgetsTheFirst(
    _ kind: EngineKind, _ configuration: NetworkConfiguration
  ) throws {
    let model = try makeModel(kind, configuration)
    let lane = try Lane(model: model, microbatch: 4, training: true, inputGradient: true)
    fillImages(lane)
    let first = train(lane, meanLoss([0, 1, 2, 3]))
    fillImages(lane, first: 10)
    _ = train(lane, meanLoss([4, 4, 4, 4]))
    lane.infer()
    fillImages(lane)
    #expect(train(lane, meanLoss([0, 1, 2, 3])) == first)
    #expect(first.allSatisfy { $0.isFinite })
  }

  @Test func passesThatWereNotPlannedTrap() async {
    await #expect(processExitsWith: .failure) {
      // With a lane for input gradients nothing but the check itself would stop it.
      let model = try makeModel(.openblas)
      let lane = try Lane(model: model, microbatch: 2, training: false, inputGradient: true)
      _ = train(lane, meanLoss([0, 1]))
    }
    await #expect(processExitsWith: .failure) {
      let model = try makeModel(EngineKind.available[0])
      let lane = try Lane(model: model, microbatch: 2, training: true, inputGradient: false)
      _ = train(lane, meanLoss([0, 1, 2]))
    }
  }

  /// The large stems shrink any image to one point at least.
  @Test(
    arguments: EngineKind.available,
    [(1, 1), (2, 3), (7, 4), (32, 32)] as [(height: Int, width: Int)])
  func largeStemsTakeSmallImages(_ kind: EngineKind, size: (height: Int, width: Int)) throws {
    for var configuration in oddConfigurations where configuration.stem == .imagenet {
      (configuration.imageHeight, configuration.imageWidth) = size
      let model = try makeModel(kind, configuration)
      let lane = try Lane(model: model, microbatch: 3, training: true, inputGradient: true)
      fillImages(lane)
      lane.infer()
      let expected = ReferenceNetwork(model, training: false).logits(
        lane.images.array.map(Double.init))
      #expect(relativeError(lane.logits.array, expected.flatMap { $0 }) < GoldenTests.tolerance)
      #expect(train(lane, meanLoss([0, 1, 2])).allSatisfy { $0.isFinite })
      #expect(lane.imageGradient.array.allSatisfy { $0.isFinite })
    }
  }

  @Test func deeperArchitecture() throws {
    var configuration = oddConfiguration
    configuration.architecture = .resnet34
    let model = try makeModel(EngineKind.available[0], configuration)
    let lane = try Lane(model: model, microbatch: 4, training: false, inputGradient: false)
    fillImages(lane)
    lane.infer()
    let expected = ReferenceNetwork(model, training: false).logits(
      lane.images.array.map(Double.init))
    #expect(relativeError(lane.logits.array, expected.flatMap { $0 }) < GoldenTests.tolerance)
  }
}

import MecaCore
import MecaNN
import MecaTensor
import Testing

/// Learning, unlearning, ignoring and the cap are coefficients of one loop.
@Suite struct ObjectiveTests {
  private func reduction(
    _ lane: Lane, _ change: (Int, inout SampleObjective) -> Void
  ) -> [Float] {
    var objectives = meanLoss([0, 3, 1, 4, 2, 2])
    for index in objectives.indices { change(index, &objectives[index]) }
    return Array(train(lane, objectives)[..<lane.model.parameters.count])
  }

  private func makeLane() throws -> Lane {
    let lane = try Lane(
      model: makeModel(EngineKind.available[0]), microbatch: 6, training: true,
      inputGradient: false)
    fillImages(lane)
    return lane
  }

  /// Every operation of the backward pass is odd in its gradient, rounding included.
  @Test func unlearningIsTheNegativeOfLearningBitForBit() throws {
    let lane = try makeLane()
    let learned = reduction(lane) { _, _ in }
    let unlearned = reduction(lane) { $1.coefficient = -$1.coefficient }
    #expect(learned.contains { $0 != 0 })
    #expect(unlearned == learned.map { -$0 })
  }

  @Test func ignoringEverythingGivesNoGradient() throws {
    let lane = try makeLane()
    #expect(reduction(lane) { $1.coefficient = 0 }.allSatisfy { $0 == 0 })
    #expect(lane.losses.array.allSatisfy { $0 > 0 })
  }

  @Test func sampleAboveItsCapIsIgnored() throws {
    let lane = try makeLane()
    _ = reduction(lane) { _, _ in }
    let cap = lane.losses.array.sorted()[2]
    let capped = reduction(lane) { $1.lossCap = cap }
    // At the cap itself the sample still counts, above it no longer.
    let losses = lane.losses.array
    let ignored = reduction(lane) { if losses[$0] > cap { $1.coefficient = 0 } }
    #expect(losses.filter { $0 > cap }.count == 3)
    #expect(capped == ignored)
    #expect(capped != reduction(lane) { _, _ in })
  }

  @Test func lossThatIsNoNumberIsNotHiddenByTheCap() {
    var gradient: [Float] = [0, 0]
    let loss = softmaxCrossEntropy(
      [.nan, 1], classes: 2, objective: SampleObjective(label: 1, coefficient: 1, lossCap: 3),
      gradient: &gradient)
    #expect(loss.isNaN)
    #expect(gradient.allSatisfy { $0.isNaN })
  }

  @Test func enormousLogitsStayFinite() {
    var gradient: [Float] = [0, 0, 0]
    let loss = softmaxCrossEntropy(
      [3e38, -3e38, 0], classes: 3, objective: SampleObjective(label: 0, coefficient: 1),
      gradient: &gradient)
    #expect(loss == 0)
    #expect(gradient == [0, 0, 0])
  }
}

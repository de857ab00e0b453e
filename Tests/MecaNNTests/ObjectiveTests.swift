import Foundation
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
  /// A share of 1 is no mixture, to the last bit, whatever the other label; nor are equal labels.
  @Test func withoutAnotherLabelNothingChanges() {
    var random = KeyedRandom(seed: 6, purpose: .test)
    for _ in 0..<50 {
      let logits = (0..<7).map { _ in random.normal() * 5 }
      let label = random.integer(below: 7)
      var (plain, mixed) = ([Float](repeating: 0, count: 7), [Float](repeating: 0, count: 7))
      let objective = SampleObjective(label: Int32(label), coefficient: 0.37)
      let loss = softmaxCrossEntropy(logits, classes: 7, objective: objective, gradient: &plain)
      let other = Int32(random.integer(below: 7))
      #expect(
        softmaxCrossEntropy(
          logits, classes: 7, objective: objective.mixed(with: other, share: 1),
          gradient: &mixed) == loss)
      #expect(mixed == plain)
      // Written down again, as it was before there were second labels.
      let largest = Double(logits.max()!)
      let sum = logits.reduce(0.0) { $0 + exp(Double($1) - largest) }
      let factor = Double(Float(0.37))
      #expect(loss == Float(log(sum) - (Double(logits[label]) - largest)))
      #expect(
        plain
          == logits.indices.map { k in
            Float(factor * (exp(Double(logits[k]) - largest) / sum - (k == label ? 1 : 0)))
          })
    }
  }

  @Test func aMixedHitIsTheShareOfItsLabel() {
    let plain = SampleObjective(label: 2, coefficient: 1)
    #expect(plain.hit(by: 2) == 1 && plain.hit(by: 1) == 0)
    let mixed = plain.mixed(with: 5, share: 0.75)
    #expect(mixed.label == 2 && mixed.secondLabel == 5 && mixed.share == 0.75)
    #expect(mixed.hit(by: 2) == 0.75 && mixed.hit(by: 5) == 0.25 && mixed.hit(by: 0) == 0)
    #expect(plain.mixed(with: 2, share: 0.25).hit(by: 2) == 1)
  }
}

import MecaCore
import MecaNN
import MecaTensor
import Testing

/// SGD against its formula, schedules at points that one can compute by hand.
@Suite struct OptimiserTests {
  @Test(arguments: [false, true])
  func sgdFollowsItsFormula(nesterov: Bool) throws {
    let model = try makeModel(EngineKind.available[0])
    let count = model.parameters.count
    var weights = model.parameters.array.map(Double.init)
    var velocity = [Double](repeating: 0, count: count)
    let sgd = SGD(model: model)
    let configuration = SGDConfiguration(momentum: 0.8, nesterov: nesterov, weightDecay: 0.01)
    for step in 0..<3 {
      var random = KeyedRandom(seed: 4, purpose: .test, step)
      let gradient = AlignedStorage<Float>(count: count)
      for index in 0..<count { gradient[index] = random.uniform(in: -1...1) }
      sgd.step(model, gradient: gradient.pointer, learningRate: 0.1, configuration)
      for index in 0..<count {
        let g = Double(gradient[index]) + 0.01 * weights[index]
        velocity[index] = 0.8 * velocity[index] + g
        weights[index] -= 0.1 * (nesterov ? g + 0.8 * velocity[index] : velocity[index])
      }
    }
    // Three steps of some five roundings each, 6e-8 of values up to 3.
    #expect(relativeError(sgd.velocity.array, velocity) < 2e-6)
    #expect(relativeError(model.parameters.array, weights) < 2e-6)
  }

  @Test func normIsEuclidean() {
    let values: [Float] = [3, 0, -4, 12]
    #expect(SGD.norm(values, count: 4) == 13)
    #expect(SGD.norm(values, count: 3) == 5)
    #expect(SGD.norm(values, count: 0) == 0)
  }

  @Test func constantRate() {
    let schedule = LearningRateSchedule(base: 0.1, decay: .constant)
    #expect(schedule.rate(step: 0, of: 10) == 0.1)
    #expect(schedule.rate(step: 9, of: 10) == 0.1)
  }

  @Test func cosineRateWithWarmUp() {
    let schedule = LearningRateSchedule(base: 0.2, warmUpSteps: 4, decay: .cosine)
    #expect((0..<4).map { schedule.rate(step: $0, of: 12) } == [0.04, 0.08, 0.12, 0.16])
    #expect(schedule.rate(step: 4, of: 12) == 0.2)
    #expect(abs(schedule.rate(step: 8, of: 12) - 0.1) < 1e-8)
    // (1 + cos 7π/8) / 2 = 0.038060…
    #expect(abs(schedule.rate(step: 11, of: 12) - 0.2 * 0.038_060_2) < 1e-8)
  }

  @Test func stepwiseRate() {
    let schedule = LearningRateSchedule(base: 1, decay: .steps(at: [0.5, 0.75], factor: 0.1))
    #expect(schedule.rate(step: 49, of: 100) == 1)
    #expect(schedule.rate(step: 50, of: 100) == 0.1)
    #expect(schedule.rate(step: 74, of: 100) == 0.1)
    #expect(abs(schedule.rate(step: 75, of: 100) - 0.01) < 1e-9)
  }

  @Test func stepBeyondTheEndTraps() async {
    await #expect(processExitsWith: .failure) {
      _ = LearningRateSchedule(base: 1, decay: .constant).rate(step: 5, of: 5)
    }
  }
}

import MecaDefenses
import MecaTraining
import Testing

@Suite struct ConfigurationTests {
  @Test func unlearningGrowsOverThreeIterations() {
    let recipe = TrainingRecipe(epochs: 1, learningRate: 0.01, schedule: .cosine)
    let enhance = EnhanceConfiguration(
      perturbation: PerturbationConfiguration(), partitionRates: [0.3], recipe: recipe,
      unlearnCoefficient: 3, lossCap: 5)
    #expect((0..<5).map { enhance.unlearnCoefficient(round: $0) } == [1, 2, 3, 3, 3])
  }

  @Test func theVerdictAsksForMoreThanTheFirstPass() {
    let decision = DecisionConfiguration(
      separationThreshold: 1, separationRatio: 1, carryOver: 0.75, flagShare: 0.1)
    #expect(decision.carryOver(isVerdict: false) == 0.5)
    #expect(decision.carryOver(isVerdict: true) == 0.75)
  }
}

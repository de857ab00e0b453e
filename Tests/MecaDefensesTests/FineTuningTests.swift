import MecaCore
import MecaDefenses
import MecaTraining
import Testing

@Suite struct FineTuningTests {
  private func bench() throws -> ScriptedWorkbench {
    try ScriptedWorkbench(labels: [0, 1, 2, 0, 1, 2]) { _ in [] }
  }

  @Test func trainsTheUndefendedModelOnTheReserveAlone() throws {
    let bench = try bench()
    bench.reserve = [1, 3, 5]
    bench.recipe.augmentation = .cropAndFlip
    let outcome = try FineTuning().run(bench)
    try #require(bench.trainings.count == 1)
    let training = bench.trainings[0]
    #expect(training.before == ["undefended"])
    #expect(training.groups.map(\.indices) == [[1, 3, 5]])
    #expect(training.groups.map(\.weight) == [1])
    #expect(training.lesson.labels == [0, 1, 2, 0, 1, 2])
    #expect(training.lesson.ascendBelow == nil)
    var recipe = bench.recipe
    (recipe.epochs, recipe.learningRate, recipe.schedule, recipe.rampEpochs) =
      (10, 0.001, .constant, 0)
    #expect(training.recipe == recipe)
    #expect(outcome.models.map(\.name) == ["fine-tuned"])
    #expect(bench.lineage(of: outcome.result) == ["undefended", "scripted/fine-tuning"])
    #expect(outcome.verdict == nil)
    #expect(FineTuning.facts.needs == [.cleanReserve])
  }

  @Test func noReserveIsAnErrorOfOneLine() throws {
    let bench = try bench()
    let error = #expect(throws: NoCleanReserve.self) { try FineTuning().run(bench) }
    #expect(
      error?.description
        == "fine-tuning needs samples that are known to be clean, and there are none")
    #expect(bench.trainings.isEmpty)
  }

  @Test func noEpochsLeaveTheUndefendedModel() throws {
    let bench = try bench()
    bench.reserve = [0]
    var settings = FineTuning.Settings()
    settings.epochs = 0
    let outcome = try FineTuning(settings).run(bench)
    #expect(bench.trainings.isEmpty)
    #expect(outcome.result.weightsDigest() == bench.undefendedModel.weightsDigest())
  }

  @Test func anotherReserveIsAnotherStage() throws {
    let reserves: [[Int32]] = [[0, 1], [0, 2], [0, 1]]
    let digests = try reserves.map { reserve in
      let bench = try bench()
      bench.reserve = reserve
      _ = try FineTuning().run(bench)
      return bench.digest(of: "fine-tuning")
    }
    #expect(digests[0] != digests[1])
    #expect(digests[0] == digests[2])
  }
}

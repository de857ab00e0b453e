import MecaCore
import MecaDefenses
import MecaNN
import MecaTraining
import Testing

@Suite struct ChannelLipschitznessTests {
  private func bench(width: Int = 1) throws -> ScriptedWorkbench {
    try ScriptedWorkbench(labels: [0, 1], width: width) { _ in [] }
  }

  /// Gives one tensor of a model other values.
  private func set(_ name: String, of model: Model, to values: [Float]) throws {
    var tensors = model.exportTensors()
    let place = try #require(tensors.firstIndex { $0.name == name })
    tensors[place].values = values
    try model.importTensors(tensors)
  }

  /// Three filters of 3 inputs and 3x3, each with a 3 and a 4.
  ///
  /// In the first they are in two places of one input: a row of length 5 of the matrix [3, 9]. In
  /// the second in one place of two inputs: a column of length 5. In the third in different rows and
  /// columns: 4. As matrices [9, 3] of the same numbers they would have 4, 5 and 5.
  @Test func constantsOfFiltersByHand() throws {
    let model = try bench(width: 3).undefendedModel
    var weights = [Float](repeating: 0, count: 3 * 27)
    (weights[0], weights[8]) = (3, 4)
    (weights[27 + 5], weights[27 + 9 + 5]) = (3, -4)
    (weights[54 + 1], weights[54 + 18 + 7]) = (3, 4)
    try set("conv1.weight", of: model, to: weights)
    try set("bn1.weight", of: model, to: [2, -3, 1])
    try set("bn1.running_var", of: model, to: [4, 0.25, 16])
    // 5 · 2 / 2, 5 · 3 / ½, 4 · 1 / 4
    #expect(lipschitzConstants(model.filterBanks[0]) == [5, 30, 1])
    try set("bn1.running_var", of: model, to: [4, 0, 16])
    #expect(lipschitzConstants(model.filterBanks[0]) == [5, 0, 1])
  }

  @Test func channelsFarAboveTheMeanAreChosen() {
    // Mean 2, squares 4·1 + 16 = 20 over 4: deviation √5 = 2.236; (6 − 2) / 2.236 = 1.789.
    let constants: [Double] = [1, 1, 1, 6, 1]
    #expect(channelsAbove(1.78, constants: constants) == [3])
    #expect(channelsAbove(1.79, constants: constants) == [])
    // The biased deviation, 2, would have chosen it: (6 − 2) / 2 = 2.
    #expect(channelsAbove(0, constants: constants) == [3])
    #expect(channelsAbove(0, constants: [1, 2, 3, 4]) == [2, 3])
    #expect(channelsAbove(0, constants: [2, 2]) == [])
    #expect(channelsAbove(3, constants: [5]) == [])
  }

  @Test func silencesTheOutliersOfTheUndefendedModel() throws {
    let bench = try bench()
    // One of eight channels is at most (8 − 1) / √8 = 2.47 deviations above the mean, so u = 2.
    try set("layer4.0.bn1.weight", of: bench.undefendedModel, to: [1, 1, 1000, 1, 1, 1, 1, 1])
    let before = bench.undefendedModel.exportTensors()
    var settings = ChannelLipschitzness.Settings()
    settings.threshold = 2
    let outcome = try ChannelLipschitzness(settings).run(bench)
    #expect(outcome.models.map(\.name) == ["pruned"])
    #expect(outcome.verdict == nil)
    #expect(bench.trainings.isEmpty && bench.questions.isEmpty)

    let after = Dictionary(
      uniqueKeysWithValues: outcome.result.exportTensors().map { ($0.name, $0.values) })
    #expect(after["layer4.0.bn1.weight"] == [1, 1, 0, 1, 1, 1, 1, 1])
    // Every layer's change is what its constants say.
    var silenced = 0
    for bank in bench.undefendedModel.filterBanks {
      let expected = channelsAbove(2, constants: lipschitzConstants(bank))
      let normalisation = bank.name.replacing("conv", with: "bn").replacing(
        "downsample.0", with: "downsample.1")
      let scale = try #require(after[normalisation + ".weight"])
      #expect(scale.indices.filter { scale[$0] == 0 } == expected, "\(bank.name)")
      silenced += expected.count
    }
    for tensor in before where tensor.shape.count != 1 {
      #expect(after[tensor.name] == tensor.values, "\(tensor.name)")
    }
    let channels = bench.undefendedModel.filterBanks.reduce(0) { $0 + $1.channels }
    #expect(bench.lines == ["pruning: \(silenced) of \(channels) channels are silenced"])
    #expect(bench.records.count == 20)
    #expect(bench.decisions == 20)
    // The run's own undefended model is as it was.
    #expect(bench.undefendedModel.exportTensors() == before)
  }

  @Test func aLayerOfFewChannelsCannotLoseAny() throws {
    // No value of n is more than (n − 1) / √n deviations above the mean: 2.85 for 10.
    for count in 1...10 {
      var constants = [Double](repeating: 0, count: count)
      constants[count - 1] = 1e6
      #expect(channelsAbove(3, constants: constants) == [])
    }
    #expect(channelsAbove(3, constants: [Double](repeating: 0, count: 10) + [1]) == [10])
  }
}

import MecaCore
import MecaDefenses
import MecaTraining
import Testing

@Suite struct AntiBackdoorLearningTests {
  /// Ten samples of two labels; 3, 7 and 5 are learnt best, 5 and 2 equally well.
  private let losses: [Float] = [0.9, 0.8, 0.1, 0.01, 0.7, 0.1, 1.2, 0.05, 0.6, 0.5]
  private let labels: [Int32] = [0, 1, 0, 1, 0, 1, 0, 1, 0, 1]

  private func bench(labels: [Int32]? = nil) throws -> ScriptedWorkbench {
    let losses = losses
    return try ScriptedWorkbench(
      labels: labels ?? self.labels, script: ScriptedWorkbench.losses { _ in losses })
  }

  /// With one moment, as in the paper.
  private func settings(share: Float) -> AntiBackdoorLearning.Settings {
    var settings = AntiBackdoorLearning.Settings()
    (settings.isolationShare, settings.isolationMoments) = (share, 1)
    return settings
  }

  @Test func isolatesTheLowestLossesTiesByIndex() throws {
    let bench = try bench()
    let outcome = try AntiBackdoorLearning(settings(share: 0.3)).run(bench)
    let verdict = try #require(outcome.verdict)
    #expect(flagged(verdict) == [2, 3, 7])
    #expect(verdict.score == losses.map { -log10Loss($0) })
    #expect(verdict.columns.map(\.name) == ["isolation_log10_loss"])
    #expect(verdict.columns[0].values == losses.map(log10Loss))
    #expect(verdict.suspiciousLabels == [0, 1])
    #expect(verdict.relabelled == nil)
    #expect(bench.decisions == 1)
    let observation = try #require(bench.observations.first)
    #expect(observation.marked == verdict.flagged)
    #expect(bench.lines == ["isolation: 3 of 10 samples isolated, log10 of the loss up to -1.00"])
  }

  /// Three of five epochs count.
  ///
  /// The logarithms of sample 0 are −4, 0 and 0, those of 1 three times −1, those of 2 are 0, 0 and
  /// −2: 1 has the lowest mean of losses, 2 the lowest loss at the end.
  @Test func logarithmsOfTheLastMomentsAreAveraged() throws {
    let course: [[Float]] = [[1e-4, 0.1, 1], [1, 0.1, 1], [1, 0.1, 0.01]]
    let bench = try ScriptedWorkbench(
      labels: [0, 0, 0],
      script: ScriptedWorkbench.losses { course[$0.number] })
    bench.recipe.rampEpochs = 2
    var settings = settings(share: 0.34)
    (settings.isolationEpochs, settings.isolationMoments) = (5, 3)
    let outcome = try AntiBackdoorLearning(settings).run(bench)
    #expect(bench.trainings[..<3].map(\.recipe.epochs) == [3, 1, 1])
    #expect(bench.trainings[..<3].map(\.recipe.rampEpochs) == [2, 0, 0])
    #expect(bench.trainings[..<3].map(\.lesson.ascendBelow) == [0.5, 0.5, 0.5])
    #expect(
      bench.trainings[..<3].map(\.key.description)
        == ["compared", "compared/further epoch 1", "compared/further epoch 2"])
    #expect(bench.trainings[2].before == ["new compared", "compared", "compared/further epoch 1"])
    #expect(bench.questions.map(\.trainingCount) == [1, 2, 3])
    let verdict = try #require(outcome.verdict)
    for (found, expected) in zip(verdict.score, [4.0 / 3, 1, 2.0 / 3] as [Float]) {
      // Rounded logarithms and two additions, at values of 4 at most.
      #expect(abs(found - expected) <= 8 * Float.ulpOfOne)
    }
    #expect(flagged(verdict) == [0])
  }

  @Test func noMoreMomentsThanEpochs() throws {
    let bench = try bench()
    var settings = settings(share: 0.1)
    (settings.isolationEpochs, settings.isolationMoments) = (2, 7)
    _ = try AntiBackdoorLearning(settings).run(bench)
    #expect(bench.trainings.map(\.recipe.epochs) == [1, 1, 8, 10])
  }

  @Test func trainsForIsolationThenTheRestThenUnlearns() throws {
    let bench = try bench()
    bench.recipe.gradientClip = 3
    bench.recipe.augmentation = .cropAndFlip
    var settings = settings(share: 0.2)
    (settings.lossFloor, settings.isolationEpochs) = (0.4, 6)
    (settings.unlearnEpochs, settings.unlearnRate, settings.unlearnCap) = (9, 0.002, 4)
    let outcome = try AntiBackdoorLearning(settings).run(bench)
    #expect(bench.stages == ["isolation", "learning", "unlearning"])
    try #require(bench.trainings.count == 3)

    let isolation = bench.trainings[0]
    #expect(isolation.before == ["new compared"])
    #expect(isolation.key == .compared)
    #expect(isolation.lesson.ascendBelow == 0.4)
    #expect(isolation.lesson.labels == labels)
    #expect(isolation.groups.map(\.indices) == [bench.samples.allIndices])
    #expect(isolation.groups.map(\.weight) == [1])
    var recipe = bench.recipe
    (recipe.epochs, recipe.schedule, recipe.augmentation) = (6, .constant, .none)
    #expect(isolation.recipe == recipe)

    let learning = bench.trainings[1]
    #expect(learning.before == ["new compared", "compared"])
    #expect(learning.lesson.ascendBelow == nil)
    #expect(learning.groups.map(\.indices) == [[0, 1, 2, 4, 5, 6, 8, 9]])
    #expect(learning.groups.map(\.weight) == [1])
    #expect(learning.recipe == bench.recipe)
    #expect(learning.key.description == "scripted/learning")

    let unlearning = bench.trainings[2]
    #expect(unlearning.before == learning.before + ["scripted/learning"])
    #expect(unlearning.groups.map(\.indices) == [[3, 7]])
    #expect(unlearning.groups.map(\.weight) == [-1])
    #expect(unlearning.groups.map(\.lossCap) == [4])
    #expect(unlearning.lesson.ascendBelow == nil)
    (recipe.epochs, recipe.learningRate, recipe.rampEpochs) = (9, 0.002, 0)
    #expect(unlearning.recipe == recipe)

    #expect(outcome.models.map(\.name) == ["learned", "unlearned"])
    #expect(outcome.defended == "unlearned")
    #expect(bench.lineage(of: outcome.models[0].model) == unlearning.before)
    #expect(
      bench.lineage(of: outcome.models[1].model) == unlearning.before + ["scripted/unlearning"])
  }

  @Test(arguments: [(0.25, 3), (0.24, 2), (0.05, 1), (1, 10)] as [(Float, Int)])
  func theShareIsRounded(_ share: Float, _ count: Int) throws {
    // 2.5 rounds up; 2.4 down; 0.5 up.
    let bench = try bench()
    let outcome = try AntiBackdoorLearning(settings(share: share)).run(bench)
    #expect(try #require(outcome.verdict).flagged.count { $0 } == count)
  }

  @Test func aShareOfNobodyUnlearnsNothing() throws {
    let bench = try bench()
    let outcome = try AntiBackdoorLearning(settings(share: 0.04)).run(bench)
    #expect(try #require(outcome.verdict).flagged == .init(repeating: false, count: 10))
    #expect(bench.trainings.map(\.key.description) == ["compared", "scripted/learning"])
    #expect(
      outcome.models[1].model.weightsDigest() == outcome.models[0].model.weightsDigest())
    #expect(bench.lines == ["isolation: 0 of 10 samples isolated; nothing will be unlearnt"])
  }

  @Test func everybodyIsolatedLeavesNothingToLearn() throws {
    let bench = try bench()
    _ = try AntiBackdoorLearning(settings(share: 1)).run(bench)
    #expect(bench.trainings.map(\.key.description) == ["compared", "scripted/unlearning"])
  }

  @Test func oneClassIsEnough() throws {
    let bench = try bench(labels: [Int32](repeating: 0, count: 10))
    let outcome = try AntiBackdoorLearning(settings(share: 0.1)).run(bench)
    #expect(flagged(try #require(outcome.verdict)) == [3])
  }

  /// A stage is another one exactly if something that it uses is.
  @Test func settingsChangeTheStagesThatUseThem() throws {
    func digests(
      _ change: (inout AntiBackdoorLearning.Settings) -> Void = { _ in }
    ) throws -> [StageDigest?] {
      let bench = try bench()
      var settings = settings(share: 0.2)
      change(&settings)
      _ = try AntiBackdoorLearning(settings).run(bench)
      return ["isolation", "learning", "unlearning"].map { bench.digest(of: $0) }
    }
    let usual = try digests()
    func changed(_ change: (inout AntiBackdoorLearning.Settings) -> Void) throws -> [Bool] {
      zip(try digests(change), usual).map { $0 != $1 }
    }
    #expect(try changed { _ in } == [false, false, false])
    #expect(try changed { $0.lossFloor = 1 } == [true, true, true])
    #expect(try changed { $0.isolationEpochs += 1 } == [true, true, true])
    #expect(try changed { $0.isolationMoments += 1 } == [true, true, true])
    #expect(try changed { $0.isolationShare = 0.3 } == [false, true, true])
    #expect(try changed { $0.unlearnEpochs += 1 } == [false, false, true])
    #expect(try changed { $0.unlearnRate = 1 } == [false, false, true])
    #expect(try changed { $0.unlearnCap = 1 } == [false, false, true])
  }

  @Test func settingsAreReadAndWrittenByName() throws {
    var settings = AntiBackdoorLearning.Settings()
    try settings.set("loss-floor", to: "0")
    try settings.set("isolation-share", to: "0.05")
    #expect(settings.lossFloor == 0 && settings.isolationShare == 0.05)
    #expect(throws: SettingError.self) { try settings.set("isolation-share", to: "0") }
    #expect(throws: SettingError.self) { try settings.set("isolation", to: "lga") }
    let box = try #require(
      AntiBackdoorLearning.Settings.variants.first { $0.name == "backdoorbox" }?.settings)
    #expect(box.lossFloor == 0.5 && box.isolationEpochs == 20 && box.isolationShare == 0.01)
    #expect(box.unlearnEpochs == 5 && box.unlearnRate == 5e-4 && box.isolationMoments == 1)
  }
}

/// Indices of the flagged samples.
func flagged(_ verdict: Verdict) -> [Int] { verdict.flagged.indices.filter { verdict.flagged[$0] } }

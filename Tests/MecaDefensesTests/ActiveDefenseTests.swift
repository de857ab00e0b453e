import MecaCore
import MecaDefenses
import MecaTraining
import Testing

#if canImport(Glibc)
  import Glibc
#endif

/// Twelve samples: 0 to 5 have label 0, the others label 1; 1 and 9 are learnt at once, 4 soon.
@Suite struct ActiveDefenseTests {
  private let labels: [Int32] = [0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1, 1]
  /// Logarithms of the losses at the two moments of supervised learning; means:
  /// −1.5, −3.5, −2, −1, −2.5, −2, −1.5, −2.5, −0.5, −3.5, −2, −2.
  private let early: [[Float]] = [
    [-1, -3, -1, -1, -2, -2, -1, -2, 0, -4, -1, -2],
    [-2, -4, -3, -1, -3, -2, -2, -3, -1, -3, -3, -2],
  ].map { $0.map { pow(10, $0) } }
  /// Losses after unlearning: 1, 4 and 9 are high now, and so are the hard 3 and 8.
  private let late: [Float] = [0.1, 5, 0.3, 2, 4, 0.2, 0.5, 0.1, 2, 6, 0.5, 0.5]

  private var settings: ActiveDefense.Settings {
    var settings = ActiveDefense.Settings()
    (settings.supervisedEpochs, settings.supervisedMoments) = (3, 2)
    (settings.suspiciousShare, settings.unlearnPart) = (0.17, 1 / 3)
    settings.fineTuneEpochs = 2
    return settings
  }

  /// Two rounds: first the model is sure of 3, 9 and 11, then of 3, 4 and 9; of 3 and 11, that their
  /// labels are right, which 3 does not get back.
  private func script(_ question: ScriptedWorkbench.Question) -> [SampleRecord] {
    let count = question.trainingCount
    return question.indices.map { index in
      let sample = Int(index)
      if question.indices.count == 12 {
        return SampleRecord(
          loss: count <= 2 ? early[count - 1][sample] : late[sample], prediction: 0)
      }
      let confidence: [Int: Float] =
        count == 4 ? [3: 0.97, 9: 1, 11: 0.95] : [3: 0.99, 4: 0.96, 9: 0.97]
      return SampleRecord(
        loss: 0, prediction: [3, 11].contains(sample) ? labels[sample] : 1 - labels[sample],
        confidence: confidence[sample] ?? 0.9499)
    }
  }

  private func bench(labels: [Int32]? = nil) throws -> ScriptedWorkbench {
    try ScriptedWorkbench(labels: labels ?? self.labels, script: script)
  }

  @Test func learnsEverythingAndAsksAtTheLastMoments() throws {
    let bench = try bench()
    bench.recipe.augmentation = .cropAndFlip
    _ = try ActiveDefense(settings).run(bench)
    #expect(bench.stages == ["supervised learning", "active unlearning", "fine-tuning"])
    let first = bench.trainings[0]
    #expect(first.before == ["new compared"])
    #expect(first.key == .compared)
    #expect(bench.trainings[1].key.description == "compared/further epoch 1")
    #expect(bench.trainings[1].before == ["new compared", "compared"])
    var recipe = bench.recipe
    (recipe.epochs, recipe.schedule, recipe.augmentation) = (2, .constant, .none)
    #expect(first.recipe == recipe)
    (recipe.epochs, recipe.rampEpochs) = (1, 0)
    #expect(bench.trainings[1].recipe == recipe)
    for training in bench.trainings[..<2] {
      #expect(training.groups.map(\.indices) == [bench.samples.allIndices])
      #expect(training.lesson.ascendBelow == nil)
    }
    #expect(
      bench.questions[..<2].map(\.indices) == [bench.samples.allIndices, bench.samples.allIndices])
    #expect(bench.questions.map(\.trainingCount) == [1, 2, 4, 4, 5])
  }

  @Test func unlearnsTheFirstAndLearnsTheLast() throws {
    let bench = try bench()
    let outcome = try ActiveDefense(settings).run(bench)
    let means: [Float] = [-1.5, -3.5, -2, -1, -2.5, -2, -1.5, -2.5, -0.5, -3.5, -2, -2]
    // Powers of ten of whole numbers come back from the logarithm as they were.
    #expect(try #require(outcome.verdict).columns[0].values == means)
    try #require(bench.trainings.count >= 4)
    for (epoch, training) in bench.trainings[2...3].enumerated() {
      #expect(training.key.description == "scripted/active unlearning/epoch \(epoch + 1)")
      #expect(training.before.count == 3 + epoch)
      // The three highest of each label: 3, 0 and of the equal 2 and 5 the first; 8, 6 and 10. Half
      // as much again of the two lowest: three places, so each of them twice (1.5 rounds up).
      #expect(training.groups.map(\.indices) == [[0, 2, 3, 6, 8, 10, 1, 9, 1, 9]])
      #expect(training.groups.map(\.weight) == [1])
      // Of two labels the other one.
      #expect(training.lesson.labels == [0, 1, 0, 0, 0, 0, 1, 1, 1, 0, 1, 1])
      var recipe = bench.recipe
      (recipe.epochs, recipe.learningRate, recipe.schedule, recipe.rampEpochs) =
        (1, settings.unlearnRate, .constant, 0)
      #expect(training.recipe == recipe)
    }
  }

  /// 300 samples of five labels, all suspicious: every other label comes, never the given one, and
  /// the second epoch draws anew.
  @Test func otherLabelsAreDrawnAnewInEveryEpoch() throws {
    let labels = (0..<300).map { Int32($0 % 5) }
    let bench = try ScriptedWorkbench(
      labels: labels,
      script: ScriptedWorkbench.losses { _ in [Float](repeating: 1, count: 300) })
    var settings = settings
    settings.suspiciousShare = 1
    _ = try ActiveDefense(settings).run(bench)
    let drawn = bench.trainings[2...3].map(\.lesson.labels)
    #expect(drawn[0] != drawn[1])
    for own in 0..<5 {
      let others = drawn[0].indices.filter { labels[$0] == own }.map { drawn[0][$0] }
      #expect(Set(others) == Set((0..<5).filter { $0 != own }))
    }
  }

  @Test func fineTunesOnTheLabelledAndTheNamed() throws {
    let bench = try bench()
    bench.recipe.augmentation = .cropAndFlip
    let outcome = try ActiveDefense(settings).run(bench)
    try #require(bench.trainings.count == 6)
    let (first, second) = (bench.trainings[4], bench.trainings[5])
    // Labelled: 0, 5 and 2; 7, 6 and 10 (of three equal ones the first two). Asked: all others.
    #expect(bench.questions[3].indices == [1, 3, 4, 8, 9, 11])
    #expect(bench.questions[4].indices == [1, 3, 4, 8, 9, 11])
    #expect(first.groups.map(\.indices) == [[0, 2, 5, 6, 7, 9, 10, 11]])
    #expect(second.groups.map(\.indices) == [[0, 2, 4, 5, 6, 7, 9, 10]])
    #expect(first.lesson.labels == [0, 0, 0, 0, 0, 0, 1, 1, 1, 0, 1, 1])
    #expect(second.lesson.labels == [0, 0, 0, 0, 1, 0, 1, 1, 1, 0, 1, 1])
    #expect(first.key.description == "scripted/fine-tuning/round 1")
    #expect(second.key.description == "scripted/fine-tuning/round 2")
    #expect(second.before == first.before + [first.key.description])
    // η · (1 + cos(π/4)) / 2 and η · (1 + cos(3π/4)) / 2, in `Float` to within a unit.
    var recipe = bench.recipe
    (recipe.epochs, recipe.schedule) = (1, .constant)
    recipe.learningRate = first.recipe.learningRate
    #expect(first.recipe == recipe)
    #expect(abs(first.recipe.learningRate - 0.07 * 0.85355339) <= 1e-8)
    #expect(abs(second.recipe.learningRate - 0.07 * 0.14644661) <= 1e-8)
    #expect(second.recipe.rampEpochs == 0)

    let verdict = try #require(outcome.verdict)
    // 4 and 9 were learnt under the other label.
    #expect(verdict.flagged.indices.filter { verdict.flagged[$0] } == [4, 9])
    #expect(verdict.relabelled == second.lesson.labels)
    #expect(verdict.score == late)
    #expect(verdict.columns.map(\.name) == ["early_log10_loss", "unlearned_loss"])
    #expect(verdict.columns[1].values == late)
    #expect(outcome.models.map(\.name) == ["unlearned", "fine-tuned"])
    #expect(bench.lineage(of: outcome.models[0].model) == first.before)
    #expect(bench.lineage(of: outcome.result) == second.before + [second.key.description])
    #expect(
      bench.observations.map(\.what) == ["suspicious", "unlabelled", "learnt under another label"])
    #expect(bench.observations.map { $0.marked.count { $0 } } == [2, 6, 2])
  }

  /// With a limit of 0.1 the loss 2 of sample 3 is below −ln 0.1: it gets its label back.
  @Test func onlyTheDoubtedLoseTheirLabels() throws {
    let bench = try bench()
    var settings = settings
    settings.doubtedBelow = 0.1
    _ = try ActiveDefense(settings).run(bench)
    #expect(bench.trainings[4].groups.map(\.indices) == [[0, 2, 3, 5, 6, 7, 9, 10, 11]])
    settings.doubtedBelow = 0
    let all = try self.bench()
    _ = try ActiveDefense(settings).run(all)
    #expect(all.trainings[4].groups.map(\.indices) == bench.trainings[4].groups.map(\.indices))
  }

  @Test func roundsAreThoseOfTheRecipeUnlessSet() throws {
    let bench = try bench()
    bench.recipe.epochs = 3
    var settings = settings
    settings.fineTuneEpochs = nil
    _ = try ActiveDefense(settings).run(bench)
    #expect(bench.trainings.count == 7)
  }

  @Test func nobodySuspiciousOnlyLearns() throws {
    let bench = try bench()
    var settings = settings
    settings.suspiciousShare = 0.04
    _ = try ActiveDefense(settings).run(bench)
    #expect(bench.trainings[2].groups.map(\.indices) == [[0, 2, 3, 6, 8, 10]])
    #expect(bench.trainings[2].lesson.labels == labels)
  }

  @Test func everybodySuspiciousOnlyUnlearns() throws {
    let bench = try bench()
    var settings = settings
    settings.suspiciousShare = 1
    _ = try ActiveDefense(settings).run(bench)
    #expect(bench.trainings[2].groups.map(\.indices) == [bench.samples.allIndices])
    #expect(bench.trainings[2].lesson.labels == labels.map { 1 - $0 })
  }

  @Test func nobodyAtAllTrainsNothing() throws {
    let bench = try bench()
    var settings = settings
    (settings.suspiciousShare, settings.credibleShare) = (0.04, 0.04)
    _ = try ActiveDefense(settings).run(bench)
    #expect(!bench.trainings.contains { $0.key.description.contains("active unlearning") })
  }

  @Test func noRoundsLeaveTheUnlearntModel() throws {
    let bench = try bench()
    var settings = settings
    settings.fineTuneEpochs = 0
    let outcome = try ActiveDefense(settings).run(bench)
    let verdict = try #require(outcome.verdict)
    #expect(!verdict.flagged.contains(true))
    #expect(verdict.relabelled == labels)
    #expect(outcome.models[0].model.weightsDigest() == outcome.models[1].model.weightsDigest())
  }

  @Test func everyLabelKeepsOneSampleAtLeast() throws {
    let bench = try bench()
    var settings = settings
    settings.labelledShare = 0.01
    _ = try ActiveDefense(settings).run(bench)
    #expect(bench.questions[3].indices == [1, 2, 3, 4, 5, 6, 8, 9, 10, 11])
  }

  @Test func allLabelledAsksNobody() throws {
    let bench = try bench()
    var settings = settings
    settings.labelledShare = 1
    _ = try ActiveDefense(settings).run(bench)
    #expect(bench.trainings[4].groups.map(\.indices) == [bench.samples.allIndices])
    #expect(bench.questions.count == 3)
  }

  @Test func oneClassHasNobodyToUnlearn() throws {
    let bench = try bench(labels: [Int32](repeating: 0, count: 12))
    _ = try ActiveDefense(settings).run(bench)
    // The six highest of all: 8, 3, 0, 6 and of the equal 2, 5, 10 and 11 two.
    #expect(bench.trainings[2].groups.map(\.indices) == [[0, 2, 3, 5, 6, 8]])
    #expect(bench.trainings[2].lesson.labels == [Int32](repeating: 0, count: 12))
  }
}

import MecaDefenses
import MecaTraining
import Testing

/// MeCa over a scripted workbench: two labels of 40 samples, those of label 1 below index 50 poisoned.
///
/// The script knows four answers: what warmed-up detectors say, what they say after so many
/// iterations, what they say once suspects were learnt as spare classes, and the clean model's names.
@Suite struct MeCaTests {
  static let labels = [Int32](repeating: 0, count: 40) + [Int32](repeating: 1, count: 40)
  static let poisoned = Set<Int32>(40..<50)

  /// What the script says; the defaults are those of an attack that is found.
  struct Answers: Sendable {
    /// log10 loss of poisoned samples after each iteration; clean ones have 10^0.5.
    var depth: @Sendable (_ iterations: Int) -> Float = { _ in -5 }
    /// Whether the confirmation recognises the suspects when held out.
    var carriesOver = true
    /// The samples that the attack has poisoned.
    var poisoned = MeCaTests.poisoned
    /// Whether the poisoned images show what their label says.
    var looksLikeItsLabel = false
    /// Classes of the set; those from 2 on have no samples.
    var classes = 2
  }

  /// Iterations of the enhancement that a model has behind it.
  private func iterations(_ question: ScriptedWorkbench.Question) -> Int {
    question.lineage.filter { $0.contains("/iteration ") }.count
  }

  private func bench(_ answers: Answers = Answers()) throws -> ScriptedWorkbench {
    let bench = try ScriptedWorkbench(labels: Self.labels, classes: answers.classes) {
      [self] question in
      question.indices.map { index in
        let label = Self.labels[Int(index)]
        let isPoisoned = answers.poisoned.contains(index)
        let asked = question.labels[Int(index)]
        if question.lineage.last?.contains("/pass ") == true {
          // After the confirmation: the spare class (from 2 on) for the recognised.
          let isSpare = isPoisoned && answers.carriesOver
          let truth = isSpare ? label + Int32(answers.classes) : label
          return SampleRecord(loss: asked == truth ? 0.01 : 9, prediction: truth)
        }
        guard question.lineage.first?.contains("detector") == true else {
          return SampleRecord(loss: 1, prediction: 0, confidence: 1)  // the clean model's names
        }
        let count = iterations(question)
        // Warmed up: everything is fitted, the poisoned are robust. Later: clean ones are lost.
        let divergence: Float = isPoisoned ? 1e-6 : 0.01 * Float(index + 1)
        if count == 0 {
          return SampleRecord(
            loss: isPoisoned ? 1e-3 : 0.1, divergence: divergence, prediction: label)
        }
        let loss = isPoisoned ? Float(pow10(answers.depth(count))) : Float(pow10(0.5))
        return SampleRecord(
          loss: loss, divergence: divergence, prediction: isPoisoned ? label : 1 - label)
      }
    }
    bench.spareScript = { question in
      question.indices.map { index in
        let label = Self.labels[Int(index)]
        let isPoisoned = answers.poisoned.contains(index)
        return SpareAnswer(
          excess: isPoisoned ? 5 : -5,
          content: isPoisoned && !answers.looksLikeItsLabel ? 1 - label : label)
      }
    }
    return bench
  }

  private func pow10(_ exponent: Float) -> Double {
    exponent < 0
      ? 1 / pow10(-exponent) : exponent >= 1 ? 10 * pow10(exponent - 1) : 1 + 9 * Double(exponent)
  }

  private func settings(_ change: (inout MeCaSettings) -> Void = { _ in }) -> MeCa {
    var settings = MeCaSettings()
    settings.proposers = [.unlearning]
    (settings.warmupEpochs, settings.secondWarmupEpochs) = (16, 8)
    (settings.enhanceEpochs, settings.confirmEpochs) = (1, 4)
    settings.separationRatio = 1.05  // of two labels the median is the lower one
    change(&settings)
    return MeCa(settings)
  }

  /// The easiest samples of a clean label carry over too; they look like it, and are dropped.
  @Test func whatLooksLikeItsLabelIsDropped() throws {
    let bench = try bench(Answers(looksLikeItsLabel: true))
    let outcome = try settings { $0.secondWarmupEpochs = 0 }.run(bench)
    #expect(outcome.verdict?.flagged.contains(true) == false)
    #expect(
      bench.lines.contains { $0.contains("recognised as the label") && $0.contains("dropped") })
    let asked = try self.bench(Answers(looksLikeItsLabel: true))
    let all = try settings { $0.contentChance = 1 }.run(asked)
    #expect(all.verdict?.flagged.contains(true) == true)
  }

  @Test func thePoisonedAreFlaggedAndTheRestIsLearnt() throws {
    let bench = try bench()
    let outcome = try settings().run(bench)
    let verdict = try #require(outcome.verdict)
    #expect(
      Set(verdict.flagged.indices.filter { verdict.flagged[$0] }.map { Int32($0) }) == Self.poisoned
    )
    #expect(verdict.suspiciousLabels == [1])
    #expect(outcome.models.map(\.name) == ["clean", "relearned"] && outcome.defended == "clean")
    #expect(bench.stages == ["warm-up", "enhance", "confirm", "clean", "relabel", "relearn"])
    let clean = try #require(bench.trainings.first { $0.key == .compared })
    #expect(clean.before == ["new compared"])
    #expect(clean.groups.map(\.indices) == [(0..<80).filter { !Self.poisoned.contains($0) }])
    // The flagged get the clean model's class, and everything is learnt once more.
    let relearning = try #require(bench.trainings.last)
    #expect(relearning.before.last == "compared")
    #expect(relearning.groups.map(\.indices) == [Array(0..<80)])
    #expect(
      relearning.lesson.labels
        == Self.labels.indices.map { Self.poisoned.contains(Int32($0)) ? 0 : Self.labels[$0] })
    #expect(verdict.relabelled == relearning.lesson.labels)
    #expect(verdict.columns.map(\.name) == ["kl", "log10_loss", "prediction", "spare_share"])
  }

  /// Of labels without samples the median would be 0, and any label would stand out.
  @Test(arguments: [2, 20])
  func emptyClassesAreNoMeasure(classes: Int) throws {
    var answers = Answers()
    (answers.poisoned, answers.classes) = (Set(0..<10).union(40..<50), classes)
    let alike = try settings().run(try bench(answers))
    #expect(alike.verdict?.suspiciousLabels == [], "both labels fall apart alike")
    answers.poisoned = Self.poisoned
    let one = try settings().run(try bench(answers))
    #expect(one.verdict?.suspiciousLabels == [1])
  }

  /// Every training and question of a detector keeps to its fold.
  @Test func detectorsAreAskedAboutWhatTheyHaveNotLearnt() throws {
    let bench = try bench()
    _ = try settings().run(bench)
    let warmUps = bench.trainings.filter { $0.key.description.contains("warm-up") }
    #expect(warmUps.count == 2)
    let learnt = warmUps.map { Set($0.groups[0].indices) }
    #expect(learnt[0].isDisjoint(with: learnt[1]) && learnt[0].count == 40)
    for training in bench.trainings where training.before[0].contains("detector") {
      let fold = training.key.description.hasSuffix("detector 1") ? 0 : 1
      #expect(training.groups.allSatisfy { Set($0.indices).isSubset(of: learnt[fold]) })
    }
    for question in bench.questions where question.lineage[0].contains("detector") {
      let fold = question.lineage[0].hasSuffix("detector 1") ? 0 : 1
      #expect(Set(question.indices) == Set(0..<80).subtracting(learnt[fold]))
    }
  }

  /// The first iteration picks, gently, the 12 of each 40 that have the largest KL.
  ///
  /// All are fitted then; later ones pick the misclassified, and never a poisoned sample.
  @Test func thePartitionTakesTheTopOfEachLabel() throws {
    let bench = try bench()
    _ = try settings().run(bench)
    let iterations = bench.trainings.filter { $0.key.description.contains("/iteration ") }
    #expect(iterations.count == 10)
    let first = iterations.prefix(2)
    #expect(Set(first.flatMap { $0.groups[1].indices }) == Set(28..<40).union(68..<80))
    #expect(first.allSatisfy { $0.groups[1].weight == -Float(2) / 3 && $0.groups[1].lossCap == 5 })
    #expect(first.allSatisfy { $0.groups[0].weight == 1 && $0.groups[0].lossCap == .infinity })
    #expect(iterations.suffix(2).allSatisfy { $0.groups[1].weight == -2 })
    for training in iterations {
      #expect(Self.poisoned.isDisjoint(with: training.groups[1].indices))
      #expect(Set(training.groups[0].indices).isDisjoint(with: training.groups[1].indices))
    }
    // From the third on a label in two modes gives three quarters of its upper one: 22 of its 30
    // clean samples, where 12 were scheduled.
    let third = iterations[4...5].flatMap { $0.groups[1].indices }
    #expect(third.count { $0 < 40 } == 12 && third.count { $0 >= 40 } == 22)
  }

  /// The label stands out most after the second iteration: the confirmation begins there.
  @Test func theVerdictBeginsFromTheMostPromisingMoment() throws {
    var answers = Answers()
    answers.depth = { $0 == 2 ? -6 : $0 == 4 ? -5 : -3 }
    answers.carriesOver = false
    let bench = try bench(answers)
    _ = try settings { $0.secondWarmupEpochs = 0 }.run(bench)
    let order = bench.lines.filter { $0.hasPrefix("after iteration") }.map { String($0.prefix(17)) }
    #expect(order == ["after iteration 2", "after iteration 4", "after iteration 1"])
    // Each moment goes on from the state after its iteration.
    let passes = bench.trainings.filter { $0.key.description.contains("/pass 1/detector 1") }
    #expect(passes.map { $0.before.filter { $0.contains("/iteration ") }.count } == [2, 4, 1])
  }

  /// Suspects whom nobody recognises: the label is dropped at every moment and in both attempts.
  @Test func aLabelThatDoesNotCarryOverIsDropped() throws {
    var answers = Answers()
    answers.carriesOver = false
    let bench = try bench(answers)
    let outcome = try settings().run(bench)
    #expect(outcome.verdict?.flagged.contains(true) == false)
    #expect(outcome.verdict?.suspiciousLabels == [])
    #expect(
      bench.lines.filter {
        $0.hasPrefix("label 1 (class 1): 10 suspects") && $0.hasSuffix(", dropped")
      }.count
        == 6)
    #expect(
      !bench.stages.contains("clean"), "where everything is kept, that is the undefended model")
  }

  /// Nobody flagged: once more, from where the first warm-up stopped.
  @Test func aSecondAttemptGoesOnFromTheFirstWarmUp() throws {
    var answers = Answers()
    answers.depth = { _ in 0.5 }  // the poisoned are lost like all others
    let bench = try bench(answers)
    _ = try settings().run(bench)
    #expect(
      bench.stages == [
        "warm-up", "enhance", "confirm", "warm-up again", "enhance again", "confirm again",
        "relabel",
      ])
    let again = bench.trainings.filter { $0.key.description.contains("warm-up again") }
    #expect(again.count == 2 && again.allSatisfy { $0.recipe.epochs == 8 })
    #expect(again.allSatisfy { $0.before.count == 2 && $0.before[1].contains("warm-up/detector") })
    let once = try self.bench(answers)
    _ = try settings { $0.secondWarmupEpochs = 0 }.run(once)
    #expect(once.stages == ["warm-up", "enhance", "confirm", "relabel"])
  }

  /// The paper's words: one detector that judges what it has learnt, the top of all samples by KL,
  /// λ = 0.05 throughout, and what is not misclassified in the end is poisoned.
  @Test func thePaperVariantDoesAsThePaperSays() throws {
    let paper = try #require(MeCaSettings.variants.first { $0.name == "paper" }).settings
    let bench = try bench()
    let outcome = try MeCa(paper).run(bench)
    #expect(bench.trainings[0].groups.map(\.indices) == [Array(0..<80)])
    let iterations = bench.trainings.filter { $0.key.description.contains("/iteration ") }
    #expect(iterations.count == 5)
    #expect(iterations.allSatisfy { $0.groups[1].weight == -0.05 })
    // 10, 20, 30, 40, 50 % of all 80, the largest indices having the largest KL.
    #expect(iterations.map { $0.groups[1].indices.count } == [8, 16, 24, 32, 40])
    #expect(Set(iterations[0].groups[1].indices) == Set(72..<80))
    let verdict = try #require(outcome.verdict)
    #expect(
      verdict.flagged.indices.filter { verdict.flagged[$0] }.map { Int32($0) }
        == Self.poisoned.sorted())
    #expect(bench.stages.contains("confirm") && !bench.lines.contains { $0.contains("carry-over") })
  }

  @Test func carryOverIsYoudensJ() {
    let isRecognised = [true, true, false, true, false, false]
    #expect(carryOver(from: [0, 1], others: [2, 4, 5], isRecognised: isRecognised) == 1)
    #expect(carryOver(from: [0, 2], others: [3, 4], isRecognised: isRecognised) == 0)
    #expect(carryOver(from: [], others: [3], isRecognised: isRecognised) == -1)
  }
}

import MecaCore
import MecaDefenses
import MecaTraining
import Testing

/// What MeCa makes of findings in made pictures, by what scripted detectors say of the suspects.
@Suite struct FindingConfirmationTests {
  /// What the detectors say.
  private struct Script: Sendable {
    /// Samples that show something else than their label.
    var poisoned = MadePictures.poisoned
    /// Those of them that are recognised when held out; nil for all.
    var recognised: [Int32]?
    /// Whether any are.
    var carriesOver = true
    /// What poisoned images look like.
    var content: Int32 = 0
    var settings = MeCaSettings()
  }

  private static func pasted() -> MadePictures {
    var pictures = MadePictures()
    pictures.poison { old, _, row, column in row >= 13 && column >= 13 ? 255 : old }
    return pictures
  }

  private func run(
    _ script: Script, _ pictures: MadePictures = pasted()
  ) throws -> (bench: ScriptedWorkbench, outcome: DefenseOutcome) {
    let bench = try pictures.bench()
    bench.spareScript = { question in
      question.indices.map { index in
        let isPoisoned = script.poisoned.contains(index)
        let isRecognised = script.recognised?.contains(index) ?? isPoisoned
        let asked = question.labels[Int(index)]
        return SpareAnswer(
          excess: isRecognised && script.carriesOver && asked == 2 ? 5 : -5,
          content: isPoisoned ? script.content : MadePictures.labels[Int(index)])
      }
    }
    return (bench, try MeCa(script.settings).run(bench))
  }

  private func flagged(_ outcome: DefenseOutcome) -> [Int32] {
    (outcome.verdict?.flagged ?? []).enumerated().filter(\.element).map { Int32($0.offset) }
  }

  /// Suspects that carry over and show other things: flagged, exactly; unlearning is not needed.
  @Test func wrongLabelsAreFlagged() throws {
    let (bench, outcome) = try run(Script())
    #expect(flagged(outcome) == MadePictures.poisoned)
    let answer = try #require(outcome.verdict?.answer)
    #expect(answer.grade == .poisoned)
    #expect(answer.labels.map(\.label) == [2] && answer.labels[0].samples == 20)
    #expect(answer.labels[0].isFlagged && answer.labels[0].falseAlarmRate ?? 1 < 0.01)
    #expect(answer.labels[0].reason.contains("rows 13 to 15, columns 13 to 15"))
    #expect(!bench.stages.contains("enhance"))
    #expect(bench.stages.prefix(3) == ["findings", "warm-up", "confirm findings"])
  }

  /// The suspects are learnt as classes of their own from the warm-up on.
  @Test func theWarmUpSparesTheSuspects() throws {
    let (bench, _) = try run(Script())
    let warmUp = bench.trainings.filter { $0.key.description.contains("warm-up") }
    #expect(warmUp.count == 2)
    for training in warmUp {
      for sample in MadePictures.poisoned { #expect(training.lesson.labels[Int(sample)] == 6) }
      #expect(training.lesson.labels[220] == 2)
    }
  }

  /// They look like their label and a network learns it: flagged, and said how.
  @Test func ownLabelsAreFlaggedWhereItIsStrong() throws {
    let (_, outcome) = try run(Script(content: 2))
    #expect(flagged(outcome) == MadePictures.poisoned)
    #expect(outcome.verdict?.answer?.labels.first?.reason.contains("own class") == true)
  }

  /// They look like their label and no network learns it: a suspicion that removes nobody.
  @Test func whatIsNotLearntIsASuspicion() throws {
    var script = Script(carriesOver: false, content: 2)
    script.settings.effort = .quick
    let (_, outcome) = try run(script)
    #expect(flagged(outcome).isEmpty)
    let answer = try #require(outcome.verdict?.answer)
    #expect(answer.grade == .suspected && answer.labels.map(\.samples) == [20])
    let unconfirmed = (outcome.verdict?.unconfirmed ?? []).enumerated().filter(\.element)
    #expect(unconfirmed.map { Int32($0.offset) } == MadePictures.poisoned)
  }

  /// Rare poison that no network learns from so few: what its images show is enough.
  @Test func contentAloneConfirmsAStrongFinding() throws {
    let (_, outcome) = try run(Script(carriesOver: false))
    #expect(flagged(outcome) == MadePictures.poisoned)
  }

  /// Detectors that take the whole label for suspects have not learnt them, and take nobody along.
  @Test func detectorsThatTellNobodyApartAddNobody() throws {
    let label = MadePictures.labels.indices.filter { MadePictures.labels[$0] == 2 }
    let (bench, outcome) = try run(Script(recognised: label.map { Int32($0) }))
    #expect(flagged(outcome) == MadePictures.poisoned)
    #expect(bench.lines.contains { $0.hasPrefix("label 2 (class 2): 20 suspects, carry-over") })
  }

  /// Twelve with a patch are not enough by themselves; where a network knows eight of them when held
  /// out, all twelve go: the patch is exact.
  @Test func aFaintPatchNeedsANetwork() throws {
    let pasted = Array(MadePictures.poisoned.prefix(12))
    var pictures = MadePictures()
    pictures.poison(pasted) { old, _, row, column in row >= 13 && column >= 13 ? 255 : old }
    var script = Script(poisoned: pasted, recognised: Array(pasted.prefix(8)))
    script.settings.proposers = [.patch]
    #expect(try flagged(run(script, pictures).outcome) == pasted)
    script.carriesOver = false
    script.settings.effort = .quick
    #expect(try flagged(run(script, pictures).outcome).isEmpty)
  }

  /// A mark on samples of all labels: all-to-all poison where they show other things, else nothing.
  ///
  /// Eight of a label would be too few to tell by looks; all labels together are not.
  @Test(arguments: [true, false]) func aStampIsJudgedByLooks(isPoison: Bool) throws {
    let marked = (0..<4).flatMap { label in (0..<8).map { Int32(100 * label + 5 * $0) } }
    var pictures = MadePictures()
    pictures.poison(marked) { old, _, row, column in row >= 13 && column >= 13 ? 255 : old }
    let bench = try pictures.bench()
    bench.spareScript = { question in
      question.indices.map { index in
        let own = MadePictures.labels[Int(index)]
        let isMarked = marked.contains(index)
        return SpareAnswer(
          excess: isMarked && question.labels[Int(index)] == own ? 5 : -5,
          content: isMarked && isPoison ? (own + 3) % 4 : own)
      }
    }
    var settings = MeCaSettings()
    settings.proposers = [.patch, .stamp]
    let outcome = try MeCa(settings).run(bench)
    #expect(flagged(outcome) == (isPoison ? marked : []))
    #expect(outcome.verdict?.answer?.grade == (isPoison ? .poisoned : .clean))
  }

  /// Where pixels say nothing, quick trains nothing for the detection, and says what that means.
  @Test func quickLooksAtPixelsAlone() throws {
    var script = Script()
    script.settings.effort = .quick
    let (bench, outcome) = try run(script, MadePictures())
    #expect(flagged(outcome).isEmpty)
    #expect(!bench.stages.contains("warm-up"))
    #expect(outcome.verdict?.answer?.grade == .clean)
    #expect(outcome.verdict?.answer?.remarks.contains { $0.contains("pixels alone") } == true)
  }

  /// Unlearning is asked where the findings come to nothing.
  @Test func unlearningFollowsWhereNothingIsFound() throws {
    let (bench, _) = try run(Script(), MadePictures())
    #expect(bench.stages.contains("enhance"))
  }

  /// Steps make epochs, within bounds.
  @Test func stepsMakeEpochs() {
    func epochs(_ steps: Int, _ samples: Int) -> Int {
      MeCaSettings.epochs(steps: steps, of: 64, over: samples, 6...64)
    }
    #expect(epochs(1250, 5000) == 16)
    #expect(epochs(1000, 900) == 64)
    #expect(epochs(1000, 50_000) == 6)
    #expect(epochs(1000, 2000) == 32)
  }
}

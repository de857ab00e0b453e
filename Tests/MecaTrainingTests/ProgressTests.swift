import MecaNN
import MecaTensor
import MecaTraining
import Testing

@Suite struct ProgressTests {
  private let model: Model
  private let large: Model
  /// Stage a of 1,000 images, then either b (2,000) or c (4,000, asked about) and d (1,000, large).
  private let first: Forecast
  private let second: Forecast

  init() throws {
    func network(_ width: Int) throws -> Model {
      try Model(
        NetworkConfiguration(
          architecture: .resnet18, width: width, classCount: 4, imageHeight: 8, imageWidth: 8,
          mean: [0.5, 0.5, 0.5], standardDeviation: [0.25, 0.25, 0.25]),
        engine: makeEngine(.openblas), seed: 1)
    }
    (model, large) = (try network(1), try network(2))
    var first = Forecast()
    first.add(.training, 1000, model.configuration, in: "a")
    first.add(.training, 2000, model.configuration, in: "b")
    var second = Forecast()
    second.add(.training, 600, model.configuration, in: "a")
    second.add(.judging, 4000, model.configuration, in: "c")
    second.add(.training, 1000, large.configuration, in: "d")
    (self.first, self.second) = (first, second)
  }

  private func expectAbout(
    _ value: Double?, _ expected: Double, sourceLocation: SourceLocation = #_sourceLocation
  ) {
    #expect(abs((value ?? -1) - expected) < 1e-6 * expected, sourceLocation: sourceLocation)
  }

  @Test func timeLeftIsImagesTimesWhatTheyCost() {
    var progress = RunProgress([first, second])
    #expect(progress.secondsLeft == nil && progress.position == nil)
    progress.begin("a")
    #expect(progress.position?.number == 1 && progress.position?.of == 2)
    #expect(progress.secondsLeft == nil, "nothing has cost anything yet")
    progress.beginTraining(images: 1000, model.configuration)
    progress.add(.training, 100, model.configuration, seconds: 2)
    expectAbout(progress.secondsLeftInStage, 18)
    expectAbout(progress.secondsLeft, 58)
    progress.add(.training, 800, model.configuration, seconds: nil)
    expectAbout(progress.secondsLeftInStage, 2)
    progress.end()
    expectAbout(progress.secondsLeft, 40)
    progress.begin("b")
    progress.add(.training, 2000, model.configuration, seconds: 10)
    #expect(progress.secondsLeft == 0)
  }

  /// A first training of another length, or a stage that it does not have, tells of another course.
  @Test func theCourseIsTheOneThatGoesWithWhatHappened() {
    var progress = RunProgress([first, second])
    progress.begin("a")
    progress.beginTraining(images: 600, model.configuration)
    #expect(progress.position?.of == 3)
    progress.add(.training, 600, model.configuration, seconds: 6)
    // Asking costs a third of a step's multiplications, the large network its own.
    let step = model.multiplyAdds.training
    let asked = 4000 * 0.01 * Double(model.multiplyAdds.evaluation) / Double(step)
    let last = 1000 * 0.01 * Double(large.multiplyAdds.training) / Double(step)
    expectAbout(progress.secondsLeft, asked + last)
    var other = RunProgress([first, second])
    other.begin("a")
    other.end()
    other.begin("c")
    #expect(other.position?.number == 2 && other.position?.of == 3)
    other.begin("unheard of")
    #expect(other.position == nil && other.secondsLeft == nil)
  }

  /// What is said to be likelier counts, until what happens speaks against it.
  @Test func whatIsExpectedIsTheCourse() {
    var progress = RunProgress([first, second])
    progress.begin("a")
    #expect(progress.position?.of == 2)
    progress.expect(1)
    #expect(progress.position?.of == 3)
    progress.expect(2)
    #expect(progress.position?.of == 3, "there is no such course")
    progress.end()
    progress.begin("b")
    #expect(progress.position?.of == 2)
    progress.expect(1)
    #expect(progress.position?.of == 2, "it has no such stage")
  }

  /// As long as nothing tells them apart, between the times of all.
  @Test func timesAreTheMeanOfWhatMayCome() {
    var longer = first
    longer.add(.training, 4000, model.configuration, in: "e")
    var progress = RunProgress([first, longer])
    progress.begin("a")
    progress.beginTraining(images: 1000, model.configuration)
    progress.add(.training, 100, model.configuration, seconds: 2)
    expectAbout(progress.secondsLeftInStage, 18)
    expectAbout(progress.secondsLeft, (58 + 138) / 2)
    progress.expect(1)
    expectAbout(progress.secondsLeft, 138)
    progress.begin("b")
    expectAbout(progress.secondsLeft, 120)
  }

  /// A model that started from a file has other numbers that scale its images.
  @Test func theScaleOfImagesCostsNothing() {
    var progress = RunProgress([first, second])
    var scaled = model.configuration
    scaled.mean = [0.1, 0.2, 0.3]
    progress.begin("a")
    progress.beginTraining(images: 1000, scaled)
    progress.add(.training, 100, scaled, seconds: 2)
    expectAbout(progress.secondsLeftInStage, 18)
    expectAbout(progress.secondsLeft, 58)
  }

  @Test func stagesThatWereLeftOutCostNothing() {
    var progress = RunProgress([second])
    progress.begin("d")
    progress.add(.training, 500, large.configuration, seconds: 5)
    expectAbout(progress.secondsLeft, 5)
    var unknown = RunProgress([])
    unknown.begin("d")
    unknown.add(.training, 500, large.configuration, seconds: 5)
    #expect(unknown.secondsLeft == nil && unknown.position == nil)
  }

  /// The first line within ten seconds, then fewer and fewer.
  @Test func aFileGetsALineNowAndThen() {
    let clock = Clock()
    var lines: [(second: Double, text: String)] = []
    let report = ProgressReport([first, second], isLive: false, now: { clock.seconds }) {
      lines.append((clock.seconds, $0))
    }
    report.begin("a")
    report.beginTraining(images: 1000, model.configuration)
    for step in 1...1000 {
      clock.seconds += 0.5
      report.add(
        ProgressReport.Step(
          title: "a/one", epoch: (step / 100 + 1, 10),
          summary: EpochSummary(loss: 0.25, accuracy: 0.5), network: model.configuration, images: 1)
      )
    }
    #expect(lines.first?.second == 5)
    #expect(
      lines.first?.text
        == "[1/2] a/one: epoch 1/10, loss 0.250, accuracy 50.0 %, 2 images/s; left: stage 8 min 20 s, "
        + "run 25 min")
    #expect(lines.count > 15 && lines.count < 40, "\(lines.count) lines in 500 s")
    let gaps = zip(lines.dropFirst(), lines).map { $0.second - $1.second }
    #expect(gaps == gaps.sorted() && gaps.last ?? 0 > 40, "\(gaps)")
  }

  /// Also where no images pass through a network, and where no stage runs.
  @Test func aStageOfPixelsSaysWhereItIs() {
    let clock = Clock()
    var lines: [String] = []
    let report = ProgressReport([second], isLive: false, now: { clock.seconds }) {
      lines.append($0)
    }
    report.begin("d")
    for cell in 1...14 {
      clock.seconds += 1
      report.sayProgress("cell \(cell)")
    }
    report.end()
    clock.seconds += 10
    report.sayProgress("cell 1")
    #expect(lines == ["[3/3] d: cell 5", "[3/3] d: cell 10", "pixels: cell 1"])
  }
}

/// A clock that stands still unless it is moved.
private final class Clock { var seconds = 0.0 }

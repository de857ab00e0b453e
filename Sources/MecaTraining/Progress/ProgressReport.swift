import MecaCore
import MecaNN

/// Tells people how far a run is: on a terminal in a line that changes in place, elsewhere in a line
/// now and then.
///
/// - Ranks: local; rank 0 alone has one.
public final class ProgressReport {
  /// What a step of training tells.
  package struct Step {
    /// Stage and member.
    var title: String
    /// Which epoch, from 1, of how many.
    var epoch: (number: Int, of: Int)
    /// Means of the epoch so far.
    var summary: EpochSummary
    var network: NetworkConfiguration
    var images: Int

    package init(
      title: String, epoch: (number: Int, of: Int), summary: EpochSummary,
      network: NetworkConfiguration, images: Int
    ) {
      (self.title, self.epoch, self.summary) = (title, epoch, summary)
      (self.network, self.images) = (network, images)
    }
  }

  private var progress: RunProgress
  private let say: (String) -> Void
  private let isLive: Bool
  private let now: () -> Double
  /// When the last step or leg ended, and when the last line was put out.
  private var last: Double
  private var lastLine: Double
  /// Images and seconds of the training or pass that runs.
  private var rate = (images: 0, seconds: 0.0)

  /// Seconds between two changes of a live line.
  private static let liveInterval = 0.2
  private let start: Double

  /// Seconds between two lines in a file: fewer and fewer, the first within ten seconds.
  private var interval: Double {
    isLive ? Self.liveInterval : min(120, max(5, (lastLine - start) / 10))
  }

  /// - Parameters:
  ///   - courses: see ``RunProgress/init(_:)``.
  ///   - isLive: whether ``LiveLine`` is used; else lines go to `say`.
  ///   - now: seconds of a clock.
  public init(
    _ courses: [Forecast], isLive: Bool, now: @escaping () -> Double,
    say: @escaping (String) -> Void
  ) {
    progress = RunProgress(courses)
    (self.isLive, self.now, self.say) = (isLive, now, say)
    start = now()
    (last, lastLine) = (start, start)
  }

  /// The course with this number, of those that the report was made with, is likelier from here on.
  public func expect(_ course: Int) { progress.expect(course) }

  /// A stage begins.
  package func begin(_ stage: String) {
    progress.begin(stage)
    beginWork()
    // What stood on a terminal before is over; a file has nothing that goes stale.
    if isLive { show("\(words(of: stage)): begins") }
  }

  /// The stage has ended, or its result was there.
  package func end() { progress.end() }

  /// A training or pass begins.
  private func beginWork() {
    last = now()
    rate = (0, 0)
  }

  /// A training of so many images begins.
  package func beginTraining(images: Int, _ network: NetworkConfiguration) {
    progress.beginTraining(images: images, network)
    beginWork()
  }

  /// A pass begins.
  package func beginPass() { beginWork() }

  /// Images of the training or pass were computed before this process.
  package func skip(_ work: Forecast.Work, _ images: Int, _ network: NetworkConfiguration) {
    progress.add(work, images, network, seconds: nil)
  }

  /// A step of training is done.
  package func add(_ step: Step) {
    count(.training, step.images, step.network)
    guard isDue else { return }
    show(
      "\(words(of: step.title)): epoch \(step.epoch.number)/\(step.epoch.of), loss "
        + "\(fixed(step.summary.loss, 3)), accuracy \(fixed(step.summary.accuracy * 100, 1)) %")
  }

  /// A leg of a pass over samples is done.
  package func add(
    _ work: Forecast.Work, _ images: Int, _ network: NetworkConfiguration, done: Int, of total: Int
  ) {
    count(work, images, network)
    guard isDue else { return }
    let title = progress.stage ?? Forecast.evaluation
    show(
      "\(words(of: title)): \(done) of \(total) images \(work == .scoring ? "scored" : "judged")")
  }

  /// A stage that passes no images through a network has come to `place`; said when it is time for a line.
  package func sayProgress(_ place: String) {
    last = now()
    guard isDue else { return }
    show("\(words(of: progress.stage ?? "pixels")): \(place)")
  }

  /// Images were asked about after an epoch of training; nothing is shown of it.
  package func addTested(_ images: Int, _ network: NetworkConfiguration) {
    let passed = now() - last
    last += passed
    progress.add(.judging, images, network, seconds: passed)
  }

  private func count(_ work: Forecast.Work, _ images: Int, _ network: NetworkConfiguration) {
    let passed = now() - last
    last += passed
    progress.add(work, images, network, seconds: passed)
    rate = (rate.images + images, rate.seconds + passed)
  }

  /// A title with the stage's number, for example `[3/7] meca/warm-up/detector 1`.
  private func words(of title: String) -> String {
    (progress.position.map { "[\($0.number)/\($0.of)] " } ?? "") + title
  }

  /// Whether it is time for another line.
  private var isDue: Bool { last - lastLine >= interval }

  private func show(_ text: String) {
    lastLine = last
    var line = text
    if rate.seconds > 0 { line += ", \(Int(Double(rate.images) / rate.seconds)) images/s" }
    let left = [
      progress.secondsLeftInStage.map { "stage \(spanWords($0))" },
      progress.secondsLeft.map { "run \(spanWords($0))" },
    ].compactMap(\.self)
    if !left.isEmpty { line += "; left: " + left.joined(separator: ", ") }
    if isLive { LiveLine.show(line) } else { say(line) }
  }
}

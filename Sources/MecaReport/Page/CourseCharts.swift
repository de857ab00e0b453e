import MecaCore

/// Charts of how things went while a run learnt: epoch by epoch, and iteration by iteration.
struct CourseCharts {
  /// Each with what it shows in words.
  private(set) var charts: [(chart: Chart, words: String)] = []

  /// Lines of a chart at most, as many as there are colours; who wants more opens `metrics.jsonl`.
  private static let mostLines = 6

  /// Charts of what the metrics hold.
  init(_ metrics: MetricLines) {
    let tested = metrics.courses.filter(\.isTested)
    let others = metrics.courses.filter { !$0.isTested }
    addTests(of: tested)
    addLearning(tested, what: tested.isEmpty ? "" : " of the models")
    addMoments(metrics.moments)
    addLearning(others, what: tested.isEmpty ? "" : " of the other trainings")
    add("Accuracy while learning", of: others, y: "accuracy", range: 0...1) { $0.accuracy }
  }

  /// What the models made of test images after each epoch.
  private mutating func addTests(of courses: [MetricLines.Course]) {
    func samples(_ value: (MetricLines.Epoch) -> Int?) -> String {
      let counts = Set(courses.flatMap(\.epochs).compactMap(value))
      return counts.count == 1 ? "\(counts.first ?? 0) " : ""
    }
    add(
      "Accuracy on \(samples(\.testSamples))test images after each epoch", of: courses,
      y: "accuracy", range: 0...1
    ) { $0.testAccuracy }
    add(
      "Attack success on \(samples(\.attackSamples))triggered test images after each epoch",
      of: courses, y: "attack success", range: 0...1
    ) { $0.attackSuccess }
  }

  private mutating func addLearning(_ courses: [MetricLines.Course], what: String) {
    add("Loss\(what) while learning", of: courses, y: "loss", range: nil) { $0.loss }
  }

  /// A line for each course.
  private mutating func add(
    _ title: String, of courses: [MetricLines.Course], y: String, range: ClosedRange<Double>?,
    _ value: (MetricLines.Epoch) -> Double?
  ) {
    let lines = courses.map { course in
      Chart.Line(
        name: course.name,
        points: course.epochs.enumerated().compactMap { place, epoch in
          value(epoch).map { (Double(place + 1), $0) }
        })
    }.filter { $0.points.count > 1 }
    guard !lines.isEmpty else { return }
    let shown = Array(lines.prefix(Self.mostLines))
    let words =
      title + (shown.count < lines.count ? ", the first \(shown.count) of \(lines.count)" : "")
    charts.append((Chart.lines(shown, x: "epoch", y: y, range: range, words: words), words))
  }

  /// How many samples are marked at the moments of an iteration, and how large their losses are: of
  /// the poisoned and of the clean ones where they are known.
  private mutating func addMoments(_ moments: [MetricLines.Moment]) {
    let kinds = moments.reduce(into: [String]()) { list, moment in
      if !list.contains(moment.what) { list.append(moment.what) }
    }
    for kind in kinds {
      let own = moments.filter { $0.what == kind }
      guard own.count > 1 else { continue }
      let names = own.map(\.name).joined(separator: ", ")
      addMoments(
        own, "Share of \(kind), moment by moment: \(names)", y: "share", range: 0...1, \.shares)
      addMoments(
        own, "Mean log10 of the loss at the same moments", y: "log10 of the loss", range: nil,
        \.logLosses)
    }
  }

  private mutating func addMoments(
    _ moments: [MetricLines.Moment], _ words: String, y: String, range: ClosedRange<Double>?,
    _ values: (MetricLines.Moment) -> MetricLines.ByTruth
  ) {
    func line(_ name: String, _ value: (MetricLines.ByTruth) -> Double?) -> Chart.Line {
      Chart.Line(
        name: name,
        points: moments.enumerated().compactMap { place, moment in
          value(values(moment)).map { (Double(place), $0) }
        })
    }
    let known = [line("poisoned", \.poisoned), line("clean", \.clean)]
    let lines =
      known.allSatisfy { $0.points.count == moments.count } ? known : [line("all", \.all)]
    guard lines.allSatisfy({ $0.points.count > 1 }) else { return }
    charts.append((Chart.lines(lines, x: "moment", y: y, range: range, words: words), words))
  }
}

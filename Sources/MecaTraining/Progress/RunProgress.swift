import MecaNN

/// How far a run is, and how long the rest takes, by what its images have cost so far.
///
/// Which way a run takes is not known beforehand. There is a forecast for each; the first one that
/// goes with what has happened is taken, but for times, which are the mean over all that still do.
///
/// - Ranks: local.
public struct RunProgress: Sendable {
  /// What makes images cost alike.
  private struct Kind: Hashable {
    var network: NetworkConfiguration
    var work: Forecast.Work

    init(network: NetworkConfiguration, work: Forecast.Work) {
      (self.network, self.work) = (network.unscaled, work)
    }
  }
  private struct Site: Hashable {
    var stage: String
    var kind: Kind
  }

  private let courses: [Forecast]
  private var current = 0
  /// The courses that go with what has happened.
  private var possible: [Int]
  /// Stages that have begun, in turn, and those that have ended.
  private var begun: [String] = []
  private var ended: Set<String> = []
  /// The stage that runs.
  public private(set) var stage: String?
  /// Trainings that have begun in the stage.
  private var trainings = 0
  /// Images that are behind.
  private var done: [Site: Int] = [:]
  /// Images that were computed in this process, and the seconds that they took.
  private var spent: [Kind: (images: Int, seconds: Double)] = [:]

  /// - Parameter courses: what may come, the likeliest first; none leaves times unknown.
  public init(_ courses: [Forecast]) {
    self.courses = courses
    possible = Array(courses.indices)
  }

  private var course: Forecast? { courses.isEmpty ? nil : courses[current] }

  /// A stage begins.
  public mutating func begin(_ stage: String) {
    self.stage = stage
    trainings = 0
    if !begun.contains(stage) { begun.append(stage) }
    choose { $0.stages.contains(stage) }
  }

  /// The course with this number is the likelier one from here on, if it goes with what has happened.
  public mutating func expect(_ number: Int) {
    guard courses.indices.contains(number), begun.allSatisfy(courses[number].stages.contains)
    else { return }
    (current, possible) = (number, [number])
  }

  /// The running stage has ended, or its result was there.
  public mutating func end() {
    if let stage { ended.insert(stage) }
    stage = nil
  }

  /// A training of so many images begins in the running stage.
  public mutating func beginTraining(images: Int, _ network: NetworkConfiguration) {
    defer { trainings += 1 }
    guard let stage else { return }
    choose { [trainings] course in
      let part = course.parts.first {
        $0.stage == stage && $0.network.unscaled == network.unscaled
      }
      return part.map { trainings < $0.trainings.count && $0.trainings[trainings] == images }
        ?? false
    }
  }

  /// Takes the first course, from the present one on, that has `property` and all stages so far; a
  /// possible one, if there is any.
  private mutating func choose(_ property: (Forecast) -> Bool) {
    let fitting = courses.indices.filter { number in
      begun.allSatisfy(courses[number].stages.contains) && property(courses[number])
    }
    guard !fitting.isEmpty else { return }
    let stillPossible = fitting.filter(possible.contains)
    possible = stillPossible.isEmpty ? fitting : stillPossible
    if !possible.contains(current) { current = possible[0] }
  }

  /// Images are behind.
  ///
  /// - Parameter seconds: what they took; nil for those that another process has computed.
  public mutating func add(
    _ work: Forecast.Work, _ images: Int, _ network: NetworkConfiguration, seconds: Double?
  ) {
    let kind = Kind(network: network, work: work)
    done[Site(stage: stage ?? Forecast.evaluation, kind: kind), default: 0] += images
    guard let seconds else { return }
    let before = spent[kind] ?? (0, 0)
    spent[kind] = (before.images + images, before.seconds + seconds)
  }

  /// The running stage's number, from 1, and how many there are; nil where that is not known.
  public var position: (number: Int, of: Int)? {
    guard let stage, let course else { return nil }
    let stages = course.stages.filter { $0 != Forecast.evaluation }
    return stages.firstIndex(of: stage).map { ($0 + 1, stages.count) }
  }

  /// Seconds until the running stage ends; nil where that is not known.
  public var secondsLeftInStage: Double? {
    stage.flatMap { stage in mean { secondsLeft(in: [stage], of: $0) } }
  }

  /// Seconds until the run ends; nil where that is not known.
  public var secondsLeft: Double? { mean(secondsLeft) }

  /// The mean over what may come.
  private func mean(_ seconds: (Forecast) -> Double?) -> Double? {
    let known = possible.compactMap { seconds(courses[$0]) }
    return known.isEmpty ? nil : known.reduce(0, +) / Double(known.count)
  }

  private func secondsLeft(of course: Forecast) -> Double? {
    let last = begun.last.flatMap { course.stages.firstIndex(of: $0) } ?? -1
    let coming = course.stages.indices.filter {
      let stage = course.stages[$0]
      return stage == Forecast.evaluation || $0 >= last && !ended.contains(stage)
    }
    return secondsLeft(in: coming.map { course.stages[$0] }, of: course)
  }

  private func secondsLeft(in stages: [String], of course: Forecast) -> Double? {
    guard begun.allSatisfy(course.stages.contains), !spent.isEmpty else { return nil }
    var sum = 0.0
    for part in course.parts where stages.contains(part.stage) {
      for work in Forecast.Work.allCases {
        let kind = Kind(network: part.network, work: work)
        let left =
          part.images(work) - done[Site(stage: part.stage, kind: kind), default: 0]
        if left > 0 {
          sum += Double(left) * cost(kind, operations: part.operations[work] ?? 0, of: course)
        }
      }
    }
    return sum
  }

  /// Seconds of an image: what such ones took, or else by its multiplications what others took.
  private func cost(_ kind: Kind, operations: Int, of course: Forecast) -> Double {
    if let own = spent[kind] { return own.seconds / Double(max(1, own.images)) }
    let (seconds, known) = spent.reduce((0.0, 0.0)) { sum, entry in
      let part = course.parts.first { $0.network.unscaled == entry.key.network }
      let own = Double(entry.value.images) * Double(part?.operations[entry.key.work] ?? 0)
      return own > 0 ? (sum.0 + entry.value.seconds, sum.1 + own) : sum
    }
    return known > 0 ? seconds / known * Double(operations) : 0
  }
}

extension NetworkConfiguration {
  /// The network without the scale of its images, on which what they cost does not depend: models that
  /// start from a file have the file's.
  fileprivate var unscaled: NetworkConfiguration {
    var network = self
    (network.mean, network.standardDeviation) = ([], [])
    return network
  }
}

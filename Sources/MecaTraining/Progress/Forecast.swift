import MecaNN

/// What a run will compute, stage by stage: images through networks, counted without computing.
///
/// Made by running a defence on a `ForecastWorkbench`, so that it needs no formula for each of them.
public struct Forecast: Sendable {
  /// What is done with an image.
  public enum Work: Hashable, Sendable, CaseIterable {
    /// A step of training: forward and backward.
    case training
    /// A question: forward.
    case judging
    /// A measurement of robustness: forward, backward to the image, forward for each mask.
    case scoring
  }

  /// Passes of images through one network in one stage.
  public struct Part: Sendable, Equatable {
    /// Stage of the run, for example `meca/warm-up`.
    public let stage: String
    /// The network.
    public let network: NetworkConfiguration
    /// Images by what is done with them.
    public private(set) var images: [Work: Int] = [:]
    /// Images of each training, in turn.
    public private(set) var trainings: [Int] = []
    /// Multiplications for an image, by what is done with it.
    public let operations: [Work: Int]

    fileprivate init(_ stage: String, _ network: NetworkConfiguration) {
      self.stage = stage
      self.network = network
      let counts = network.multiplyAdds
      operations = [
        .training: counts.training, .judging: counts.evaluation, .scoring: counts.scoring,
      ]
    }

    fileprivate mutating func add(_ work: Work, _ count: Int) {
      guard count > 0 else { return }
      images[work, default: 0] += count
      if work == .training { trainings.append(count) }
    }

    /// Images of one kind of work.
    public func images(_ work: Work) -> Int { images[work] ?? 0 }
  }

  /// All stages in the order of the run, also those that pass no image through a network.
  public private(set) var stages: [String] = []
  /// What passes images through networks, in the order of the run.
  public private(set) var parts: [Part] = []

  /// Nothing yet.
  public init() {}

  /// What happens in no stage: models are evaluated.
  public static let evaluation = "evaluation"

  /// Begins a stage.
  public mutating func begin(_ stage: String) {
    if !stages.contains(stage) { stages.append(stage) }
  }

  /// Counts images that pass through a network in a stage.
  public mutating func add(
    _ work: Work, _ images: Int, _ network: NetworkConfiguration, in stage: String
  ) {
    begin(stage)
    if let place = parts.firstIndex(where: { $0.stage == stage && $0.network == network }) {
      parts[place].add(work, images)
    } else {
      var part = Part(stage, network)
      part.add(work, images)
      parts.append(part)
    }
  }

  /// The networks that take part.
  public var networks: [NetworkConfiguration] {
    parts.reduce(into: []) { list, part in
      if !list.contains(part.network) { list.append(part.network) }
    }
  }

  /// Images that pass through steps of training.
  public var trainedImages: Int { parts.reduce(0) { $0 + $1.images(.training) } }
}

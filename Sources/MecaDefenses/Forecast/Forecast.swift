import MecaNN

/// What a run will compute, stage by stage: images through networks, counted without computing.
///
/// Made by running a defence on a ``ForecastWorkbench``, so that it needs no formula for each of them.
public struct Forecast: Sendable {
  /// Passes of images through one network in one stage.
  public struct Part: Sendable, Equatable {
    /// Stage of the run, for example `meca/warm-up`.
    public var stage: String
    /// The network.
    public var network: NetworkConfiguration
    /// Images that steps of training see, forward and backward.
    public var trained = 0
    /// Images that are asked about: forward.
    public var judged = 0
    /// Images whose robustness is measured: forward, backward to the image, forward for each mask.
    public var scored = 0

    /// Nothing yet.
    public init(stage: String, network: NetworkConfiguration) {
      (self.stage, self.network) = (stage, network)
    }
  }

  /// In the order of the run.
  public private(set) var parts: [Part] = []

  /// Nothing yet.
  public init() {}

  /// Counts more work of a stage.
  mutating func add(
    _ stage: String, _ network: NetworkConfiguration, _ count: (inout Part) -> Void
  ) {
    let place = parts.lastIndex { $0.stage == stage && $0.network == network }
    if let place {
      count(&parts[place])
    } else {
      var part = Part(stage: stage, network: network)
      count(&part)
      parts.append(part)
    }
  }

  /// Counts the evaluation of a model on `images`.
  public mutating func addEvaluation(of network: NetworkConfiguration, images: Int) {
    add("evaluation", network) { $0.judged += images }
  }

  /// The networks that take part.
  public var networks: [NetworkConfiguration] {
    parts.reduce(into: []) { list, part in
      if !list.contains(part.network) { list.append(part.network) }
    }
  }

  /// Seconds that an image costs in one network, over all ranks.
  public struct Cost: Sendable {
    /// In a step of training.
    public var training: Double
    /// When it is asked about.
    public var judging: Double
    /// When its robustness is measured.
    public var scoring: Double

    /// All values.
    public init(training: Double, judging: Double, scoring: Double) {
      (self.training, self.judging, self.scoring) = (training, judging, scoring)
    }

    /// Seconds of a part.
    public func seconds(of part: Part) -> Double {
      Double(part.trained) * training + Double(part.judged) * judging
        + Double(part.scored) * scoring
    }
  }
}

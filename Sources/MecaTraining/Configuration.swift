import MecaCore
import MecaImages
import MecaNN
import MecaTensor

/// Whether the ranks exchange gradients while the last of them are still computed; no influence on
/// results.
public enum OverlapChoice: String, Codable, Sendable, CaseIterable {
  /// On several hosts, where the exchange waits for a network; not on one, where it takes the cores
  /// that compute. Figures: `docs/results.md`, "Exchange of gradients".
  case auto
  /// Always.
  case on
  /// Never.
  case off
}

/// How a run's arithmetic is laid out; with the seed it decides the bits of the result.
public struct ComputeConfiguration: Codable, Hashable, Sendable {
  /// Samples of one optimiser step over all ranks.
  public var batch: Int
  /// Logical shards a step is cut into; fixed by configuration, never by the number of ranks.
  public var shards: Int
  /// Compute threads of each rank; no influence on results.
  public var threads: Int
  /// Kernel library.
  public var engine: EngineKind
  /// What convolutions multiply in training.
  public var precision: Precision
  /// Exchange beside the computation; no influence on results.
  public var overlap: OverlapChoice
  /// Seed of everything that training draws: weights, orders, masks, folds.
  public var seed: UInt64

  /// Samples of one logical shard.
  public var microbatch: Int { batch / shards }
  /// Logical shards at most, and so ranks times threads.
  private static let mostShards = 4096

  /// All values.
  public init(
    batch: Int, shards: Int, threads: Int, engine: EngineKind, precision: Precision = .fp32,
    overlap: OverlapChoice = .auto,
    seed: UInt64
  ) {
    self.batch = batch
    self.shards = shards
    self.threads = threads
    self.engine = engine
    self.precision = precision
    self.overlap = overlap
    self.seed = seed
  }

  /// Refuses combinations that cannot run on `ranks` ranks.
  ///
  /// - Throws: `SettingError`, `UsageError` with the option to change.
  public func validate(ranks: Int) throws {
    func atLeastOne(_ setting: String, _ value: Int) throws {
      if value < 1 {
        throw SettingError(setting: setting, value: "\(value)", allowed: "1 or more")
      }
    }
    try atLeastOne("batch", batch)
    try atLeastOne("shards", shards)
    try atLeastOne("threads", threads)
    if shards % 2 != 0 || shards > Self.mostShards {
      throw SettingError(
        setting: "shards", value: "\(shards)",
        allowed: "even, because unlearning gives half of a step's shards to each part, and "
          + "\(Self.mostShards) at most")
    }
    if batch % shards != 0 || batch / shards < 2 {
      throw SettingError(
        setting: "batch", value: "\(batch)",
        allowed: "a multiple of --shards (\(shards)), two samples a shard or more")
    }
    if threads > shards / ranks {
      throw UsageError.conflict(
        "\(ranks) ranks x \(threads) threads need as many logical shards or more, "
          + "but --shards is \(shards); start fewer ranks or threads, or raise --shards "
          + "(another number of shards gives other bits)")
    }
    if !EngineKind.available.contains(engine) {
      throw SettingError(
        setting: "engine", value: engine.rawValue,
        allowed: "one this program was built with: "
          + EngineKind.available.map(\.rawValue).joined(separator: ", "))
    }
  }

  /// Makes the engine of this layout.
  ///
  /// - Ranks: local.
  /// - Throws: `EngineError` where the processor lacks what engine or precision need.
  public func makeEngine() throws -> any Engine {
    try MecaTensor.makeEngine(engine, precision: precision)
  }
}

/// How long and how fast a model is trained.
public struct TrainingRecipe: Codable, Hashable, Sendable {
  /// Passes over the first group of samples.
  public var epochs: Int
  /// Largest learning rate ("η").
  public var learningRate: Float
  /// Course of the learning rate over the steps.
  public var schedule: ScheduleKind
  /// Epochs of linear increase from 0 at the start.
  public var rampEpochs: Float
  /// Momentum coefficient ("μ").
  public var momentum: Float
  /// L2 coefficient, applied to all parameters.
  public var weightDecay: Float
  /// Largest 2-norm of a step's gradient; nil leaves it alone.
  public var gradientClip: Float?
  /// Random changes of the images; mixing of labels is for groups that are learnt alone.
  public var augmentation: Augmentation

  /// Courses of the learning rate.
  public enum ScheduleKind: String, Codable, Sendable, CaseIterable {
    /// Half a cosine from the largest rate to 0.
    case cosine
    /// The same rate throughout.
    case constant
    /// A tenth after half, a hundredth after three quarters.
    case step
  }

  /// All values.
  public init(
    epochs: Int, learningRate: Float, schedule: ScheduleKind, rampEpochs: Float = 0,
    momentum: Float = 0.9, weightDecay: Float = 5e-4, gradientClip: Float? = nil,
    augmentation: Augmentation = .none
  ) {
    self.epochs = epochs
    self.learningRate = learningRate
    self.schedule = schedule
    self.rampEpochs = rampEpochs
    self.momentum = momentum
    self.weightDecay = weightDecay
    self.gradientClip = gradientClip
    self.augmentation = augmentation
  }
}

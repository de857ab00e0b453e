import MecaCore
import MecaImages
import MecaNN
import MecaTraining

/// A defence: what is done with a set that may be poisoned, from the given samples to models and,
/// where it judges samples, a verdict.
///
/// A file of its own for each. It reads like the paper's algorithm: everything that takes time is one
/// call to the `Workbench`, which trains, asks, saves and resumes for all defences alike. What each
/// training sample really is lies out of its reach: nothing in `Workbench` or `GivenData` holds it.
///
/// To add one: its file, and its line in `Defenses`.
public protocol Defense: Sendable {
  /// Its settings; their defaults are `Settings()`.
  associatedtype Settings: SettingsTable
  /// What people and programs should know of it.
  static var facts: DefenseFacts { get }
  /// The settings that it was made with.
  var settings: Settings { get }
  /// Makes the defence.
  init(_ settings: Settings)
  /// The networks that it trains besides `network`, that of the models that are kept.
  ///
  /// - Ranks: local. What they need is looked at before anything is computed.
  func networks(besides network: NetworkConfiguration) -> [NetworkConfiguration]
  /// Whether it has models that are asked about samples which they have not learnt, and offers their
  /// class probabilities (`Workbench.offerProbabilities`).
  var offersProbabilities: Bool { get }
  /// Refuses settings that do not suit the data.
  ///
  /// - Ranks: local, and the same on every rank.
  /// - Throws: `SettingError`, `UsageError`.
  func check(_ samples: GivenData) throws
  /// Does what needs no trained model, and says what it sees: before any model is trained, also one
  /// that the defence is only compared with. `run` finds the results of these stages.
  ///
  /// - Ranks: collective.
  /// - Throws: what stages throw.
  func lookFirst(_ bench: some Workbench) throws
  /// Runs the defence.
  ///
  /// - Ranks: collective; every rank returns the same.
  /// - Throws: what training, asking and the exchange between ranks throw.
  func run(_ bench: some Workbench) throws -> DefenseOutcome
}

extension Defense {
  /// None.
  public func networks(besides network: NetworkConfiguration) -> [NetworkConfiguration] { [] }
  /// It has none.
  public var offersProbabilities: Bool { false }
  /// There is nothing to see without a model.
  public func lookFirst(_ bench: some Workbench) throws {}
  /// Everything suits.
  public func check(_ samples: GivenData) throws {}
}

/// A defence that is told what each training sample really is: the oracle that others are compared
/// with, and nobody else.
public protocol InformedDefense: Defense {
  /// Hands over the truth, before `run`.
  mutating func inform(_ truth: GroundTruth)
}

/// Settings of a defence that has none.
public struct NoSettings: SettingsTable {
  /// Nothing.
  public init() {}
  /// Nothing.
  public static var table: [Setting<NoSettings>] { [] }
}

/// What people and programs should know of a defence.
public struct DefenseFacts: Sendable {
  /// What a defence must be given besides the samples.
  public enum Need: Sendable {
    /// Samples that are known to be clean; see `Workbench.reserve`.
    case cleanReserve
    /// What each sample really is.
    case truth
  }

  /// Name on the command line.
  public let name: String
  /// Name for people, as in tables.
  public let title: String
  /// What it does, one sentence.
  public let sentence: String
  /// Paper and section.
  public let source: String
  /// What it must be given.
  public let needs: Set<Need>
  /// Whether it says of each sample whether it is poisoned.
  public let judgesSamples: Bool

  /// All values.
  public init(
    name: String, title: String, sentence: String, source: String, needs: Set<Need> = [],
    judgesSamples: Bool = true
  ) {
    self.judgesSamples = judgesSamples
    self.name = name
    self.title = title
    self.sentence = sentence
    self.source = source
    self.needs = needs
  }
}

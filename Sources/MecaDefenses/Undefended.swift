import MecaTraining

/// No defence: learns all samples as if they were clean ("No Defense" in the papers' tables).
public struct Undefended: Defense {
  /// What people should know.
  public static let facts = DefenseFacts(
    name: "none", title: "undefended",
    sentence: "Trains on everything as if it were clean.", source: "plain supervised learning",
    judgesSamples: false)

  /// None.
  public let settings: NoSettings

  /// Makes it.
  public init(_ settings: NoSettings = NoSettings()) { self.settings = settings }

  /// Trains on everything.
  public func run(_ bench: some Workbench) throws -> DefenseOutcome {
    let model = try bench.model(bench.undefended().state, of: bench.network)
    var outcome = DefenseOutcome(models: [.init("undefended", model)])
    outcome.defended = nil
    return outcome
  }
}

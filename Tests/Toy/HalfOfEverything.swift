import MecaCore
import MecaDefenses
import MecaNN
import MecaTraining

/// A defence that is none of the program's own: learns the half of the samples with the largest loss
/// under the undefended model, and takes the other half for poisoned.
///
/// All that it takes to add a defence: this file, and the line in `Program.swift`.
struct HalfOfEverything: Defense {
  struct Settings: SettingsTable {
    /// Share of the samples that is learnt.
    var kept: Float = 0.5

    static var table: [Setting<Settings>] {
      [.number("kept-share", \.kept, .share, symbol: "h", "Share of the samples that is learnt.")]
    }
  }

  static let facts = DefenseFacts(
    name: "half", title: "half of everything",
    sentence: "Learns the half with the largest loss.", source: "nobody")

  let settings: Settings

  init(_ settings: Settings) { self.settings = settings }

  func run(_ bench: some Workbench) throws -> DefenseOutcome {
    let undefended = try bench.undefended()
    let kept = try bench.stage("choose", settings, after: [undefended.digest]) { _ in
      try IndexList(largestLosses(under: bench.model(undefended.state, of: bench.network), bench))
    }
    let trained = try bench.stage("train", bench.recipe, after: [kept.digest]) { _ in
      try bench.trainedFromScratch(on: kept.state.indices).state
    }
    var flagged = [Bool](repeating: true, count: bench.samples.count)
    for index in kept.state.indices { flagged[Int(index)] = false }
    return DefenseOutcome(
      models: [.init("half", try bench.model(trained.state, of: bench.network))],
      verdict: Verdict(
        flagged: flagged, score: flagged.map { $0 ? 1 : 0 }, labels: bench.samples.labels))
  }

  private func largestLosses(under model: Model, _ bench: some Workbench) throws -> [Int32] {
    let all = bench.samples.allIndices
    let losses = try bench.judge(model, all, labels: bench.samples.labels).map(\.loss)
    return try bench.decided {
      let order = all.sorted { (-losses[Int($0)], $0) < (-losses[Int($1)], $1) }
      return order.prefix(Int(Float(all.count) * settings.kept)).sorted()
    }
  }
}

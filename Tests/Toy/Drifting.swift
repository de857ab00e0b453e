import Foundation
import MecaCore
import MecaDefenses
import MecaNN
import MecaTraining

/// What no defence does: its model is another on rank 1 than on the others, as in damaged memory.
struct Drifting: Defense {
  struct Settings: SettingsTable {
    static var table: [Setting<Settings>] { [] }
  }

  static let facts = DefenseFacts(
    name: "drifting", title: "drifting", sentence: "Changes a weight on rank 1.", source: "nobody")

  let settings: Settings

  init(_ settings: Settings) { self.settings = settings }

  func run(_ bench: some Workbench) throws -> DefenseOutcome {
    let trained = try bench.stage("train", bench.recipe, after: []) { key in
      let model = try bench.newModel(bench.network, key: key)
      if ProcessInfo.processInfo.environment["OMPI_COMM_WORLD_RANK"] == "1" {
        model.parameters.pointer[0] += 1
      }
      try bench.train(
        model, .learning(bench.samples.allIndices, labels: bench.samples.labels), bench.recipe,
        key: key)
      return model.state
    }
    return DefenseOutcome(
      models: [.init("drifting", try bench.model(trained.state, of: bench.network))], verdict: nil)
  }
}

import MecaDatasets
import MecaDefenses
import MecaNN
import MecaTensor
import MecaTraining

/// What a run will compute, by what may come of its data.
///
/// - Ranks: local.
struct RunForecasts {
  /// Where pixels give a trigger away.
  let found: Forecast
  /// Where somebody is suspected and nobody found.
  let suspected: Forecast

  /// Both, in the order of ``ForecastWorkbench/Course``'s numbers.
  var courses: [Forecast] { [suspected, found] }

  /// Counts the work of undefended model, defence and oracle, and the evaluation of their models; for a
  /// verdict that of the defence alone, as far as that.
  ///
  /// - Parameter reserve: samples that the defence is told are clean.
  init(
    _ plan: RunPlan, _ goal: RunGoal, data: TrainingData, reserve: [Int32],
    network: NetworkConfiguration, wantsProbabilities: Bool
  ) throws {
    let engine = try plan.compute.makeEngine()
    let tested = plan.test(of: data)?.imageCount ?? 0
    func forecast(_ course: ForecastWorkbench.Course) throws -> Forecast {
      let defense = plan.defense.makeDefense()
      let bench = ForecastWorkbench(
        samples: data.given, network: network, recipe: plan.recipe, compute: plan.compute,
        engine: engine, scope: type(of: defense).facts.name, reserve: reserve, course: course,
        endsAtVerdict: goal == .verdict, testedImages: tested,
        wantsProbabilities: wantsProbabilities)
      try bench.look(defense)
      if goal == .verdict {
        do { _ = try bench.run(defense) } catch is ForecastWorkbench.VerdictReached {}
        return bench.forecast
      }
      var defenses: [any Defense] = plan.undefended ? [Undefended(), defense] : [defense]
      if plan.oracle { defenses.append(Oracle()) }
      for var defense in defenses {
        if var informed = defense as? any InformedDefense, let truth = data.truth {
          informed.inform(truth)
          defense = informed
        }
        for named in try bench.run(defense).models {
          bench.evaluate(
            named.model, images: data.test.count + (data.triggered?.count ?? 0))
        }
      }
      return bench.forecast
    }
    (found, suspected) = (try forecast(.found), try forecast(.suspected))
  }
}

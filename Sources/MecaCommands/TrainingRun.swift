import Foundation
import MecaCore
import MecaDatasets
import MecaDefenses
import MecaMPI
import MecaNN
import MecaReport
import MecaTraining

/// One run from data to files: trains what the plan names, evaluates it, writes the run folder.
struct TrainingRun {
  let plan: RunPlan
  let session: TrainingSession
  let data: TrainingData
  let network: NetworkConfiguration
  /// What models start from; nil for drawn weights.
  let initial: InitialWeights?
  let reserve: [Int32]
  let folder: RunFolder
  let store: StageStore
  let keeper: FileKeeper
  let selfTest: Bool
  let wantsProbabilities: Bool
  let goal: RunGoal
  let report: ReportWriter
  /// What was trained on everything, once it is there.
  private let undefended = ModelPlace()

  private var isWriter: Bool { session.communicator.rank == 0 }

  /// Does everything and prints the closing table on rank 0.
  ///
  /// - Ranks: collective.
  /// - Returns: what the defence answers to whether the data are poisoned.
  func execute() throws -> DetectionAnswer? {
    let defense = plan.defense.makeDefense()
    let facts = type(of: defense).facts
    session.afterStage = { [report] in report.write(stage: "what follows \($0)") }
    let probabilities =
      wantsProbabilities
      ? ClassProbabilities(
        samples: data.training.count, classCount: data.classCount, isHeld: isWriter) : nil
    let bench = SessionWorkbench(
      session: session, samples: data.given, network: network, recipe: plan.recipe, store: store,
      scope: facts.name, initial: initial, probabilities: probabilities, reserve: reserve,
      observer: onlooker, epochTest: plan.test(of: data),
      judge: { verdict in
        try write(verdict)
        try write(probabilities)
        if goal == .verdict { throw VerdictReached(verdict: verdict) }
      })
    try bench.look(defense)
    if plan.undefended, goal == .models {
      report.result.noDefense = try comparison(Undefended(), bench)
    }
    if selfTest {
      report.result.selfTest = try SelfTest(session: session, data: data, bench: bench).run()
    }
    let outcome: DefenseOutcome
    do {
      outcome = try run(defense, bench)
    } catch let reached as VerdictReached {
      return try endAtVerdict(reached.verdict)
    }
    if goal == .verdict {
      let verdict = try session.communicator.collectively {
        guard let verdict = outcome.verdict else { throw JudgesNobody(defense: facts.name) }
        return verdict
      }
      try write(verdict)
      return try endAtVerdict(verdict)
    }
    try add(outcome, facts)
    if let verdict = outcome.verdict { try write(verdict) }
    if plan.oracle && data.truth?.count(.poison) == data.training.count {
      session.journal.warn("every training sample is poisoned: there is no oracle to train")
    } else if plan.oracle {
      report.result.oracle = try comparison(Oracle(), bench)
    }
    try session.communicator.collectively { try data.watch.check() }
    try session.requireEqualWeights(outcome.result)
    report.result.weightsSHA256 = outcome.result.weightsDigest()
    report.result.seconds = session.journal.seconds
    report.result.imagesPerSecond = session.trainingImagesPerSecond
    try write(outcome.result, result: report.result, hasVerdict: outcome.verdict != nil)
    session.journal.say("checkpoints: " + store.cost.words(of: report.result.seconds))
    return outcome.verdict?.answer
  }

  /// Ends a run that was for the verdict, which is written: there is no model.
  private func endAtVerdict(_ verdict: Verdict) throws -> DetectionAnswer? {
    report.result.isVerdictAlone = true
    report.result.seconds = session.journal.seconds
    report.result.imagesPerSecond = session.trainingImagesPerSecond
    try session.communicator.collectively {
      try data.watch.check()
      guard isWriter else { return }
      try keeper.write(to: folder.ranking) { try writeRanking(verdict, data: data, to: $0) }
      try keeper.write(to: folder.result) { try writeJSON(report.result, to: $0) }
      report.write(stage: nil)
      LiveLine.clear()
      printLines(
        resultTable(
          report.result, classNames: data.training.classNames, target: data.triggered?.target))
      printLines(
        "written to \(folder.path): report.html, suspects.csv, ranking.csv, scores.npy, "
          + (wantsProbabilities ? "probabilities.npy, " : "")
          + "result.json, run.json, metrics.jsonl")
      if verdict.flagged.contains(true) || verdict.unconfirmed.contains(true) {
        printLines(
          "next: edit \(folder.suspects), then meca-dist train with --exclude \(folder.suspects), or "
            + "train with the same options to let the defence finish")
      }
    }
    return verdict.answer
  }

  /// Runs a defence on its bench; one that is to be told the truth is told.
  private func run(
    _ defense: any Defense, _ bench: SessionWorkbench
  ) throws -> DefenseOutcome {
    var defense = defense
    if var informed = defense as? any InformedDefense, let truth = data.truth {
      informed.inform(truth)
      defense = informed
    }
    return try defense.run(bench)
  }

  /// The figures of a model that the defended ones are compared with.
  private func comparison(
    _ defense: any Defense, _ bench: SessionWorkbench
  ) throws -> ModelFigures {
    let facts = type(of: defense).facts
    let model = try run(defense, bench.scoped(to: facts.name)).result
    if defense is Undefended { undefended.model = model }
    let figures = try figures(model, of: facts.title)
    report.result.rows.append(ResultRow(title: facts.title, figures: figures))
    return figures
  }

  /// Evaluates the defence's models; where there is no defence, what the comparison has found.
  private func add(_ outcome: DefenseOutcome, _ facts: DefenseFacts) throws {
    let known = facts.name == Undefended.facts.name ? report.result.noDefense : nil
    for named in outcome.models {
      let title = outcome.models.count == 1 ? facts.title : "\(facts.title), \(named.name)"
      let figures = try known ?? figures(named.model, of: title)
      report.result.models[named.name] = figures
      if outcome.defended != nil {
        report.result.rows.append(ResultRow(title: title, figures: figures))
      }
    }
    report.result.defended = outcome.defended.flatMap { report.result.models[$0] }
    report.result.relearned = report.result.models["relearned"]
  }

  private func figures(_ model: Model, of title: String) throws -> ModelFigures {
    let (counts, success) = try session.traced("evaluate \(title)", .evaluation) {
      (
        try session.confusion(model, on: data.test),
        try data.triggered.map { try session.attackSuccess(model, on: $0) }
      )
    }
    try write(counts, of: title)
    let accuracy = counts.all
    func words(_ name: String, _ count: HitCount?) -> String? {
      count.flatMap { count in
        count.rate.map { "\(name) \(fixed($0 * 100, 2)) % of \(count.count)" }
      }
    }
    session.journal.say(
      "\(title): "
        + [words("ACC", accuracy), words("ASR", success?.victims)].compactMap(\.self)
        .joined(separator: ", "))
    let rates = [("acc", accuracy.rate), ("asr", success?.victims.rate)]
    session.journal.record(
      "model",
      rates.reduce(into: ["model": .text(title)]) { values, entry in
        if let rate = entry.1 { values[entry.0] = .number(rate) }
      })
    return ModelFigures(
      accuracy: accuracy, attackSuccess: success?.victims,
      attackSuccessOnAll: success?.allOthers, accuracyPerClass: counts.perClass)
  }

  /// Adds a model to `confusion.csv`.
  private func write(_ counts: ConfusionMatrix, of title: String) throws {
    report.confusion.add(title, counts)
    let classNames = data.training.classNames
    try session.communicator.collectively {
      guard isWriter else { return }
      let text = report.confusion.csv(classNames: classNames)
      try keeper.write(to: folder.confusion) { try writeWhole(Data(text.utf8), to: $0) }
    }
  }

  /// Tells the log how many of the poisoned and of the clean samples are marked, and their losses,
  /// where the truth is known; nothing of it reaches the defence.
  private var onlooker: SessionWorkbench.Observer {
    guard let truth = data.truth else { return { _, _ in ("", [:]) } }
    return { marked, logLosses in
      func mean(_ isPoison: Bool, _ value: (Int) -> Double) -> Double {
        let members = marked.indices.filter { (truth.roles[$0] == .poison) == isPoison }
        return members.reduce(0) { $0 + value($1) } / Double(max(1, members.count))
      }
      func share(_ isPoison: Bool) -> Double { mean(isPoison) { marked[$0] ? 1 : 0 } }
      let (poisoned, clean) = (share(true), share(false))
      var values: [String: MetricValue] = [
        "share_poisoned": .number(poisoned), "share_clean": .number(clean),
      ]
      if let logLosses {
        values["log10_loss_poisoned"] = .number(mean(true) { Double(logLosses[$0]) })
        values["log10_loss_clean"] = .number(mean(false) { Double(logLosses[$0]) })
      }
      return (
        ", of the poisoned \(fixed(poisoned * 100, 1)) %, of the clean \(fixed(clean * 100, 1)) %",
        values
      )
    }
  }

  /// Writes `suspects.csv`, `scores.npy` and the report as soon as the verdict is known.
  private func write(_ verdict: Verdict) throws {
    report.result.detection = DetectionFigures(verdict, data: data)
    try session.communicator.collectively {
      guard isWriter else { return }
      try keeper.write(to: folder.suspects) { try writeSuspects(verdict, data: data, to: $0) }
      try keeper.write(to: folder.scores) { try writeScores(verdict, to: $0) }
      let evidence = try RunEvidence(
        verdict, data: data,
        landscape: undefended.model.map { model in
          { try session.lossLandscape(model, on: data.given, sample: $0) }
        })
      try keeper.write(to: folder.evidence) { try writeJSON(evidence, to: $0) }
      report.write(stage: "what follows the verdict")
    }
  }

  /// Writes `probabilities.npy`, where it was asked for.
  private func write(_ probabilities: ClassProbabilities?) throws {
    guard let probabilities else { return }
    try session.communicator.collectively {
      guard isWriter else { return }
      try keeper.write(to: folder.probabilities) {
        try writeNumpy(probabilities.values, columns: probabilities.classCount, to: $0)
      }
    }
  }

  private func write(_ model: Model, result: RunResult, hasVerdict: Bool) throws {
    try session.communicator.collectively {
      guard isWriter else { return }
      let state = model.stateDictionary(names: plan.tensorNames)
      let metadata = state.metadata.merging(try ModelOrigin.metadata(of: plan, data)) { own, _ in
        own
      }
      try keeper.write(to: folder.model) {
        try writeSafetensors(state.tensors, metadata: metadata, to: $0)
      }
      try keeper.write(to: folder.result) { try writeJSON(result, to: $0) }
      report.write(stage: nil)
      LiveLine.clear()
      printLines(
        resultTable(
          result, classNames: data.training.classNames,
          target: data.triggered?.target))
      print("\nweights_sha256 \(result.weightsSHA256)")
      let files =
        hasVerdict
        ? "report.html, result.json, suspects.csv, scores.npy, "
          + (wantsProbabilities ? "probabilities.npy, " : "")
        : "report.html, result.json, "
      printLines(
        "written to \(folder.path): \(files)confusion.csv, model.safetensors, run.json, metrics.jsonl"
      )
    }
  }
}

/// Where a model is put when it is trained.
private final class ModelPlace {
  var model: Model?
}

/// Ends a defence that has said what was asked for; thrown on all ranks.
private struct VerdictReached: Error {
  let verdict: Verdict
}

/// A verdict was asked of a defence that gives none.
struct JudgesNobody: ReportableError {
  let defense: String

  var exitCode: MecaCore.ExitCode { .usage }
  var description: String {
    "detect: --defense \(defense) judges no samples; take another (meca-dist defenses), or train"
  }
}

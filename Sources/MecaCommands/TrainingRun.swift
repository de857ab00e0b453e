import Foundation
import MecaAttacks
import MecaCore
import MecaDefenses
import MecaNN
import MecaReport
import MecaTraining

/// One run from data to files: trains what the plan names, evaluates it, writes the run folder.
struct TrainingRun {
  let plan: RunPlan
  let session: TrainingSession
  let data: TrainingData
  let folder: RunFolder
  let checkpoints: CheckpointStore

  /// Name of the first phase, if the comparison is wanted.
  static let undefended = "undefended"

  private var isWriter: Bool { session.communicator.rank == 0 }

  /// Does everything and prints the closing table on rank 0.
  ///
  /// - Ranks: collective.
  func execute() throws {
    let network = plan.network(for: data)
    var result = RunResult(
      weightsSHA256: "", seconds: 0, ranks: session.communicator.size, imagesPerSecond: 0)
    var final: Model?

    if plan.undefended {
      let model = try baseline(Self.undefended, network: network) {
        try trainUndefended(session, data: data, network: network, recipe: plan.recipe)
      }
      result.noDefense = try figures(model)
      final = model
    }
    if plan.defense == .meca {
      let outcome = try Meca(
        plan.meca, session: session, data: data, network: network, checkpoints: checkpoints,
        undefended: plan.meca.clean == plan.recipe ? final : nil
      ).run()
      result.defended = try figures(outcome.clean)
      result.relearned = try figures(outcome.relearned)
      result.detection = detectionFigures(outcome)
      try writeDetection(outcome)
      final = outcome.relearned
    }
    if plan.oracle && data.truth?.count(.poison) == data.training.count {
      session.journal.warn("every training sample is poisoned: there is no oracle to train")
    } else if plan.oracle {
      let model = try baseline("oracle", network: network) {
        try trainOracle(session, data: data, network: network, recipe: plan.recipe)
      }
      result.oracle = try figures(model)
    }
    guard let final else { preconditionFailure("no model was trained") }
    try session.requireEqualWeights(final)
    result.weightsSHA256 = final.weightsDigest()
    result.seconds = session.journal.seconds
    result.imagesPerSecond = session.trainingImagesPerSecond
    try write(final, result: result)
  }

  /// A comparison model, or its checkpoint.
  private func baseline(
    _ name: String, network: NetworkConfiguration, _ train: () throws -> Model
  ) throws -> Model {
    var trained: Model?
    let state = try session.phase(name, settings: plan.recipe, checkpoints: checkpoints) {
      let model = try train()
      trained = model
      return PhaseState(tensors: model.exportTensors())
    }
    if let trained { return trained }
    let model = try Model(network, engine: session.engine, seed: 0)
    try model.importTensors(state.tensors)
    return model
  }

  private func figures(_ model: Model) throws -> ModelFigures {
    let accuracy = try session.accuracy(model, on: data.test)
    let success = try data.triggered.map { try session.attackSuccess(model, on: $0) }
    return ModelFigures(
      accuracy: accuracy.all, attackSuccess: success?.victims,
      attackSuccessOnAll: success?.allOthers, accuracyPerClass: accuracy.perClass)
  }

  private func detectionFigures(_ outcome: MecaOutcome) -> DetectionFigures {
    let detection = outcome.detection
    var flagged = [Bool](repeating: false, count: data.training.count)
    for index in detection.flagged { flagged[Int(index)] = true }
    let isPoison = flagged.indices.map { data.isPoison($0) }
    func flaggedShare(_ members: [Int]) -> Double? {
      members.isEmpty ? nil : Double(members.count { flagged[$0] }) / Double(members.count)
    }
    let clean = flagged.indices.filter { !isPoison[$0] }
    var figures = DetectionFigures(
      separated: !detection.suspiciousLabels.isEmpty,
      suspiciousLabels: detection.suspiciousLabels, flagged: detection.flagged.count,
      keptPerClass: (0..<data.classCount).map { label in
        let members = clean.filter { Int(data.labels[$0]) == label }
        guard !members.isEmpty else { return nil }
        return Double(members.count { !flagged[$0] }) / Double(members.count)
      })
    if let truth = data.truth {
      let poisons = flagged.indices.filter { isPoison[$0] }
      let covers = clean.filter { truth.roles[$0] == .cover }
      figures.tpr = flaggedShare(poisons)
      figures.poisoned = poisons.count
      figures.fpr = flaggedShare(clean)
      figures.clean = clean.count
      figures.covers = covers.isEmpty ? nil : covers.count
      figures.coverFlagged = flaggedShare(covers)
      figures.auroc = areaUnderROC(outcome.evidence.logLoss.map { -$0 }, positive: isPoison)
    }
    return figures
  }

  /// Writes `suspects.csv` and `scores.npy` as soon as they are known.
  private func writeDetection(_ outcome: MecaOutcome) throws {
    try session.communicator.collectively {
      guard isWriter else { return }
      let evidence = outcome.evidence
      let suspects = outcome.detection.flagged.map { index in
        Suspect(
          index: Int(index), relabelledAs: Int(outcome.relabelled[Int(index)]),
          divergence: evidence.divergence[Int(index)], evidence: evidence.logLoss[Int(index)],
          spareShare: outcome.detection.spareShare[Int(index)])
      }
      try writeSuspects(suspects, data: data, to: folder.suspects)
      var flagged = [Float](repeating: 0, count: data.training.count)
      for index in outcome.detection.flagged { flagged[Int(index)] = 1 }
      let rows = evidence.logLoss.indices.flatMap { index in
        [
          evidence.divergence[index], evidence.logLoss[index],
          Float(evidence.prediction[index]), flagged[index],
          outcome.detection.spareShare[index],
        ]
      }
      try writeNumpy(rows, columns: 5, to: folder.scores)
    }
  }

  private func write(_ model: Model, result: RunResult) throws {
    try session.communicator.collectively {
      guard isWriter else { return }
      let state = model.stateDictionary(names: plan.tensorNames)
      try writeSafetensors(
        state.tensors,
        metadata: state.metadata.merging(
          try ModelOrigin.metadata(
            of: plan, attack: data.attack, classNames: data.training.classNames)
        ) { own, _ in own },
        to: folder.model)
      try writeJSON(result, to: folder.result)
      print(
        resultTable(
          result, classNames: data.training.classNames,
          target: data.triggered?.target))
      print("\nweights_sha256 \(result.weightsSHA256)")
      let files =
        plan.defense == .meca ? "result.json, suspects.csv, scores.npy, " : "result.json, "
      print("written to \(folder.path): \(files)model.safetensors, run.json, metrics.jsonl")
    }
  }
}

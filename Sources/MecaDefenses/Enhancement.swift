import MecaCore
import MecaNN
import MecaTraining

/// What the detectors say of every training sample.
public struct Evidence: Sendable {
  /// Perturbation KL after the warm-up, nats.
  public var divergence: [Float]
  /// Mean over the last iterations of log10 of the cross entropy to the given label.
  public var logLoss: [Float]
  /// Class that the enhanced detectors give.
  public var prediction: [Int32]
}

extension Meca {
  /// Algorithm 2: unlearn the surely clean, learn the rest, until the backdoor alone is left.
  ///
  /// - Ranks: collective.
  func enhance(_ detectors: CrossFit) throws -> Evidence {
    let state = try session.phase("enhance", checkpoints: checkpoints) {
      let start = try score(detectors, round: 0)
      var records = start
      var logLosses: [[Float]] = []
      for (round, rate) in configuration.partitionRates.enumerated() {
        let surelyClean = partition(records, rate: rate)
        try unlearn(detectors, surelyClean: surelyClean, round: round)
        records = try score(detectors, round: round + 1)
        logLosses.append(records.map { log10Loss($0.loss) })
        report(records, round: round)
      }
      if logLosses.isEmpty { logLosses.append(start.map { log10Loss($0.loss) }) }
      return PhaseState(tensors: [
        .list("divergence", start.map(\.divergence)),
        .list("log_loss", mean(logLosses.suffix(Self.roundsAveraged))),
        .list("prediction", records.map { Float($0.prediction) }),
      ])
    }
    return Evidence(
      divergence: try state.values("divergence"), logLoss: try state.values("log_loss"),
      prediction: try state.values("prediction").map { Int32($0) })
  }

  /// Iterations that the evidence is averaged over.
  static let roundsAveraged = 3

  /// Scores every sample by the detector that was not trained on it.
  private func score(_ detectors: CrossFit, round: Int) throws -> [SampleRecord] {
    try detectors.ask { model, indices in
      try session.score(
        model, on: data.training, indices: indices, labels: data.labels,
        perturbation: configuration.perturbation, round: round)
    }
  }

  /// Algorithm 1: the top fraction of each label by (misclassified first, then KL) is surely clean.
  ///
  /// After the first unlearning clean samples are confidently wrong and hence "robust": the KL
  /// alone would turn the order round.
  ///
  /// - Returns: for every sample whether it is surely clean.
  private func partition(_ records: [SampleRecord], rate: Float) -> [Bool] {
    let ranks = scaledRanks(records.map(\.divergence))
    let keys = records.indices.map { index in
      ranks[index] + (records[index].prediction == data.labels[index] ? 0 : 2)
    }
    var surelyClean = [Bool](repeating: false, count: keys.count)
    for place in topFraction(rate, of: keys, within: data.labels) { surelyClean[place] = true }
    return surelyClean
  }

  /// One iteration of every detector: mean CE(rest) − λ · mean min(CE(surely clean), cap), the two
  /// parts in logical shards, and so in batch statistics, of their own.
  private func unlearn(_ detectors: CrossFit, surelyClean: [Bool], round: Int) throws {
    let isLast = round == configuration.partitionRates.count - 1
    for (fold, model) in detectors.models.enumerated() {
      let learnt = detectors.learnt(fold)
      let clean = learnt.filter { surelyClean[Int($0)] }
      let rest = learnt.filter { !surelyClean[Int($0)] }
      guard !clean.isEmpty, !rest.isEmpty else { continue }
      let half = session.compute.shards / 2
      try session.train(
        model, on: data.training,
        phase: TrainingPhase(
          name: "enhance \(round + 1)/\(configuration.partitionRates.count), detector \(fold + 1)",
          groups: [
            TrainingGroup(indices: rest, weight: 1, lossCap: .infinity, shards: half),
            TrainingGroup(
              indices: clean, weight: -configuration.unlearnCoefficient,
              lossCap: configuration.lossCap, shards: half),
          ],
          labels: data.labels,
          recipe: TrainingRecipe(
            epochs: configuration.enhanceEpochs,
            learningRate: isLast ? configuration.lastEnhanceRate : configuration.enhanceRate,
            schedule: .constant, gradientClip: configuration.gradientClip),
          orderKey: 1 << 6 | round << 4 | fold))
    }
  }

  private func report(_ records: [SampleRecord], round: Int) {
    let fitted = records.indices.filter { records[$0].prediction == data.labels[$0] }.count
    session.journal.say(
      "enhance \(round + 1)/\(configuration.partitionRates.count): "
        + "\(fixed(Double(fitted) / Double(records.count) * 100, 1)) % still fitted")
    session.journal.record(
      "enhance",
      ["round": .integer(round + 1), "fitted": .number(Double(fitted) / Double(records.count))])
  }
}

/// log10 of a cross entropy, with the floor that float logits can resolve.
func log10Loss(_ loss: Float) -> Float { Float(log10OfDouble(max(Double(loss), 1e-8))) }

/// The mean of equally long lists, place by place.
private func mean(_ lists: ArraySlice<[Float]>) -> [Float] {
  let count = Float(lists.count)
  return lists.first!.indices.map { place in
    lists.reduce(Float(0)) { $0 + $1[place] } / count
  }
}

import MecaCore
import MecaNN
import MecaTraining

/// What the detectors say of every training sample, iteration by iteration.
public struct Evidence: Sendable {
  /// Perturbation KL after the warm-up, nats.
  public var divergence: [Float]
  /// log10 of the cross entropy to the given label, after the warm-up and after each iteration.
  public var logLosses: [[Float]]
  /// Whether the given label was predicted, for the same moments.
  public var fitted: [[Bool]]
  /// Class that the detectors give in the end.
  public var prediction: [Int32]

  /// All values.
  package init(
    divergence: [Float], logLosses: [[Float]], fitted: [[Bool]], prediction: [Int32]
  ) {
    self.divergence = divergence
    self.logLosses = logLosses
    self.fitted = fitted
    self.prediction = prediction
  }

  /// Iterations that the verdict is averaged over.
  static let roundsAveraged = 3

  /// Mean log10 loss over the last iterations.
  public var logLoss: [Float] { meanOfLists(logLosses.suffix(Self.roundsAveraged)) }
}

/// The mean of equally long lists, place by place.
package func meanOfLists(_ lists: ArraySlice<[Float]>) -> [Float] {
  guard let first = lists.first else { return [] }
  return first.indices.map { place in
    lists.reduce(Float(0)) { $0 + $1[place] } / Float(lists.count)
  }
}

/// How far the most separated label stands out from the ordinary one: largest less lower median.
///
/// - Units: decades of the loss.
package func standout(_ separations: [Double]) -> Double {
  guard let largest = separations.max() else { return 0 }
  return largest - lowerMedian(separations)
}

/// The median; of an even number of values the lower of the two in the middle.
package func lowerMedian(_ values: [Double]) -> Double { values.sorted()[(values.count - 1) / 2] }

/// The detectors after one iteration of Algorithm 2, and what is known by then.
struct EnhancedMoment {
  /// Number of the iteration, from 1.
  var iteration: Int
  /// How far one label stood out after it; see `standout`.
  var standout: Double
  /// The evidence up to there.
  var evidence: Evidence
  /// The detectors' weights and statistics.
  var state: [NamedTensor]

  /// Moments that the confirmation may start from, the most promising first.
  static let kept = 3
}

extension Meca {
  /// Algorithm 2: unlearn the surely clean, learn the rest, until the backdoor alone is left.
  ///
  /// The partition of each iteration rests on the mean of the last three iterations' ranks; from
  /// the second iteration on the losses under the enhanced detectors count as much as the KL.
  ///
  /// An iteration can also damage the backdoor, when poisoned samples come to be unlearnt. So the
  /// states are kept after those iterations where one label stood out most (`standout`).
  ///
  /// - Ranks: collective.
  /// - Returns: the moments to start the confirmation from, the most promising first.
  func enhance(
    _ detectors: CrossFit, _ attempt: DetectionAttempt
  ) throws -> [EnhancedMoment] {
    let state = try session.phase(
      attempt.phase("enhance"),
      settings: EvidenceSettings(
        warmUp: configuration.warmUpSettings(attempt), enhance: configuration.enhance),
      checkpoints: checkpoints
    ) {
      var records = try score(detectors, round: 0)
      var history = [records]
      report(records, moment: attempt.phase(Self.warmUpPhase))
      var ranks = [cleanness(records, labels: data.labels)]
      var moments: [EnhancedMoment] = []
      for round in configuration.enhance.partitionRates.indices {
        let picked = try session.decided {
          surelyClean(
            meanOfLists(ranks.suffix(Evidence.roundsAveraged)), labels: data.labels,
            rates: partitionRates(round: round, history: history))
        }
        try unlearn(detectors, surelyClean: picked, round: round, attempt)
        // After the last iteration nothing is picked any more.
        let isLast = round == configuration.enhance.partitionRates.count - 1
        records =
          isLast
          ? try heldOut(detectors, labels: data.labels) : try score(detectors, round: round + 1)
        history.append(records)
        if !isLast {
          let lossRanks = ranksWithinLabel(records.map(\.loss), labels: data.labels)
          ranks.append(meanOfLists([cleanness(records, labels: data.labels), lossRanks][...]))
        }
        report(
          records,
          moment:
            "\(attempt.phase("enhance")) \(round + 1)/\(configuration.enhance.partitionRates.count)"
        )
        moments.append(
          EnhancedMoment(
            iteration: round + 1,
            standout: try session.decided { [standout(separations(records))] }[0],
            evidence: Evidence(history: history, labels: data.labels),
            state: detectors.exported()))
        moments.sort { ($1.standout, $0.iteration) < ($0.standout, $1.iteration) }
        moments = Array(moments.prefix(EnhancedMoment.kept))
      }
      return PhaseState(
        tensors: moments.enumerated().flatMap { $1.tensors.within("moment\($0)") })
    }
    return try (0..<min(EnhancedMoment.kept, configuration.enhance.partitionRates.count)).map {
      try EnhancedMoment(tensors: state.tensors.taken(from: "moment\($0)"))
    }
  }

  /// Each label's separation at one moment; see `TwoModes.separation`.
  private func separations(_ records: [SampleRecord]) -> [Double] {
    membersOfLabels(data.labels).map { members in
      twoModes(members.map { log10Loss(records[$0].loss) }).separation
    }
  }

  /// The settings that the evidence depends on.
  private struct EvidenceSettings: Encodable {
    var warmUp: WarmUpConfiguration
    var enhance: EnhanceConfiguration
  }

  /// Scores every sample by the detector that was not trained on it.
  private func score(_ detectors: CrossFit, round: Int) throws -> [SampleRecord] {
    try detectors.ask { model, indices in
      try session.score(
        model, on: data.training, indices: indices, labels: data.labels,
        perturbation: configuration.enhance.perturbation, round: round)
    }
  }

  /// The fraction of each label that an iteration picks as surely clean ("p").
  ///
  /// From the third iteration on each label that falls into two modes gives at least three quarters
  /// of the upper one, so that the clean samples of the target class are unlearnt like all others.
  private func partitionRates(round: Int, history: [[SampleRecord]]) -> [Float] {
    let scheduled = configuration.enhance.partitionRates[round]
    guard round >= 2 else { return [Float](repeating: scheduled, count: data.classCount) }
    let logLosses = history.suffix(2).map { $0.map { log10Loss($0.loss) } }
    return adaptedRates(scheduled, meanLogLoss: meanOfLists(logLosses[...]), labels: data.labels)
  }

  /// One iteration of every detector: mean CE(rest) − λ · mean min(CE(surely clean), cap), the two
  /// parts in logical shards, and so in batch statistics, of their own.
  ///
  /// λ grows over the iterations: picks that the warmed-up detectors make hold the most poison, and
  /// where that outweighs the poison that is learnt, the backdoor itself is unlearnt.
  private func unlearn(
    _ detectors: CrossFit, surelyClean: [Bool], round: Int, _ attempt: DetectionAttempt
  ) throws {
    for (fold, model) in detectors.models.enumerated() {
      let learnt = detectors.learnt(fold)
      let clean = learnt.filter { surelyClean[Int($0)] }
      let rest = learnt.filter { !surelyClean[Int($0)] }
      guard !clean.isEmpty, !rest.isEmpty else { continue }
      let half = session.compute.shards / 2
      try session.train(
        model, on: data.training,
        phase: TrainingPhase(
          name:
            "\(attempt.phase("enhance")) \(round + 1)/\(configuration.enhance.partitionRates.count), detector \(fold + 1)",
          groups: [
            TrainingGroup(indices: rest, weight: 1, lossCap: .infinity, shards: half),
            TrainingGroup(
              indices: clean, weight: -configuration.enhance.unlearnCoefficient(round: round),
              lossCap: configuration.enhance.lossCap, shards: half),
          ],
          labels: data.labels, recipe: configuration.enhance.recipe,
          orderKey: attempt.orderKey(1 << 10 | round << 4 | fold)))
    }
  }

  /// Says how much of the set the detectors fit, and, where the ground truth is known, how much of
  /// the poisoned and of the clean samples; nothing is decided here.
  private func report(_ records: [SampleRecord], moment: String) {
    func fittedShare(_ members: [Int]) -> Double {
      Double(members.filter { records[$0].prediction == data.labels[$0] }.count)
        / Double(max(1, members.count))
    }
    let all = Array(records.indices)
    let separations = separations(records)
    var text = "\(moment): held-out samples fitted \(fixed(fittedShare(all) * 100, 1)) %"
    var values: [String: MetricValue] = [
      "moment": .text(moment), "fitted": .number(fittedShare(all)),
      "separation": .numbers(separations),
    ]
    if data.truthIsKnown {
      let poisoned = fittedShare(all.filter { data.isPoison($0) })
      let clean = fittedShare(all.filter { !data.isPoison($0) })
      text +=
        ", of the poisoned \(fixed(poisoned * 100, 1)) %, of the clean "
        + "\(fixed(clean * 100, 1)) %"
      values["fitted_poisoned"] = .number(poisoned)
      values["fitted_clean"] = .number(clean)
    }
    session.journal.say(
      text + "; separation " + separations.map { fixed($0, 2) }.joined(separator: " "))
    session.journal.record("evidence", values)
  }
}

extension EnhancedMoment {
  /// The moment as a checkpoint holds it.
  fileprivate var tensors: [NamedTensor] {
    [.list("number", [Float(iteration), Float(standout)])] + evidence.tensors.within("evidence")
      + state.within("detectors")
  }

  /// - Throws: `FileError.malformed` if a list is missing.
  fileprivate init(tensors: [NamedTensor]) throws {
    let numbers = try PhaseState(tensors: tensors).values("number")
    iteration = Int(numbers[0])
    standout = Double(numbers[1])
    evidence = try Evidence(state: PhaseState(tensors: tensors.taken(from: "evidence")))
    state = tensors.taken(from: "detectors")
  }
}

extension Evidence {
  /// The evidence of all moments, warm-up first.
  init(history: [[SampleRecord]], labels: [Int32]) {
    divergence = history[0].map(\.divergence)
    logLosses = history.map { $0.map { log10Loss($0.loss) } }
    fitted = history.map { records in
      records.indices.map { records[$0].prediction == labels[$0] }
    }
    prediction = history[history.count - 1].map(\.prediction)
  }

  /// The evidence as a checkpoint holds it.
  var tensors: [NamedTensor] {
    var tensors = [
      NamedTensor.list("divergence", divergence),
      .list("prediction", prediction.map { Float($0) }),
    ]
    for (round, losses) in logLosses.enumerated() {
      tensors.append(.list("log_loss.\(round)", losses))
      tensors.append(.list("fitted.\(round)", fitted[round].map { $0 ? 1 : 0 }))
    }
    return tensors
  }

  /// - Throws: `FileError.malformed` if the state lacks a list.
  init(state: PhaseState) throws {
    let rounds = state.tensors.filter { $0.name.hasPrefix("log_loss.") }.count
    divergence = try state.values("divergence")
    prediction = try state.values("prediction").map { Int32($0) }
    logLosses = try (0..<rounds).map { try state.values("log_loss.\($0)") }
    fitted = try (0..<rounds).map { try state.values("fitted.\($0)").map { $0 > 0.5 } }
  }
}

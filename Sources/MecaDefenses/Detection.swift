import MecaCore
import MecaNN
import MecaTraining

/// Who is taken for poisoned.
public struct Detection: Sendable {
  /// Labels in which poisoned samples were found, ascending.
  public var suspiciousLabels: [Int]
  /// How far each label's evidence falls apart; see `TwoModes.separation`.
  public var separation: [Double]
  /// Samples taken for poisoned, ascending.
  public var flagged: [Int32]
  /// All others, ascending.
  public var kept: [Int32]
}

extension Meca {
  /// Learns the suspects as a class of their own and flags whom that class carries over to.
  ///
  /// From the warmed-up state each detector learns its own samples once more, the suspects with
  /// the spare label. A trigger is learnt from most of its samples whatever the few wrong ones say,
  /// so the held-out prediction mends mistakes of the first verdict in both directions. A label
  /// whose suspects are not recognised when held out was split by chance and is dropped.
  ///
  /// - Ranks: collective; every rank returns the same.
  func confirm(
    _ suspicion: Suspicion, _ detectors: CrossFit, warmState: [NamedTensor]
  ) throws -> Detection {
    guard !suspicion.labels.isEmpty else {
      return Detection(
        suspiciousLabels: [], separation: suspicion.separation, flagged: [],
        kept: data.allIndices)
    }
    let state = try session.phase("confirm", settings: settingsUpToConfirm, checkpoints: checkpoints)
    {
      try detectors.restore(warmState)
      let predictions = try learnSuspects(suspicion, detectors)
      return PhaseState(tensors: [.list("prediction", predictions.map { Float($0) })])
    }
    let isSpare = try state.values("prediction").map { Int($0) == data.classCount }
    let confirmed = suspicion.labels.filter { label in
      carriesOver(suspicion, isSpare: isSpare, label: label)
    }
    let isFlagged = data.labels.indices.map {
      isSpare[$0] && confirmed.contains(Int(data.labels[$0]))
    }
    return Detection(
      suspiciousLabels: confirmed, separation: suspicion.separation,
      flagged: data.allIndices.filter { isFlagged[Int($0)] },
      kept: data.allIndices.filter { !isFlagged[Int($0)] })
  }

  /// Held-out predictions after the detectors have learnt the suspects as the spare class.
  private func learnSuspects(_ suspicion: Suspicion, _ detectors: CrossFit) throws -> [Int32] {
    let spare = Int32(data.classCount)
    let labels = data.labels.indices.map {
      suspicion.isSuspect[$0] ? spare : data.labels[$0]
    }
    for (fold, model) in detectors.models.enumerated() {
      try session.train(
        model, on: data.training,
        phase: TrainingPhase(
          name: "confirm \(fold + 1)/\(detectors.models.count)",
          groups: [.learn(detectors.learnt(fold), shards: session.compute.shards)],
          labels: labels, recipe: configuration.confirm, orderKey: 1 << 11 | fold))
    }
    return try detectors.ask { model, indices in
      try session.evaluate(model, on: data.training, indices: indices, labels: data.labels)
    }.map(\.prediction)
  }

  /// Whether most of a label's suspects, and few of its others, are recognised when held out.
  private func carriesOver(_ suspicion: Suspicion, isSpare: [Bool], label: Int) -> Bool {
    func share(suspects: Bool) -> Double {
      let members = data.labels.indices.filter {
        Int(data.labels[$0]) == label && suspicion.isSuspect[$0] == suspects
      }
      return Double(members.filter { isSpare[$0] }.count) / Double(max(1, members.count))
    }
    let (recognised, others) = (share(suspects: true), share(suspects: false))
    let holds = recognised >= 0.5 && others <= 0.5 && recognised > others
    session.journal.say(
      "label \(label): \(fixed(recognised * 100, 1)) % of the suspects and "
        + "\(fixed(others * 100, 1)) % of the others are recognised when held out"
        + (holds ? "" : "; not confirmed"))
    session.journal.record(
      "confirmation",
      [
        "label": .integer(label), "recognised_suspects": .number(recognised),
        "recognised_others": .number(others),
      ])
    return holds
  }

  /// The settings that the confirmation depends on.
  private var settingsUpToConfirm: MecaConfiguration {
    var settings = configuration
    settings.clean = settings.confirm
    settings.relearn = settings.confirm
    return settings
  }
}

import MecaCore
import MecaTraining

extension MeCaMethod {
  /// Algorithm 2: unlearn the surely clean, learn the rest, until the backdoor alone is left.
  ///
  /// The partition of each iteration rests on the mean of the last three iterations' ranks; from
  /// the second iteration on the losses under the enhanced detectors count as much as the KL.
  ///
  /// An iteration can also damage the backdoor, when poisoned samples come to be unlearnt. So the
  /// states are kept after those iterations where one label stood out most (`standout`).
  ///
  /// - Ranks: collective.
  /// - Returns: the moments to start the verdict from, the most promising first.
  func enhance(
    _ detectors: CrossFit, from warm: Finished<CrossFitState>, _ attempt: DetectionAttempt
  ) throws -> Finished<EnhancedMoments> {
    let own = enhancement
    return try bench.stage(attempt.name("enhance"), own, after: [warm.digest]) { key in
      try detectors.restore(warm.state)
      var records = try score(detectors, key: key.member("score", 0))
      var history = [records]
      report(records, attempt.name("warm-up"))
      var ranks = [cleanness(records, labels: data.labels, settings.cleanOrder)]
      var result = EnhancedMoments()
      for round in own.partitionRates.indices {
        let picked = try bench.decided {
          pick(meanOfLists(ranks.suffix(Evidence.roundsAveraged)), round: round, history)
        }
        try unlearn(
          detectors, surelyClean: picked, round: round, key: key.member("iteration", round))
        // After the last iteration nothing is picked any more.
        let isLast = round == own.partitionRates.count - 1
        records =
          isLast
          ? try heldOut(detectors, labels: data.labels)
          : try score(detectors, key: key.member("score", round + 1))
        history.append(records)
        if !isLast { ranks.append(laterRanks(records)) }
        report(
          records, "\(attempt.name("enhance")) \(round + 1)/\(own.partitionRates.count)")
        result.add(
          EnhancedMoment(
            iteration: round + 1,
            standout: try bench.decided {
              let separations = separations(records)
              return [standout(comparedLabels.map { separations[$0] })]
            }[0],
            evidence: Evidence(history: history, labels: data.labels),
            detectors: detectors.state), rule: own.verdict)
      }
      return result
    }
  }

  /// What the held-out detectors say of every sample, with the loss to one of `labels`; no KL.
  ///
  /// - Ranks: collective; every rank returns the same.
  func heldOut(_ detectors: CrossFit, labels: [Int32]) throws -> [SampleRecord] {
    try detectors.ask { model, _, indices in
      try bench.judge(model, indices, labels: labels)
    }
  }

  /// Scores every sample by the detector that was not trained on it.
  private func score(_ detectors: CrossFit, key: StageKey) throws -> [SampleRecord] {
    try detectors.ask { model, fold, indices in
      try bench.robustness(
        model, indices, labels: data.labels, settings.perturbation,
        key: key.member("detector", fold))
    }
  }

  /// Each label's separation at one moment; see `TwoModes.separation`.
  private func separations(_ records: [SampleRecord]) -> [Double] {
    membersOfLabels(data.labels).map { members in
      twoModes(members.map { log10Loss(records[$0].loss) }).separation
    }
  }

  /// Ranks after an iteration.
  private func laterRanks(_ records: [SampleRecord]) -> [Float] {
    let ranks = cleanness(records, labels: data.labels, settings.cleanOrder)
    guard settings.cleanOrder == .misclassified else { return ranks }
    return meanOfLists([ranks, ranksWithinLabel(records.map(\.loss), labels: data.labels)][...])
  }

  /// Algorithm 1's cut: who is surely clean in an iteration.
  private func pick(
    _ cleanness: [Float], round: Int, _ history: [[SampleRecord]]
  ) -> [Bool] {
    switch settings.partition {
    case .label:
      surelyClean(
        cleanness, labels: data.labels, rates: partitionRates(round: round, history: history))
    case .all:
      surelyClean(
        cleanness, labels: [Int32](repeating: 0, count: data.count),
        rates: [settings.partitionRates[round]])
    }
  }

  /// The fraction of each label that an iteration picks as surely clean ("p").
  ///
  /// From the third iteration on each label that falls into two modes gives at least three quarters
  /// of the upper one, so that the clean samples of the target class are unlearnt like all others.
  private func partitionRates(round: Int, history: [[SampleRecord]]) -> [Float] {
    let scheduled = settings.partitionRates[round]
    guard round >= 2, settings.adaptRates else {
      return [Float](repeating: scheduled, count: data.classCount)
    }
    let logLosses = history.suffix(2).map { $0.map { log10Loss($0.loss) } }
    return adaptedRates(scheduled, meanLogLoss: meanOfLists(logLosses[...]), labels: data.labels)
  }

  /// One iteration of every detector: mean CE(rest) − λ · mean min(CE(surely clean), cap), the two
  /// parts in logical shards, and so in batch statistics, of their own.
  ///
  /// λ grows over the iterations: picks that the warmed-up detectors make hold the most poison, and
  /// where that outweighs the poison that is learnt, the backdoor itself is unlearnt.
  private func unlearn(
    _ detectors: CrossFit, surelyClean: [Bool], round: Int, key: StageKey
  ) throws {
    let recipe = enhancement.recipe
    for (fold, model) in detectors.models.enumerated() {
      let learnt = detectors.learnt(fold)
      let clean = learnt.filter { surelyClean[Int($0)] }
      let rest = learnt.filter { !surelyClean[Int($0)] }
      guard !clean.isEmpty, !rest.isEmpty else { continue }
      let lesson = Lesson(
        groups: [
          TrainingGroup(indices: rest),
          TrainingGroup(
            indices: clean, weight: -settings.unlearnCoefficient(round: round),
            lossCap: settings.lossCap),
        ], labels: data.labels)
      try bench.train(model, lesson, recipe, key: key.member("detector", fold))
    }
  }

  /// Says how much of the set the detectors fit; nothing is decided here.
  private func report(_ records: [SampleRecord], _ moment: String) {
    let separations = separations(records)
    bench.observe(
      moment, "held-out samples fitted",
      marked: records.indices.map { records[$0].prediction == data.labels[$0] },
      logLosses: records.map { log10Loss($0.loss) },
      values: ["separation": .numbers(separations)])
  }
}

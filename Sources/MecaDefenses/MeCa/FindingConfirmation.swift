import MecaCore
import MecaTraining

#if canImport(Glibc)
  import Glibc
#endif

/// What trained detectors have made of a label that pixels spoke against.
struct Judgement: Sendable, Equatable {
  /// What comes of it.
  enum Outcome: Int, Sendable {
    /// Nothing that the suspects have in common, or nothing that is against them.
    case dropped
    /// Something, but not enough to flag anybody.
    case suspected
    /// Flagged: detectors that learnt the label from others take the suspects for other labels.
    case wrongLabel
    /// Flagged: the suspects may look like their label, but carry what a network learns and no clean
    /// set has shown; a trigger on images of its own class, a mark of their source, or contents that
    /// detectors cannot tell.
    case ownLabel
  }

  /// The label's clearest finding; its suspects are not kept.
  var finding: Finding
  /// Samples that the verdict began from.
  var suspects: Int
  /// See `carryOver`.
  var carryOver: Double
  /// Share of the suspects that are recognised as the label.
  var agreement: Double
  /// The same of the label's others.
  var othersAgreement: Double
  /// In at most which share of cases samples of the label would look so foreign; see `Looks`.
  var chance: Double
  /// What comes of it.
  var outcome: Outcome

  var label: Int { finding.label }
  /// Whether its suspects are recognised as the label at least half as often as its others.
  var looksAlike: Bool { 2 * agreement >= othersAgreement }
  /// Whether its suspects are flagged.
  var isFlagged: Bool { outcome == .wrongLabel || outcome == .ownLabel }
}

/// Judgements as a checkpoint holds them and ranks exchange them: a row of numbers each.
struct Judgements {
  var all: [Judgement]
  private static let width = 14

  init(_ all: [Judgement]) { self.all = all }

  init(numbers: [Double]) throws {
    all = try stride(from: 0, to: numbers.count, by: Self.width).map { begin in
      guard begin + Self.width <= numbers.count else { throw MissingColumn(name: "judgements") }
      let row = Array(numbers[begin..<begin + Self.width])
      let whole = row.map { Int($0) }
      guard let kind = Finding.Kind(number: whole[1]),
        let outcome = Judgement.Outcome(rawValue: whole[13])
      else { throw MissingColumn(name: "judgements") }
      return Judgement(
        finding: Finding(
          label: whole[0], kind: kind, strength: row[2], isStrong: whole[3] == 1,
          rows: whole[4]..<whole[5], columns: whole[6]..<whole[7], suspects: []),
        suspects: whole[8], carryOver: row[9], agreement: row[10], othersAgreement: row[11],
        chance: row[12], outcome: outcome)
    }
  }

  var numbers: [Double] {
    all.flatMap { judgement -> [Double] in
      let finding = judgement.finding
      let place = [
        finding.isStrong ? 1 : 0, finding.rows.lowerBound, finding.rows.upperBound,
        finding.columns.lowerBound, finding.columns.upperBound, judgement.suspects,
      ]
      var row = [Double(finding.label), Double(finding.kind.number), finding.strength]
      row += place.map { Double($0) }
      row += [judgement.carryOver, judgement.agreement, judgement.othersAgreement]
      row += [judgement.chance, Double(judgement.outcome.rawValue)]
      return row
    }
  }
}

extension Findings {
  /// Whether each of `count` samples is suspected: of each label those of its strong findings, and
  /// where there is none those of its clearest.
  func suspects(count: Int) -> [Bool] {
    var isSuspect = [Bool](repeating: false, count: count)
    for finding in all where finding.isStrong || finding == clearest(of: finding.label) {
      for sample in finding.suspects { isSuspect[Int(sample)] = true }
    }
    return isSuspect
  }

  /// The labels with a finding, ascending.
  var labels: [Int] { Set(all.map(\.label)).sorted() }

  /// The finding of a label that says most: a strong one, and the one that is easiest to show.
  func clearest(of label: Int) -> Finding? {
    all.filter { $0.label == label }.min {
      ($0.isStrong ? 0 : 1, $0.kind.number) < ($1.isStrong ? 0 : 1, $1.kind.number)
    }
  }
}

extension MeCaMethod {
  /// What pixels say before anything is trained; nil where they are not asked.
  ///
  /// - Ranks: collective.
  func lookAtPixels() throws -> Finished<Findings>? {
    guard !kindsLookedFor.isEmpty, canConfirm else { return nil }
    let kinds = kindsLookedFor
    return try bench.stage("findings", kinds.map(\.rawValue), after: []) {
      try Forensics(bench: bench, kinds: kinds).findings(key: $0)
    }
  }

  /// Looks at pixels, and says whom they speak against and how the run goes on.
  ///
  /// - Ranks: collective.
  func sayWhatPixelsShow() throws {
    guard let findings = try lookAtPixels() else {
      if !kindsLookedFor.isEmpty {
        bench.say(
          "pixels are not looked at: with one fold, or without carry-over, nobody could be asked "
            + "about the suspects")
      }
      return
    }
    bench.expect(findings.state.all.isEmpty ? .suspected : .found)
    bench.observe(
      "pixels", "suspected", marked: findings.state.suspects(count: data.count), values: [:])
  }

  /// What pixels are searched for.
  private var kindsLookedFor: [Finding.Kind] {
    settings.proposers.compactMap { Finding.Kind(rawValue: $0.rawValue) }
  }

  /// Whether detectors can be asked about suspects that they have not learnt.
  private var canConfirm: Bool { settings.folds > 1 && settings.verdict == .carryOver }

  /// What stands for the findings where nobody has looked.
  func noFindings() throws -> Finished<Findings> {
    Finished(
      state: Findings(),
      digest: try StageDigest(StageKey("findings"), settings: NoSettings(), after: []))
  }

  /// The verdict where pixels say nothing and nobody else is asked.
  func nothingFound(_ findings: Finished<Findings>) throws -> Finished<Detection> {
    try bench.stage("nothing found", NoSettings(), after: [findings.digest]) { _ in
      let none = [Float](repeating: 0, count: data.count)
      return Detection(
        isFlagged: [Bool](repeating: false, count: data.count), labels: data.labels,
        separation: [Double](repeating: 0, count: data.classCount), spareShare: none, score: none,
        evidence: Evidence(
          divergence: none, logLosses: [none], fitted: [none.map { _ in true }],
          prediction: data.labels))
    }
  }

  /// Asks detectors that have learnt the suspects as classes of their own about everybody.
  ///
  /// They were warmed up with the findings' suspects in the spare classes; those that they recognise
  /// when held out join the suspects, and the detectors learn a little more. Then, for each label:
  /// do its suspects carry over to held-out samples, and do they look like their label? The spare
  /// classes have taken the trigger up, so that the best real class is what the image shows.
  ///
  /// - Ranks: collective; every rank returns the same.
  func confirm(
    _ findings: Finished<Findings>, _ detectors: CrossFit, from warm: Finished<CrossFitState>
  ) throws -> Finished<Detection> {
    let own = confirmation
    return try bench.stage("confirm findings", own, after: [findings.digest, warm.digest]) { key in
      try detectors.restore(warm.state)
      let proposed = findings.state.suspects(count: data.count)
      let labels = findings.state.labels
      let first = try ask(detectors, labels: data.labels)
      let suspects = try bench.decided { joined(proposed, first, labels) }
      try learnSuspects(
        Suspicion(
          labels: labels, separation: [Double](repeating: 0, count: data.classCount),
          isSuspect: suspects), detectors, key: key)
      let answers = try ask(detectors, labels: data.labels)
      let stamps = try bench.decided {
        [stampEvidence(findings.state, suspects: suspects, answers)]
      }[0]
      var isFlagged = [Bool](repeating: false, count: data.count)
      var isUnconfirmed = isFlagged
      var judgements: [Judgement] = []
      for label in labels {
        guard let finding = findings.state.clearest(of: label) else { continue }
        // On rank 0: probabilities come from functions that may differ in the last digit.
        let numbers = try bench.decided {
          Judgements([judge(finding, suspects: suspects, stamps: stamps, answers)]).numbers
        }
        guard let judgement = try Judgements(numbers: numbers).all.first else { continue }
        judgements.append(judgement)
        say(judgement)
        if judgement.outcome == .suspected {
          for sample in data.labels.indices
          where proposed[sample] && Int(data.labels[sample]) == label {
            isUnconfirmed[sample] = true
          }
        }
        guard judgement.isFlagged else { continue }
        let isLearnt = judgement.carryOver >= Self.learntCarryOver
        let cut = isLearnt ? try usualExcess(of: label, detectors) : .infinity
        let flags = try bench.decided {
          flagged(label, finding, proposed: proposed, answers, cut: cut)
        }
        for sample in flags { isFlagged[Int(sample)] = true }
      }
      let records = try heldOut(detectors, labels: data.labels)
      var detection = Detection(
        isFlagged: isFlagged, labels: data.labels,
        droppedLabels: judgements.filter { $0.outcome == .dropped }.map { Int32($0.label) },
        separation: [Double](repeating: 0, count: data.classCount),
        spareShare: try bench.decided {
          answers.map { Float(1 / (1 + exp(-Double($0.excess)))) }
        },
        score: answers.map(\.excess), evidence: Evidence(history: [records], labels: data.labels))
      detection.isUnconfirmed = isUnconfirmed
      detection.judgements = judgements
      return detection
    }
  }

  /// What the detectors say of samples that they have not learnt, of one label's spare class each.
  func ask(_ detectors: CrossFit, labels: [Int32]) throws -> [SpareAnswer] {
    var answers = [SpareAnswer](repeating: SpareAnswer(excess: 0, content: 0), count: data.count)
    for (fold, model) in detectors.models.enumerated() {
      let indices = detectors.heldOut(fold)
      let own = try bench.spareClasses(model, indices, labels: labels)
      for (index, answer) in zip(indices, own) { answers[Int(index)] = answer }
    }
    return answers
  }

  /// The suspects and, of labels whose suspects the detectors tell from their others, those who are
  /// recognised by what they have in common.
  private func joined(_ proposed: [Bool], _ answers: [SpareAnswer], _ labels: [Int]) -> [Bool] {
    let learnt = Set(
      labels.filter { carryOver(of: proposed, label: $0, answers) >= Self.learntCarryOver })
    return data.labels.indices.map { sample in
      proposed[sample]
        || (learnt.contains(Int(data.labels[sample])) && answers[sample].excess > 0)
    }
  }

  /// From which carry-over on detectors are believed that somebody belongs to the suspects: below it
  /// they recognise the label's others nearly as often.
  private static var learntCarryOver: Double { 0.5 }

  /// How far the suspects of a label carry over to held-out samples; see `carryOver`.
  private func carryOver(of isSuspect: [Bool], label: Int, _ answers: [SpareAnswer]) -> Double {
    let members = data.labels.indices.filter { Int(data.labels[$0]) == label }
    return MecaDefenses.carryOver(
      from: members.filter { isSuspect[$0] }, others: members.filter { !isSuspect[$0] },
      isRecognised: answers.map { $0.excess > 0 })
  }

  /// What the suspects of all labels with a stamp look like together, see `Looks.evidence`: a mark on
  /// all labels is one question.
  private func stampEvidence(
    _ findings: Findings, suspects: [Bool], _ answers: [SpareAnswer]
  ) -> Double {
    findings.labels.filter { findings.clearest(of: $0)?.kind == .stamp }
      .reduce(0) { $0 + looks(of: suspects, label: $1, answers).evidence }
  }

  /// What a label's answers come to; `stamps` is what `stampEvidence` gives.
  private func judge(
    _ finding: Finding, suspects: [Bool], stamps: Double, _ answers: [SpareAnswer]
  ) -> Judgement {
    let count = data.labels.indices.count {
      Int(data.labels[$0]) == finding.label && suspects[$0]
    }
    let carried = carryOver(of: suspects, label: finding.label, answers)
    let looks = looks(of: suspects, label: finding.label, answers)
    let chance = exp(min(0, -(finding.kind == .stamp ? stamps : looks.evidence)))
    var kept = finding
    kept.suspects = []
    return Judgement(
      finding: kept, suspects: count, carryOver: carried, agreement: looks.agreement,
      othersAgreement: looks.othersAgreement, chance: chance,
      outcome: outcome(finding, carryOver: carried, chance: chance))
  }

  /// Whether suspects whose looks would come up by `chance` in their label do not look like it, or
  /// looks are not asked for.
  func showsOthers(_ chance: Double) -> Bool {
    settings.contentChance == 1 || chance < Double(settings.contentChance)
  }

  /// Two ways to be flagged.
  ///
  /// Suspects that show other things than their label are flagged where the finding is strong or a
  /// network learns what they share; suspects that look like their label only where both hold, since
  /// parts of clean labels share things too. A mark on samples of all labels that look like what they
  /// are is nothing.
  private func outcome(
    _ finding: Finding, carryOver: Double, chance: Double
  ) -> Judgement.Outcome {
    let isLearnt = carryOver >= Double(settings.carryOver)
    if showsOthers(chance) {
      let isSeen = finding.isStrong || carryOver >= Self.learntCarryOver
      return isSeen ? .wrongLabel : .dropped
    }
    if finding.isStrong { return isLearnt ? .ownLabel : .suspected }
    return isLearnt && finding.kind != .stamp ? .suspected : .dropped
  }

  /// The excess of a label's spare class that one in 500 samples of other labels reaches: their
  /// contents are what the label's clean samples might be taken for, and they are practically clean.
  ///
  /// Never above 0, where the spare class is the most probable: some may carry the trigger too.
  private func usualExcess(of label: Int, _ detectors: CrossFit) throws -> Float {
    let answers = try ask(
      detectors, labels: [Int32](repeating: Int32(label), count: data.count))
    let others = data.labels.indices.filter { Int(data.labels[$0]) != label }
      .map { answers[$0].excess }.sorted()
    guard !others.isEmpty else { return 0 }
    return min(0, others[others.count - 1 - others.count / 500])
  }

  /// Who of a confirmed label is flagged.
  ///
  /// Whom the detectors recognise more than one in 500 of others, and the suspects of a strong finding
  /// and of equal pixels, whatever the detectors say of them. Detectors that have not learnt what the
  /// suspects share add nobody: their cut is infinite.
  private func flagged(
    _ label: Int, _ finding: Finding, proposed: [Bool], _ answers: [SpareAnswer], cut: Float
  ) -> [Int32] {
    let isExact = finding.kind == .patch || finding.kind == .stamp
    let certain = isExact ? Set(finding.suspects) : []
    return data.labels.indices.filter { sample in
      Int(data.labels[sample]) == label
        && (answers[sample].excess > cut || certain.contains(Int32(sample))
          || (finding.isStrong && proposed[sample]))
    }.map { Int32($0) }
  }

  private func say(_ judgement: Judgement) {
    let words =
      switch judgement.outcome {
      case .dropped: "dropped"
      case .suspected: "suspected, not confirmed"
      case .wrongLabel: "confirmed: they look like other labels"
      case .ownLabel:
        judgement.looksAlike
          ? "confirmed, though they look like their label"
          : "confirmed: a network learns what they share"
      }
    bench.say(
      "label \(data.words(ofClass: judgement.label)): \(judgement.suspects) suspects, carry-over to held-out samples "
        + fixed(judgement.carryOver, 3) + ", recognised as the label "
        + fixed(judgement.agreement * 100, 1) + " % (its others "
        + fixed(judgement.othersAgreement * 100, 1) + " %): " + words)
    bench.record(
      "judgement",
      [
        "label": .integer(judgement.label), "kind": .text(judgement.finding.kind.rawValue),
        "strength": .number(judgement.finding.strength), "suspects": .integer(judgement.suspects),
        "carry_over": .number(judgement.carryOver),
        "agreement": .number(judgement.agreement),
        "agreement_others": .number(judgement.othersAgreement),
        "chance": .number(judgement.chance), "outcome": .text("\(judgement.outcome)"),
      ])
  }
}

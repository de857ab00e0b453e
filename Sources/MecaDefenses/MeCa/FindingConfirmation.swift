import MecaCore
import MecaTraining

#if canImport(Glibc)
  import Glibc
#endif

/// What trained detectors have made of a label that pixels spoke against.
struct Judgement: Sendable, Equatable {
  /// What comes of it.
  enum Outcome: Int32, Sendable {
    /// Nothing that the suspects have in common, or nothing that is against them.
    case dropped
    /// Something, but not enough to flag anybody.
    case suspected
    /// Flagged: detectors that learnt the label from others do not see it in the suspects.
    case wrongLabel
    /// Flagged: the suspects look like their label, and carry what a network learns and no clean set
    /// has shown; a trigger on images of its own class, or a mark of their source.
    case ownLabel
  }

  /// The label.
  var label: Int
  /// Of its clearest finding.
  var kind: Finding.Kind
  /// Of its clearest finding.
  var strength: Double
  /// Samples that the verdict began from.
  var suspects: Int
  /// See `carryOver`.
  var carryOver: Double
  /// Share of the suspects whose image looks like the label, and of the label's others.
  var agreement: (suspects: Double, others: Double)
  /// How probable it is that so few suspects look like the label, were they half as often right as
  /// its others.
  var chance: Double
  /// What comes of it.
  var outcome: Outcome

  static func == (left: Self, right: Self) -> Bool { left.numbers == right.numbers }

  private var numbers: [Double] {
    [
      Double(label), Double(kind.rawValue), strength, Double(suspects), carryOver,
      agreement.suspects, agreement.others, chance, Double(outcome.rawValue),
    ]
  }

  /// The judgements that a checkpoint holds.
  static func list(in columns: Columns) throws -> [Judgement] {
    let all = try columns.doubles("judgements")
    let width = 9
    return try stride(from: 0, to: all.count, by: width).map { begin in
      guard begin + width <= all.count else { throw MissingColumn(name: "judgements") }
      let own = Array(all[begin..<begin + width])
      guard let kind = Finding.Kind(rawValue: Int32(own[1])),
        let outcome = Outcome(rawValue: Int32(own[8]))
      else { throw MissingColumn(name: "judgements") }
      return Judgement(
        label: Int(own[0]), kind: kind, strength: own[2], suspects: Int(own[3]),
        carryOver: own[4], agreement: (own[5], own[6]), chance: own[7], outcome: outcome)
    }
  }

  /// Puts judgements where a checkpoint holds them.
  static func add(_ list: [Judgement], to columns: inout Columns) {
    columns["judgements"] = .doubles(list.flatMap(\.numbers))
  }
}

extension Findings {
  /// Whether each of `count` samples is suspected: of each label those of its strong findings, and
  /// where there is none those of the weak ones.
  func suspects(count: Int) -> [Bool] {
    var isSuspect = [Bool](repeating: false, count: count)
    let strong = Set(all.filter(\.isStrong).map(\.label))
    for finding in all where finding.isStrong || !strong.contains(finding.label) {
      for sample in finding.suspects { isSuspect[Int(sample)] = true }
    }
    return isSuspect
  }

  /// The labels with a finding, ascending.
  var labels: [Int] { Set(all.map(\.label)).sorted() }

  /// The finding of a label that says most: a strong one, and the one that is easiest to show.
  func clearest(of label: Int) -> Finding? {
    all.filter { $0.label == label }.min {
      ($0.isStrong ? 0 : 1, $0.kind.rawValue) < ($1.isStrong ? 0 : 1, $1.kind.rawValue)
    }
  }
}

extension MeCaMethod {
  /// What pixels say before anything is trained.
  ///
  /// - Ranks: collective.
  func lookAtPixels() throws -> Finished<Findings> {
    let kinds = settings.proposers.compactMap { proposer -> Finding.Kind? in
      switch proposer {
      case .patch: .patch
      case .colour: .colour
      case .sharpness: .sharpness
      case .unlearning: nil
      }
    }
    let canConfirm = settings.folds > 1 && settings.verdict == .carryOver
    if !kinds.isEmpty, !canConfirm {
      bench.say(
        "pixels are not looked at: with one fold, or without carry-over, nobody could be asked about "
          + "the suspects")
    }
    guard !kinds.isEmpty, canConfirm else {
      return Finished(
        state: Findings(),
        digest: try StageDigest(StageKey("findings"), settings: NoSettings(), after: []))
    }
    return try bench.stage("findings", ForensicSettings(kinds: kinds.map(\.name)), after: []) {
      try Forensics(bench: bench, kinds: kinds).findings(key: $0)
    }
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
    let own = settings.confirm(momentum: momentum)
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
      var isFlagged = [Bool](repeating: false, count: data.count)
      var isUnconfirmed = isFlagged
      var judgements: [Judgement] = []
      for label in labels {
        guard let finding = findings.state.clearest(of: label) else { continue }
        let judgement = judge(finding, suspects: suspects, answers)
        judgements.append(judgement)
        say(judgement)
        if judgement.outcome == .suspected {
          for sample in data.labels.indices
          where proposed[sample] && Int(data.labels[sample]) == label {
            isUnconfirmed[sample] = true
          }
        }
        guard [.wrongLabel, .ownLabel].contains(judgement.outcome) else { continue }
        let cut = try usualExcess(of: label, detectors)
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
        spareShare: answers.map { Float(1 / (1 + exp(-Double($0.excess)))) },
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

  /// The suspects and those who are recognised by what they have in common.
  private func joined(_ proposed: [Bool], _ answers: [SpareAnswer], _ labels: [Int]) -> [Bool] {
    data.labels.indices.map { sample in
      proposed[sample]
        || (labels.contains(Int(data.labels[sample])) && answers[sample].excess > 0)
    }
  }

  /// What a label's answers come to.
  private func judge(
    _ finding: Finding, suspects: [Bool], _ answers: [SpareAnswer]
  ) -> Judgement {
    let members = data.labels.indices.filter { Int(data.labels[$0]) == finding.label }
    let own = members.filter { suspects[$0] }
    let others = members.filter { !suspects[$0] }
    let looks = looks(of: own, others, label: finding.label, answers)
    let carried = carryOver(
      from: own, others: others, isRecognised: answers.map { $0.excess > 0 })
    return Judgement(
      label: finding.label, kind: finding.kind, strength: finding.strength, suspects: own.count,
      carryOver: carried, agreement: looks.agreement, chance: looks.chance,
      outcome: outcome(finding, carryOver: carried, chance: looks.chance))
  }

  /// Which share of a label's suspects and of its others is recognised as the label, and how probable
  /// so few suspects are, were they half as often recognised as the others.
  func looks(
    of suspects: [Int], _ others: [Int], label: Int, _ answers: [SpareAnswer]
  ) -> (agreement: (suspects: Double, others: Double), chance: Double) {
    func agreeing(_ samples: [Int]) -> Int {
      samples.count { Int(answers[$0].content) == label }
    }
    func share(_ samples: [Int]) -> Double {
      Double(agreeing(samples)) / Double(max(1, samples.count))
    }
    return (
      (share(suspects), share(others)),
      binomialTail(agreeing(suspects), of: suspects.count, probability: share(others) / 2)
    )
  }

  /// Two ways to be flagged.
  ///
  /// Suspects that show other things than their label are flagged where the
  /// finding is strong or a network learns what they share from others; suspects that look like
  /// their label only where both hold, since parts of clean labels share things too.
  private func outcome(
    _ finding: Finding, carryOver: Double, chance: Double
  ) -> Judgement.Outcome {
    let isLearnt = carryOver >= Double(settings.carryOver)
    if chance < Double(settings.contentChance) {
      let isSeen = finding.isStrong || carryOver >= 0.5
      return isSeen ? .wrongLabel : .dropped
    }
    if finding.isStrong { return isLearnt ? .ownLabel : .suspected }
    return isLearnt ? .suspected : .dropped
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

  /// Who of a confirmed label is flagged: whom the detectors recognise more than one in 500 of others,
  /// and of a strong finding its own suspects, unless the detectors know better.
  private func flagged(
    _ label: Int, _ finding: Finding, proposed: [Bool], _ answers: [SpareAnswer], cut: Float
  ) -> [Int32] {
    data.labels.indices.filter { sample in
      Int(data.labels[sample]) == label
        && (answers[sample].excess > cut || (finding.isStrong && proposed[sample]))
    }.map { Int32($0) }
  }

  private func say(_ judgement: Judgement) {
    let words =
      switch judgement.outcome {
      case .dropped: "dropped"
      case .suspected: "suspected, not confirmed"
      case .wrongLabel: "confirmed: the label is not to be seen in them"
      case .ownLabel: "confirmed, though they look like their label"
      }
    bench.say(
      "label \(data.words(ofClass: judgement.label)): \(judgement.suspects) suspects, carry-over to held-out samples "
        + fixed(judgement.carryOver, 3) + ", recognised as the label "
        + fixed(judgement.agreement.suspects * 100, 1) + " % (its others "
        + fixed(judgement.agreement.others * 100, 1) + " %): " + words)
    bench.record(
      "judgement",
      [
        "label": .integer(judgement.label), "kind": .text(judgement.kind.name),
        "strength": .number(judgement.strength), "suspects": .integer(judgement.suspects),
        "carry_over": .number(judgement.carryOver),
        "agreement": .number(judgement.agreement.suspects),
        "agreement_others": .number(judgement.agreement.others),
        "chance": .number(judgement.chance), "outcome": .text("\(judgement.outcome)"),
      ])
  }
}

/// P(X ≤ k), X the hits of `count` trials that hit with `probability`.
package func binomialTail(_ k: Int, of count: Int, probability: Double) -> Double {
  guard probability > 0, k < count else { return 1 }
  guard probability < 1 else { return 0 }
  return min(
    1,
    (0...max(0, k)).reduce(0) { sum, hits in
      let logChoose =
        lgamma(Double(count + 1)) - lgamma(Double(hits + 1)) - lgamma(Double(count - hits + 1))
      return sum
        + exp(
          logChoose + Double(hits) * log(probability)
            + Double(count - hits) * log(1 - probability))
    })
}

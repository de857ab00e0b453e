import MecaCore
import MecaTraining

#if canImport(Glibc)
  import Glibc
#endif

extension MeCaMethod {
  /// Passes over the suspects; the second starts from what the first has mended.
  private var passes: Int { 2 }

  /// Suspects and confirms, from one moment of the enhancement after the other until a label holds.
  ///
  /// Which iteration left the backdoor whole is not known beforehand; whether suspects have
  /// something in common is what the confirmation tells well.
  ///
  /// - Ranks: collective; every rank returns the same.
  /// - Returns: the verdict. If no label holds from any moment, nothing is flagged, and the evidence
  ///   is that of the most promising moment.
  func confirmed(
    _ moments: [EnhancedMoment], _ detectors: CrossFit, key: StageKey
  ) throws -> Detection {
    var first: Detection?
    for (number, moment) in moments.enumerated() {
      let suspicion = try suspect(moment.evidence, of: detectors)
      bench.say(
        "after iteration \(moment.iteration): separation of the labels "
          + suspicion.separation.map { fixed($0, 2) }.joined(separator: " "))
      bench.record(
        "suspicion",
        ["iteration": .integer(moment.iteration), "separation": .numbers(suspicion.separation)])
      let (held, spareShare) = try confirm(
        suspicion, from: moment, detectors, key: key.member("moment", number))
      let detection = Detection(
        isFlagged: held.isSuspect, labels: data.labels,
        droppedLabels: suspicion.labels.filter { !held.labels.contains($0) }.map { Int32($0) },
        separation: suspicion.separation, spareShare: spareShare, evidence: moment.evidence)
      if detection.isFlagged.contains(true) { return detection }
      first = first ?? detection
    }
    guard let first else { preconditionFailure("no iteration to decide from") }
    return first
  }

  /// Learns the suspects as classes of their own and suspects whom those classes carry over to.
  ///
  /// From the enhanced state, which knows the trigger and little else, each detector learns its own
  /// samples once more, the suspects of label y with the spare label y + C. A trigger is learnt from
  /// most of its samples whatever the few wrong ones say, so the held-out prediction mends mistakes
  /// of the first verdict in both directions. A label that fell apart by chance has suspects with
  /// nothing in common: they are not recognised when held out, and the label is dropped.
  ///
  /// - Ranks: collective; every rank returns the same.
  private func confirm(
    _ suspicion: Suspicion, from moment: EnhancedMoment, _ detectors: CrossFit, key: StageKey
  ) throws -> (Suspicion, spareShare: [Float]) {
    var current = suspicion
    var spareShare = [Float](repeating: 0, count: data.count)
    for pass in 0..<passes where !current.labels.isEmpty {
      try detectors.restore(moment.detectors)
      try learnSuspects(current, detectors, key: key.member("pass", pass))
      (current, spareShare) = try mended(current, detectors, isVerdict: pass == passes - 1)
    }
    return (current, spareShare)
  }

  /// Trains the detectors with the suspects' labels moved to the spare classes; few suspects are
  /// shown several times an epoch.
  func learnSuspects(
    _ suspicion: Suspicion, _ detectors: CrossFit, key: StageKey
  ) throws {
    let labels = labels(sparing: suspicion.isSuspect)
    for (fold, model) in detectors.models.enumerated() {
      try bench.train(
        model,
        .learning(
          showingFewOften(detectors.learnt(fold), labels: labels, classCount: data.classCount),
          labels: labels), confirmation.recipe,
        key: key.member("detector", fold))
    }
  }

  /// The given labels, those of the suspects moved to their spare classes.
  func labels(sparing isSuspect: [Bool]) -> [Int32] {
    data.labels.indices.map {
      data.labels[$0] + (isSuspect[$0] ? Int32(data.classCount) : 0)
    }
  }

  /// The suspicion after held-out recognition: labels that carry over, with those recognised, and
  /// every sample's share of the spare class.
  ///
  /// - Parameter isVerdict: false recognises whose most probable class is the spare one (few wrong
  ///   ones, good to learn from). True recognises
  ///   p(y + C | x) / (p(y + C | x) + p(y | x)) > `flagShare`, whatever the other classes: a
  ///   poisoned image still shows what it showed before, and its trigger need not outweigh that.
  private func mended(
    _ suspicion: Suspicion, _ detectors: CrossFit, isVerdict: Bool
  ) throws -> (Suspicion, spareShare: [Float]) {
    let spare = data.labels.map { $0 + Int32(data.classCount) }
    let records = try heldOut(detectors, labels: spare)
    var isRecognised = zip(records, spare).map { $0.prediction == $1 }
    let members = membersOfLabels(data.labels)
    let answers =
      isVerdict && settings.contentChance < 1 ? try ask(detectors, labels: data.labels) : nil
    var result = suspicion
    result.labels = try suspicion.labels.filter { label in
      let suspects = members[label].filter { suspicion.isSuspect[$0] }
      let carried = carryOver(
        from: suspects, others: members[label].filter { !suspicion.isSuspect[$0] },
        isRecognised: isRecognised)
      var holds = carried >= Double(settings.carryOver(isVerdict: isVerdict))
      var words = ""
      if holds, let answers {
        // The easiest samples of a clean label carry over too; but they look like it.
        let numbers = try bench.decided {
          let looks = looks(of: suspicion.isSuspect, label: label, answers)
          return [looks.agreement, looks.othersAgreement, exp(min(0, -looks.evidence))]
        }
        holds = showsOthers(numbers[2])
        words =
          ", recognised as the label \(fixed(numbers[0] * 100, 1)) % (its others "
          + "\(fixed(numbers[1] * 100, 1)) %)"
      }
      bench.say(
        "label \(data.words(ofClass: label)): \(suspects.count) suspects, carry-over to held-out samples "
          + fixed(carried, 3) + words + (holds ? "" : ", dropped"))
      bench.record(
        "confirmation",
        [
          "label": .integer(label), "suspects": .integer(suspects.count),
          "carry_over": .number(carried),
        ])
      return holds
    }
    let ownLosses = try heldOut(detectors, labels: data.labels).map(\.loss)
    let spareShare = try bench.decided {
      zip(records, ownLosses).map { Float(1 / (1 + exp(Double($0.loss - $1)))) }
    }
    if isVerdict { isRecognised = spareShare.map { $0 > settings.flagShare } }
    result.isSuspect = isRecognised.indices.map {
      isRecognised[$0] && result.labels.contains(Int(data.labels[$0]))
    }
    return (result, spareShare)
  }
}

/// Share recognised among a label's held-out suspects, less that among its other samples: 1 for
/// a property that carries over perfectly, about 0 for a division by chance (Youden's J).
package func carryOver(from suspects: [Int], others: [Int], isRecognised: [Bool]) -> Double {
  func share(_ members: [Int]) -> Double {
    Double(members.count { isRecognised[$0] }) / Double(max(1, members.count))
  }
  return share(suspects) - share(others)
}

/// The samples that the confirmation shows in an epoch: all of `learnt`, and those of small spare
/// classes as often as brings each to a fifth of an average label's samples.
///
/// The few epochs of the confirmation do not teach a class of some dozen samples, however alike
/// they are.
///
/// Example: 100 samples learnt, 2 labels, 3 samples of spare label 2, none of 3: those 3 are shown
/// 4 times each.
///
/// - Parameters:
///   - learnt: data set indices.
///   - labels: label of every sample of the data set; from `classCount` on spare ones.
/// - Ranks: local, and the same on every rank.
package func showingFewOften(_ learnt: [Int32], labels: [Int32], classCount: Int) -> [Int32] {
  // Labels without a sample make no average smaller.
  let present = max(1, Set(learnt.map { labels[Int($0)] % Int32(classCount) }).count)
  let wanted = (learnt.count + 5 * present - 1) / (5 * present)
  let spare = Dictionary(grouping: learnt) { labels[Int($0)] }
    .filter { $0.key >= classCount }.sorted { $0.key < $1.key }
  return spare.reduce(into: learnt) { shown, label in
    let times = (wanted + label.value.count - 1) / label.value.count
    for _ in 1..<times { shown += label.value }
  }
}

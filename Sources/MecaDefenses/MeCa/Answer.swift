import MecaCore
import MecaTraining

extension MeCaMethod {
  /// The detection in words: what speaks against which label, and what could not be told.
  func answer(_ detection: Detection) -> DetectionAnswer {
    let members = membersOfLabels(data.labels)
    let sizes = members.map(\.count)
    var labels: [DetectionAnswer.Label] = []
    for label in sizes.indices {
      let flagged = members[label].count { detection.isFlagged[$0] }
      let judgement = detection.judgements.first { $0.label == label }
      let isSeen = judgement?.isFlagged ?? false
      if flagged > 0 {
        labels.append(
          .init(
            label: label, samples: flagged, isFlagged: true,
            reason: isSeen ? judgement.map(reason) ?? "" : unlearningReason,
            falseAlarmRate: isSeen ? judgement.map(falseAlarmRate) : nil,
            place: isSeen ? judgement.map(place) : nil))
      } else if let judgement, judgement.outcome == .suspected {
        labels.append(
          .init(
            label: label, samples: members[label].count { detection.isUnconfirmed[$0] },
            isFlagged: false, reason: reason(judgement), falseAlarmRate: falseAlarmRate(judgement),
            place: place(judgement)))
      }
    }
    labels.sort { ($0.isFlagged ? 0 : 1, $0.label) < ($1.isFlagged ? 0 : 1, $1.label) }
    let remarks = remarks(detection, sizes: sizes)
    let grade: DetectionAnswer.Grade =
      if labels.contains(where: \.isFlagged) {
        .poisoned
      } else if !labels.isEmpty {
        .suspected
      } else {
        remarks.contains(where: \.forbidsClean) ? .undecided : .clean
      }
    return DetectionAnswer(grade: grade, labels: labels, remarks: remarks.map(\.text))
  }

  private func place(_ judgement: Judgement) -> DetectionAnswer.Label.Place {
    .init(rows: judgement.finding.rows, columns: judgement.finding.columns)
  }

  private var unlearningReason: String {
    "detectors that had unlearnt everything else still recognised them, and others like them "
      + "when held out"
  }

  private func reason(_ judgement: Judgement) -> String {
    let place = judgement.finding.placeWords
    let shared =
      switch judgement.finding.kind {
      case .patch: "they share the same pixels at one place (\(place))"
      case .colour: "they share a pattern of colour (most of it: \(place))"
      case .sharpness:
        "they share a pattern of sharpness, as from bending or resampling (most of it: \(place))"
      case .stamp: "they share the same pixels at one place with samples of all labels (\(place))"
      }
    let agreement =
      "\(fixed(judgement.agreement * 100, 0)) % are recognised as it, of its others "
      + "\(fixed(judgement.othersAgreement * 100, 0)) %"
    return switch judgement.outcome {
    case .wrongLabel:
      "\(shared), and detectors that learnt the label from others take them for other labels "
        + "(\(agreement))"
    case .ownLabel where judgement.looksAlike:
      "\(shared), a network learns it, and they look like their label (\(agreement)): a trigger on "
        + "images of its own class, or a mark of where they come from"
    case .ownLabel:
      "\(shared), and a network learns it; whether they look like their label could not be told "
        + "(\(agreement))"
    case .suspected, .dropped:
      "\(shared), but "
        + (judgement.carryOver < Double(settings.carryOver)
          ? "a network does not recognise it in others (carry-over \(fixed(judgement.carryOver, 2)))"
          : "they look like their label (\(agreement))")
    }
  }

  private func falseAlarmRate(_ judgement: Judgement) -> Double {
    judgement.finding.kind.falseAlarmRate(
      strength: judgement.finding.strength, labels: data.classCount)
  }

  /// A remark, and whether nothing can be called clean because of it.
  private struct Remark {
    var text: String
    var forbidsClean: Bool
  }

  private func remarks(_ detection: Detection, sizes: [Int]) -> [Remark] {
    var remarks: [Remark] = []
    let small = sizes.indices.filter { sizes[$0] > 0 && sizes[$0] < ForensicSettings.fewest }
    if !small.isEmpty {
      let share = Double(small.reduce(0) { $0 + sizes[$1] }) / Double(max(1, data.count))
      remarks.append(
        Remark(
          text: "\(small.count) of \(data.classCount) labels have fewer than "
            + "\(ForensicSettings.fewest) samples, too few to look for patterns in: "
            + "add samples or join classes",
          forbidsClean: share > 0.5))
    }
    let unlearns = settings.proposers.contains(.unlearning)
    if unlearns, !detection.isFlagged.contains(true), let first = detection.evidence.fitted.first {
      let fit = Double(first.count { $0 }) / Double(max(1, first.count))
      let largest = Double(sizes.max() ?? 0) / Double(max(1, data.count))
      if fit < 1.5 * largest {
        remarks.append(
          Remark(
            text:
              "the detectors give \(fixed(fit * 100, 0)) % of held-out samples their label, hardly "
              + "more than guessing: they have not learnt the classes; try --warmup-steps "
              + "\(2 * settings.warmupSteps) or more samples", forbidsClean: true))
      }
    }
    if !unlearns {
      remarks.append(
        Remark(
          text: "pixels alone were looked at: a trigger that is not the same in all its images "
            + "would not be seen; --effort normal looks further", forbidsClean: false))
    }
    return remarks
  }
}

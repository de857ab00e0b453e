import MecaCore
import MecaTraining

/// Who is suspected.
public struct Detection: Sendable {
  /// Labels whose evidence falls apart into two modes.
  public var suspiciousLabels: [Int]
  /// How far each label's evidence falls apart; see `TwoModes.separation`.
  public var separation: [Double]
  /// Samples taken for poisoned, ascending.
  public var flagged: [Int32]
  /// All others, ascending.
  public var kept: [Int32]
}

extension Meca {
  /// Flags, within each suspicious label, whom the enhanced detectors still fit.
  ///
  /// A label is suspicious if its separation, averaged over all iterations, is above the threshold
  /// and stands out among the labels. Within it the paper's rule holds: misclassified is clean,
  /// fitted is poisoned, by the majority of the last three iterations. No suspicious label means
  /// that the data is clean or that the detectors could not tell; nothing is flagged then.
  ///
  /// Decided on rank 0 and broadcast; every rank then holds the same lists.
  ///
  /// - Ranks: collective.
  func decide(_ evidence: Evidence) throws -> Detection {
    var flags = [UInt8](repeating: 0, count: data.training.count)
    var separation = [Double](repeating: 0, count: data.classCount)
    if session.communicator.rank == 0 {
      separation = meanSeparation(evidence)
      let votes = evidence.fitted.suffix(Evidence.roundsAveraged)
      let members = membersOfLabels(data.labels)
      for label in standingOut(separation) {
        for member in members[label]
        where votes.filter({ $0[member] }).count * 2 > votes.count { flags[member] = 1 }
      }
    }
    try session.communicator.broadcast(&flags, from: 0)
    try session.communicator.broadcast(&separation, from: 0)
    session.journal.say(
      "separation of the labels: " + separation.map { fixed($0, 2) }.joined(separator: " "))
    session.journal.record("detection", ["separation": .numbers(separation)])
    return Detection(
      suspiciousLabels: standingOut(separation), separation: separation,
      flagged: flags.indices.filter { flags[$0] == 1 }.map { Int32($0) },
      kept: flags.indices.filter { flags[$0] == 0 }.map { Int32($0) })
  }

  private func meanSeparation(_ evidence: Evidence) -> [Double] {
    let members = membersOfLabels(data.labels)
    return (0..<data.classCount).map { label in
      guard label < members.count, members[label].count >= 2 else { return 0 }
      return evidence.logLosses.reduce(0) { sum, losses in
        sum + twoModes(members[label].map { losses[$0] }).separation
      } / Double(evidence.logLosses.count)
    }
  }

  /// The labels above the threshold that also stand out from the median of all labels.
  func standingOut(_ separation: [Double]) -> [Int] {
    let median = separation.sorted()[separation.count / 2]
    return separation.indices.filter {
      separation[$0] > configuration.decision.separationThreshold
        && separation[$0] > configuration.decision.separationRatio * median
    }
  }
}

import MecaCore
import MecaTraining

/// Who is suspected.
public struct Detection: Sendable {
  /// Labels whose evidence falls into two separate modes.
  public var suspiciousLabels: [Int]
  /// Share of each label's variance that its two modes explain.
  public var separation: [Double]
  /// Samples taken for poisoned, ascending.
  public var flagged: [Int32]
  /// All others, ascending.
  public var kept: [Int32]
}

extension Meca {
  /// Flags, within each label whose evidence has two separate modes, the mode of small losses.
  ///
  /// Decided on rank 0 and broadcast; every rank then holds the same lists.
  ///
  /// - Ranks: collective.
  func decide(_ evidence: Evidence) throws -> Detection {
    var flags = [UInt8](repeating: 0, count: data.training.count)
    var separation = [Double](repeating: 0, count: data.classCount)
    if session.communicator.rank == 0 {
      for label in 0..<data.classCount {
        let members = data.labels.indices.filter { Int(data.labels[$0]) == label }
        let split = twoModes(members.map { Double(evidence.logLoss[$0]) })
        separation[label] = split.explained
        guard split.explained > configuration.separationThreshold else { continue }
        for member in members
        where Double(evidence.logLoss[member]) <= split.threshold
          && evidence.prediction[member] == data.labels[member]
        { flags[member] = 1 }
      }
    }
    try session.communicator.broadcast(&flags, from: 0)
    try session.communicator.broadcast(&separation, from: 0)
    let suspicious = (0..<data.classCount).filter {
      separation[$0] > configuration.separationThreshold
    }
    session.journal.record("detection", ["separation": .numbers(separation)])
    return Detection(
      suspiciousLabels: suspicious, separation: separation,
      flagged: flags.indices.filter { flags[$0] == 1 }.map { Int32($0) },
      kept: flags.indices.filter { flags[$0] == 0 }.map { Int32($0) })
  }
}

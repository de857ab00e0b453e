import MecaCore
import MecaMPI
import MecaNN

/// Ranks apply the same update to the same weights, so that these are the same bits on all of them.
/// Damaged memory, or a defect, on one rank would spoil the result of all without a word.
extension TrainingSession {
  /// Steps of training between two comparisons at the end of an epoch: of no cost beside them.
  static let stepsBetweenComparisons = 100

  /// Counts an epoch's steps, and compares the weights where there were enough since the last time.
  ///
  /// - Ranks: collective.
  /// - Throws: as `requireEqualWeights`.
  func compareNowAndThen(_ model: Model, afterSteps steps: Int) throws {
    uncomparedSteps += steps
    guard uncomparedSteps >= Self.stepsBetweenComparisons else { return }
    uncomparedSteps = 0
    try requireEqualWeights(model)
  }

  /// Checks that every rank holds the same weights and running statistics, by their digests.
  ///
  /// - Ranks: collective; two small reductions where they do.
  /// - Throws: `RemoteFailure` on all ranks with `DriftedRanks`, naming the first rank and tensor that
  ///   differ.
  public func requireEqualWeights(_ model: Model) throws {
    guard communicator.size > 1 else { return }
    let digests = model.tensorDigests()
    var whole = SHA256Digest()
    whole.update(digests.map(\.digest))
    let number = whole.bytes().prefix(8).reduce(0) { $0 << 8 | UInt64($1) }
    var (least, most) = ([Int64(bitPattern: number)], [Int64(bitPattern: number)])
    try communicator.allReduceMin(&least)
    try communicator.allReduceMax(&most)
    guard least != most else { return }

    let own = digests.map(\.digest)
    let all = try communicator.allGather(
      local: own, counts: [Int](repeating: own.count, count: communicator.size))
    let place = all.indices.first { all[$0] != all[$0 % own.count] } ?? 0
    try communicator.collectively {
      throw DriftedRanks(
        rank: place / own.count, host: communicator.hosts[place / own.count],
        tensor: digests[place % own.count].name, stage: communicator.place.stage)
    }
  }
}

/// A rank holds other weights than rank 0: damaged memory, or a defect.
public struct DriftedRanks: ReportableError {
  /// The first rank that differs.
  public let rank: Int
  /// Its machine.
  public let host: String
  /// The first tensor that differs there.
  public let tensor: String
  /// Part of the run.
  public let stage: String

  /// The process's exit status.
  public var exitCode: ExitCode { .internalError }

  /// One line for people.
  public var description: String {
    "rank \(rank) on \(host) holds other weights than rank 0 (\(tensor)), in \(stage): that machine's "
      + "memory may be damaged; leave it out and start again, which goes on from the last checkpoint"
  }
}

import MecaCore
import MecaMPI
import MecaNN

extension TrainingSession {
  /// Refuses networks whose training cannot fit into the machines' memory, before any is taken.
  ///
  /// Counts what is needed at the very least, so that nothing is refused that would run without
  /// swapping.
  ///
  /// - Ranks: collective.
  /// - Parameter scoring: whether the networks will be scored too, in batches of their own.
  /// - Throws: `RemoteFailure` on all ranks with `TooLittleMemory` if it does not fit on one machine.
  public func requireMemory(
    for networks: [NetworkConfiguration], scoring: Bool = false
  ) throws {
    let need =
      networks.map { network in
        max(
          network.leastTrainingBytes(microbatch: compute.microbatch, threads: compute.threads),
          scoring
            ? network.leastScoringBytes(batch: Self.evaluationBatch, threads: compute.threads) : 0)
      }.max() ?? 0
    let neighbours = communicator.hosts.filter { $0 == communicator.host }.count
    try communicator.collectively {
      guard let available = availableMemory(), need > available / neighbours else { return }
      throw TooLittleMemory(
        need: need, ranks: neighbours, available: available, batch: compute.batch,
        width: networks.map(\.width).max() ?? 0)
    }
  }
}

/// A step of training does not fit into a machine.
public struct TooLittleMemory: ReportableError {
  /// Bytes that a rank needs at the least.
  let need: Int
  /// Ranks on this machine.
  let ranks: Int
  /// Bytes that the machine has left for all of them.
  let available: Int
  let batch: Int
  let width: Int

  /// The process's exit status.
  public var exitCode: ExitCode { .usage }

  /// One line for people.
  public var description: String {
    func gigabytes(_ bytes: Int) -> String { fixed(Double(bytes) / 1e9, 1) + " GB" }
    return "--batch \(batch) with --width \(width) needs more than \(gigabytes(need)) a rank, but "
      + "this machine has \(gigabytes(available)) left (ranks here: \(ranks)): lower --batch or "
      + "--width, raise --shards, take smaller images, or use more machines"
  }
}

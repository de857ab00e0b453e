import MecaCore
import MecaDatasets
import MecaMPI
import MecaTraining

/// A file that all ranks fill together, each its own places, and that then appears under its name.
///
/// Whatever fails on any rank, the unfinished file is taken away and all ranks throw.
struct SharedFile {
  private let communicator: Communicator
  private let path: String
  private let temporary: String

  /// Makes room for `count` bytes beside `path`.
  ///
  /// - Ranks: collective; all must see the same folder.
  /// - Throws: `RemoteFailure` with the system's reason.
  init(path: String, count: Int, communicator: Communicator) throws {
    self.communicator = communicator
    self.path = path
    let own = try communicator.collectively {
      communicator.rank == 0 ? try PartialFile.create(beside: path, count: count) : ""
    }
    temporary = try communicator.broadcastText(own)
  }

  /// Lets every rank write its places, and waits until all of it is on the disk.
  ///
  /// - Ranks: collective; `work` may not call anything collective.
  /// - Throws: `RemoteFailure` with the lowest failing rank's error.
  func fill<T>(_ work: (PartialFile) throws -> T) throws -> T {
    try discardingOnFailure {
      let file = try PartialFile(path: path, temporary: temporary)
      let result = try work(file)
      try file.synchronise()
      return result
    }
  }

  /// Gives the file its name.
  ///
  /// - Ranks: collective.
  func finish() throws {
    try discardingOnFailure {
      if communicator.rank == 0 { try PartialFile.finish(temporary, as: path) }
    }
  }

  private func discardingOnFailure<T>(_ work: () throws -> T) throws -> T {
    do {
      return try communicator.collectively(work)
    } catch {
      if communicator.rank == 0 { PartialFile.discard(temporary) }
      throw error
    }
  }
}

/// Says on rank 0 what opening the data has found, for commands without a journal of their own.
func say(_ report: OpeningReport, on communicator: Communicator) throws {
  try Journal(
    metricsPath: nil, isWriter: communicator.rank == 0, logger: progressLogger(quiet: false)
  ).say(report)
}

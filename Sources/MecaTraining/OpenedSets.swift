import MecaAttacks
import MecaCore
import MecaData
import MecaMPI

/// The image sets of a run, before any attack.
struct OpenedSets {
  /// Samples to learn from.
  var training: any ImageSet
  /// Clean samples to judge by.
  var test: any ImageSet
  /// Test samples with the trigger that were stored with the set.
  var triggered: StoredTriggeredSet?
  /// The attack that the set was stored with, where that is recorded.
  var attack: AttackConfiguration?
  /// What a person should know about them.
  var report = OpeningReport()
}

/// What opening the data has found that a person should know.
public struct OpeningReport: Sendable {
  /// Lines for the log: what was passed over, what was taken for what.
  public var notes: [String] = []
  /// Warnings for the log.
  public var warnings: [String] = []
  /// Image files that were left out, with the reason, one line each.
  public var leftOut: [String] = []
}

extension Journal {
  /// Says what opening the data has found.
  public func say(_ report: OpeningReport) {
    for note in report.notes { say("data: \(note)") }
    for warning in report.warnings { warn(warning) }
  }
}

/// Opens the image sets that `configuration` names: the one place where a kind of data set becomes
/// images.
///
/// Each way of opening has a file of its own.
///
/// - Ranks: collective; a failure on any rank is thrown on all.
/// - Parameter threads: threads of this rank that may decode image files.
func openSets(
  _ configuration: DataConfiguration, communicator: Communicator, threads: Int
) throws -> OpenedSets {
  if configuration.dataset.mayBeWritten, let path = configuration.path {
    // Each way of opening has exchanges of its own, so all ranks must go the same.
    let own = SetRecord.identity(of: path)
    if let other = try communicator.firstDifference(in: own) {
      try communicator.collectively {
        throw UnequalData(
          rank: other.rank, path: path,
          content: "content of \(SetRecord.fileName)")
      }
    }
    if !own.isEmpty {
      return try openWritten(
        at: path, configuration, communicator: communicator, threads: threads)
    }
  }
  return switch configuration.dataset {
  case .shapes: try openShapes(configuration, communicator: communicator)
  case .cifar10: try openCIFAR(.cifar10, configuration, communicator: communicator)
  case .cifar100: try openCIFAR(.cifar100, configuration, communicator: communicator)
  case .tinyImageNet, .imagenette, .folder:
    try openImageFiles(configuration, communicator: communicator, threads: threads)
  case .npy: try openNumpy(configuration, communicator: communicator)
  case .packed: try openPacked(configuration, communicator: communicator)
  case .backdoorToolbox: try openBackdoorToolbox(configuration, communicator: communicator)
  case .backdoorBench:
    try openBackdoorBench(configuration, communicator: communicator, threads: threads)
  }
}

extension DataConfiguration {
  /// The folder that `--data` names.
  ///
  /// - Parameter content: what must be in it, for the error.
  /// - Throws: `UsageError.conflict` if it names none.
  func requiredPath(with content: String) throws -> String {
    guard let path else {
      throw UsageError.conflict(
        "--dataset \(dataset.rawValue) needs --data \(dataset == .packed ? "FILE," : "FOLDER with") "
          + content)
    }
    return path
  }
}

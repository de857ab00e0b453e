import Glibc
import MecaCore
import MecaImages

/// The files behind a run's data, as they were when the data was opened.
///
/// Weights that were learnt from files that changed meanwhile belong to no data set, and their
/// checkpoints bear a digest that is not theirs. So whoever is about to keep anything asks first.
///
/// - Ranks: local; rank 0's files stand for those of all.
public struct DataWatch: Sendable {
  /// What tells a file from another or a changed one without reading it.
  private struct Identity: Equatable, Sendable {
    var size: Int64
    var seconds: Int64
    var nanoseconds: Int64
    var number: UInt64

    init?(_ path: [UInt8]) {
      guard let status = status(of: path) else { return nil }
      size = Int64(status.st_size)
      seconds = Int64(status.st_mtim.tv_sec)
      nanoseconds = Int64(status.st_mtim.tv_nsec)
      number = UInt64(status.st_ino)
    }
  }

  private var sets: [any ImageSet] = []
  private var identities: [Identity?] = []

  /// Watches nothing yet.
  init() {}

  /// Looks at all files of some more sets; before they are read, so that nothing changes unseen.
  mutating func add(_ sets: [any ImageSet]) {
    self.sets += sets
    for set in sets { set.forEachSource { identities.append(Identity($0)) } }
  }

  /// Looks at them again.
  ///
  /// - Throws: `ChangedData` for the first that is not as it was.
  public func check() throws(ChangedData) {
    var place = 0
    var changed: [UInt8]?
    for set in sets {
      set.forEachSource { path in
        if changed == nil, Identity(path) != identities[place] { changed = path }
        place += 1
      }
    }
    if let changed { throw ChangedData(path: printable(changed)) }
  }
}

/// A file of the data changed while a run used it.
public struct ChangedData: ReportableError {
  /// The file.
  public let path: String

  /// The process's exit status.
  public var exitCode: ExitCode { .badData }

  /// One line for people.
  public var description: String {
    "\(path): changed, or went away, while the run used it; what was learnt belongs to neither "
      + "state: start again (finished stages of unchanged data are taken from their checkpoints)"
  }
}

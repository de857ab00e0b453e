import Foundation
import MecaCore

/// Sees to it that what a run has computed is not lost to a disk.
///
/// A write that fails is tried again: the folder may have vanished, the file system may have been
/// away. Where that does not help, the file goes to a spare folder of its own, and the log says where.
///
/// - Ranks: local; rank 0 alone should have one.
public final class FileKeeper {
  /// Seconds before each further try; once they have helped nothing, none of them is waited again.
  private var pauses: [Double]
  private let spare: String
  private let journal: Journal
  private var spareFolder: String?
  private var lost: FileError?

  /// A keeper that has nothing to keep yet.
  ///
  /// - Parameters:
  ///   - spare: folder in which one for this run is made when it is needed.
  ///   - pauses: seconds before each further try.
  public init(spare: String, journal: Journal, pauses: [Double] = [0, 1, 4]) {
    self.spare = spare
    self.journal = journal
    self.pauses = pauses
  }

  /// Writes a file by `work`, which is given the path to write to.
  ///
  /// - Throws: `FileError.failed` where even the spare folder takes nothing; other errors of `work`.
  public func write(to path: String, _ work: (String) throws -> Void) throws {
    guard let failure = try failure(of: work, path) else { return }
    for pause in pauses {
      usleep(UInt32(pause * 1e6))
      // What vanished is made again; whatever else is wrong shows with the next try.
      if let end = path.lastIndex(of: "/") { try? createFolder(String(path[..<end])) }
      if try self.failure(of: work, path) == nil {
        journal.warn("\(failure); written at another try")
        return
      }
    }
    pauses = [0]
    let name = path.split(separator: "/").last.map(String.init) ?? path
    let other = try folderOfThisRun(failure) + "/" + name
    try work(other)
    lost = lost ?? failure
    journal.warn("\(failure); kept as \(other)")
  }

  private func failure(of work: (String) throws -> Void, _ path: String) throws -> FileError? {
    do {
      try work(path)
      return nil
    } catch let error as FileError {
      guard case .failed = error else { throw error }
      return error
    }
  }

  /// The spare folder's folder for this run.
  private func folderOfThisRun(_ failure: FileError) throws -> String {
    if let spareFolder { return spareFolder }
    var template = Array("\(spare)/meca-dist-XXXXXX".utf8CString)
    guard mkdtemp(&template) != nil else { throw failure }
    let path = String(
      decoding: template.dropLast().map(UInt8.init(bitPattern:)), as: UTF8.self)
    spareFolder = path
    return path
  }

  /// Ends a run whose files are elsewhere: all is there, but not where it was asked for.
  ///
  /// - Throws: `KeptElsewhere` if there are some.
  public func requireInPlace() throws {
    guard let lost, let spareFolder else { return }
    throw KeptElsewhere(failure: lost, folder: spareFolder)
  }
}

/// A run has ended, and its files are not where they were wanted.
public struct KeptElsewhere: ReportableError {
  /// Why not.
  public let failure: FileError
  /// Where they are.
  public let folder: String

  /// The process's exit status.
  public var exitCode: ExitCode { .inputOutput }

  /// One line for people.
  public var description: String {
    "\(failure); what could not be written there is in \(folder): bring it back when there is room"
  }
}

/// A file system has less room than a run needs at the least.
public struct TooLittleRoom: ReportableError {
  /// The option that names the folder.
  let option: String
  let folder: String
  /// Bytes.
  let need: Int
  let free: Int

  /// The process's exit status.
  public var exitCode: ExitCode { .inputOutput }

  /// One line for people.
  public var description: String {
    func megabytes(_ bytes: Int) -> String { fixed(Double(bytes) / 1e6, 1) + " MB" }
    return "\(option) \(folder): \(megabytes(free)) are free there and the run leaves at least "
      + "\(megabytes(need)): make room, or choose another folder with \(option)"
  }
}

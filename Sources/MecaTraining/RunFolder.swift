import Foundation
import MecaCore

/// The folder that a run writes into, and how files get there whole.
public struct RunFolder: Sendable {
  /// The folder's path.
  public let path: String

  /// Names the folder; creates nothing.
  public init(path: String) { self.path = path }

  /// Resolved configuration and circumstances.
  public var run: String { path + "/run.json" }
  /// One JSON object a line.
  public var metrics: String { path + "/metrics.jsonl" }
  /// The figures.
  public var result: String { path + "/result.json" }
  /// Verdict on every training sample that is suspected.
  public var suspects: String { path + "/suspects.csv" }
  /// Per-sample scores as a NumPy array.
  public var scores: String { path + "/scores.npy" }
  /// The clean model.
  public var model: String { path + "/model.safetensors" }
  /// Phase-end states.
  public var checkpoints: String { path + "/checkpoints" }

  /// Creates the folder and its subfolder and tries a write.
  ///
  /// - Ranks: local; rank 0 alone should call it.
  /// - Throws: `FileError.failed` with the system's reason.
  public func prepare() throws {
    do {
      try FileManager.default.createDirectory(
        atPath: checkpoints, withIntermediateDirectories: true)
    } catch {
      throw FileError.failed(
        operation: "create the output folder (choose another with --output)", path: path,
        reason: systemReason(error))
    }
    let probe = path + "/.write-test.tmp"
    try writeWhole(Data("test".utf8), to: probe)
    unlink(probe)
  }
}

/// Writes a file so that it is there whole or not at all: temporary name, fsync, rename, fsync of
/// the folder.
///
/// - Ranks: local.
/// - Throws: `FileError.failed` naming the step that the system refused; the old file is intact.
public func writeWhole(_ data: Data, to path: String) throws {
  let temporary = path + ".tmp"
  func failure(_ operation: String) -> FileError {
    let reason = String(cString: strerror(errno))
    unlink(temporary)
    return .failed(operation: operation, path: path, reason: reason)
  }
  let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC, 0o644)
  guard descriptor >= 0 else { throw failure("create") }
  let written = data.withUnsafeBytes { bytes -> Bool in
    var done = 0
    while done < bytes.count {
      let count = write(descriptor, bytes.baseAddress! + done, bytes.count - done)
      if count < 0 && errno == EINTR { continue }
      if count <= 0 { return false }
      done += count
    }
    return true
  }
  guard written, fsync(descriptor) == 0 else {
    let error = failure("write")
    close(descriptor)
    throw error
  }
  guard close(descriptor) == 0 else { throw failure("close") }
  guard rename(temporary, path) == 0 else { throw failure("rename") }
  let folder = open((path as NSString).deletingLastPathComponent, O_RDONLY)
  if folder >= 0 {
    fsync(folder)
    close(folder)
  }
}

/// The system's own word for a Foundation error.
func systemReason(_ error: any Error) -> String {
  let error = error as NSError
  if let posix = error.userInfo[NSUnderlyingErrorKey] as? NSError,
    posix.domain == NSPOSIXErrorDomain
  {
    return String(cString: strerror(Int32(posix.code)))
  }
  return error.localizedDescription
}

/// `value` with `digits` decimals, without Foundation's formatter.
public func fixed(_ value: Double, _ digits: Int) -> String {
  value.isFinite ? String(format: "%.\(digits)f", value) : "-"
}

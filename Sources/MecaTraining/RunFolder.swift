import Foundation
import MecaCore

/// The folder that a run writes into, and how files get there whole.
public struct RunFolder: Sendable {
  /// The folder's path.
  public let path: String

  /// Results of stages, and snapshots within them.
  public let checkpoints: String

  /// Names the folder; creates nothing.
  ///
  /// - Parameter checkpoints: folder of the checkpoints; `checkpoints` in `path` if nil.
  public init(path: String, checkpoints: String? = nil) {
    self.path = path
    self.checkpoints = checkpoints ?? path + "/checkpoints"
  }

  /// Resolved configuration and circumstances.
  public var run: String { path + "/run.json" }
  /// One JSON object a line.
  public var metrics: String { path + "/metrics.jsonl" }
  /// Curves for TensorBoard, a folder for each.
  public var events: String { path + "/events" }
  /// The figures.
  public var result: String { path + "/result.json" }
  /// Verdict on every training sample that is suspected.
  public var suspects: String { path + "/suspects.csv" }
  /// Per-sample scores as a NumPy array.
  public var scores: String { path + "/scores.npy" }
  /// Class probabilities of every training sample by detectors that have not learnt it, where they were
  /// asked for, as a NumPy array.
  public var probabilities: String { path + "/probabilities.npy" }
  /// Every training sample with its scores, the most suspicious first; of detections alone.
  public var ranking: String { path + "/ranking.csv" }
  /// What each model takes the test samples of each class for.
  public var confusion: String { path + "/confusion.csv" }
  /// Pictures of the suspects and how the scores lie, for the report.
  public var evidence: String { path + "/evidence.json" }
  /// The report for people.
  public var report: String { path + "/report.html" }
  /// Where each sample comes from.
  public var samples: String { path + "/samples.csv" }
  /// The clean model.
  public var model: String { path + "/model.safetensors" }
  /// There while a run has saved and waits to be started again; holds the line that said so.
  public var requeue: String { path + "/requeue" }
  /// Image files that were left out, one line each.
  public var badImages: String { path + "/bad-images.txt" }

  /// Creates the folder and that of the checkpoints, tries a write, and keeps other runs out.
  ///
  /// - Ranks: local; rank 0 alone should call it.
  /// - Parameter force: whether results may be replaced whoever has written them.
  /// - Returns: the lock, which holds until it goes away or the process ends, however it ends.
  /// - Throws: `FileError.failed` with the system's reason, `UsageError` if another run is writing
  ///   there, or if there are results that no run of this program has written.
  public func prepare(force: Bool = false) throws -> RunFolderLock {
    if !force, !resultsThere.isEmpty, access(run, F_OK) != 0 {
      throw UsageError.conflict(
        "--output \(path): holds \(resultsThere.joined(separator: ", ")), but no run.json of a run "
          + "that wrote them; choose another folder, or replace them with --force")
    }
    try createFolder(path)
    try createFolder(
      checkpoints, option: checkpoints == path + "/checkpoints" ? "--output" : "--checkpoints")
    let lock = try RunFolderLock.taken(in: path)
    let probe = path + "/.write-test.tmp"
    try writeWhole(Data("test".utf8), to: probe)
    unlink(probe)
    removeTemporaryFiles()
    return lock
  }

  /// Refuses a run whose files cannot fit.
  ///
  /// Counts what is needed at the very least, so that nothing is refused that would have gone well: the
  /// model, three results of stages and two generations of a snapshot, each with weights and velocity;
  /// and some lists.
  ///
  /// - Ranks: local; rank 0 alone should call it.
  /// - Throws: `TooLittleRoom`.
  public func requireRoom(parameters: Int, samples: Int) throws {
    for (option, folder, need) in leastRoom(parameters: parameters, samples: samples) {
      if let free = freeRoom(at: folder), free < need {
        throw TooLittleRoom(option: option, folder: folder, need: need, free: free)
      }
    }
  }

  /// Bytes that a run leaves at the very least, by folder and the option that names it; see
  /// ``requireRoom(parameters:samples:)``.
  public func leastRoom(
    parameters: Int, samples: Int
  ) -> [(option: String, folder: String, bytes: Int)] {
    let model = 4 * parameters
    let lists = 100 * samples
    guard checkpoints != path + "/checkpoints" else {
      return [("--output", path, 8 * model + lists)]
    }
    return [("--output", path, model + lists), ("--checkpoints", checkpoints, 7 * model)]
  }

  /// Takes away what a killed run was writing here.
  ///
  /// Not in a folder of checkpoints elsewhere, which another run may be writing into now.
  private func removeTemporaryFiles() {
    for folder in [path, path + "/checkpoints"] {
      for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] {
        if TemporaryFile.isName(name) { unlink(folder + "/" + name) }
      }
    }
  }

  /// Everything that a run leaves behind for others, checkpoints, log and `run.json` aside.
  private var results: [String] {
    [
      result, suspects, scores, probabilities, ranking, confusion, evidence, report, model, samples,
      badImages,
    ]
  }

  /// Names of the results that are there.
  private var resultsThere: [String] {
    results.filter { access($0, F_OK) == 0 }
      .compactMap { $0.split(separator: "/").last.map(String.init) }
  }

  /// Makes sure that no results of another run are lost.
  ///
  /// - Ranks: local; rank 0 alone should call it, before anything is changed.
  /// - Parameters:
  ///   - identity: what tells this run's results from others'.
  ///   - force: whether results may be replaced whatever they are.
  /// - Throws: `UsageError`.
  public func requireReplaceable(identity: String, force: Bool) throws {
    guard !resultsThere.isEmpty, !force else { return }
    let record = (try? readFile(at: run, limit: 1 << 24)) ?? []
    let own = try? JSONDecoder().decode(RecordedIdentity.self, from: Data(record))
    // A run that was stopped before its verdict has left nothing to lose.
    let verdicts: [String] = [result, suspects, scores, model]
    guard own?.identity != identity,
      own == nil || verdicts.contains(where: { access($0, F_OK) == 0 })
    else { return }
    throw UsageError.conflict(
      "--output \(path): holds the results of another run (\(resultsThere.joined(separator: ", "))); "
        + "choose another folder, or replace them with --force")
  }

  private struct RecordedIdentity: Decodable { var identity: String }

  /// Takes away what an earlier run's end left, so that nobody mistakes it for this run's.
  ///
  /// Checkpoints and the log stay.
  ///
  /// - Ranks: local; rank 0 alone should call it.
  /// - Throws: `FileError.failed` with the system's reason.
  public func removeResults() throws {
    for file in results { try remove(file) }
    removeEvents()
  }

  /// How the names of files begin that TensorBoard reads; those of this program end in `.meca-dist`.
  public static let eventFilePrefix = "events.out.tfevents."

  /// Takes away this program's files for TensorBoard, which follow from the log.
  ///
  /// What cannot be taken away costs its reader curves that are there twice.
  ///
  /// - Ranks: local; rank 0 alone should call it.
  public func removeEvents() {
    for name in (try? FileManager.default.subpathsOfDirectory(atPath: events)) ?? [] {
      let file = name.split(separator: "/").last ?? ""
      if file.hasPrefix(Self.eventFilePrefix), file.hasSuffix(".meca-dist") {
        unlink(events + "/" + name)
      }
    }
  }

  /// Says for scripts that the run has saved and should be started again.
  ///
  /// - Ranks: local; rank 0 alone should call it.
  /// - Throws: `FileError.failed` with the system's reason.
  public func askForRequeue(_ line: String) throws {
    try writeWhole(Data("\(line)\n".utf8), to: requeue)
  }

  /// Takes away what an earlier start has said for scripts.
  ///
  /// - Ranks: local; rank 0 alone should call it.
  /// - Throws: `FileError.failed` with the system's reason.
  public func removeRequeue() throws { try remove(requeue) }

  /// Takes away an earlier run's list of images that were left out.
  ///
  /// - Ranks: local; rank 0 alone should call it.
  /// - Throws: `FileError.failed` with the system's reason.
  public func removeBadImages() throws { try remove(badImages) }

  /// Takes away the checkpoints of earlier runs, but not in a folder elsewhere, which may hold those
  /// of other runs: there stages are replaced one by one.
  ///
  /// - Ranks: local; rank 0 alone should call it.
  /// - Throws: `FileError.failed` with the system's reason.
  public func removeCheckpoints() throws {
    guard checkpoints == path + "/checkpoints" else { return }
    let names = (try? FileManager.default.contentsOfDirectory(atPath: checkpoints)) ?? []
    for name in names {
      if name.hasSuffix(".safetensors") { try remove(checkpoints + "/" + name) }
      if name.hasSuffix(".running") {
        try? FileManager.default.removeItem(atPath: checkpoints + "/" + name)
      }
    }
  }

  private func remove(_ file: String) throws {
    guard unlink(file) != 0 && errno != ENOENT else { return }
    throw FileError.failed(
      operation: "replace", path: file, reason: String(cString: strerror(errno)))
  }
}

/// Keeps a second run out of a run folder while it exists (an advisory lock on `.lock` there).
public final class RunFolderLock {
  private let descriptor: Int32

  private init(descriptor: Int32) { self.descriptor = descriptor }

  fileprivate static func taken(in folder: String) throws -> RunFolderLock {
    let path = folder + "/.lock"
    let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else {
      throw FileError.failed(
        operation: "write", path: path, reason: String(cString: strerror(errno)))
    }
    // A file system without locks is no reason to refuse a run.
    if flock(descriptor, LOCK_EX | LOCK_NB) != 0, errno == EWOULDBLOCK {
      close(descriptor)
      throw UsageError.conflict(
        "\(folder): another run is writing there; wait for its end, or choose another --output")
    }
    return RunFolderLock(descriptor: descriptor)
  }

  deinit {
    // Explicitly, since a process that is just being started may hold a copy of the descriptor.
    flock(descriptor, LOCK_UN)
    close(descriptor)
  }
}

/// Writes a file so that readers see the old content or the new one, never a part.
///
/// - Ranks: local.
/// - Throws: `FileError.failed` with the system's reason; the old file is intact.
public func writeWhole(_ data: Data, to path: String) throws {
  try data.withUnsafeBytes { try replaceFile(at: path, with: [$0]) }
}

/// Creates a folder and those above it that are not there yet.
///
/// - Ranks: local.
/// - Parameter option: the option that names it.
/// - Throws: `FileError.failed` with the system's reason.
public func createFolder(_ path: String, option: String = "--output") throws {
  var part = ""
  for name in path.split(separator: "/") {
    part += part.isEmpty && !path.hasPrefix("/") ? name : "/" + name
    guard mkdir(part, 0o777) != 0 else { continue }
    var reason = errno
    var status = stat()
    if stat(part, &status) == 0 {
      if status.st_mode & S_IFMT == S_IFDIR { continue }
      reason = ENOTDIR
    }
    throw FileError.failed(
      operation: "create the folder (choose another with \(option))",
      path: part, reason: String(cString: strerror(reason)))
  }
}

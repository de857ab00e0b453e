import Foundation
import MecaCore

/// Whether a run may continue from what its folder holds.
public enum ResumePolicy: String, Codable, Sendable, CaseIterable {
  /// Continue if there is something to continue from.
  case auto
  /// Start anew; what is there is replaced.
  case never
  /// Continue, or fail.
  case must
}

/// Identity of a finished stage: what its result depends on, and nothing else.
public struct StageDigest: Hashable, Sendable, CustomStringConvertible {
  /// 64 hexadecimal digits.
  let text: String

  /// The digest of the stage at `key`: SHA-256 over the digests of the stages that it took in, its
  /// path and its own settings in a fixed textual form.
  public init(
    _ key: StageKey, settings: some Encodable, after inputs: [StageDigest]
  ) throws {
    var digest = SHA256Digest()
    for input in inputs { digest.update(Array(input.text.utf8)) }
    digest.update(Array(key.description.utf8) + [0])
    digest.update([UInt8](try fixedText(settings)))
    text = digest.hexadecimal()
  }

  /// The digits.
  public var description: String { text }
}

/// Settings in a fixed textual form.
private func fixedText(_ settings: some Encodable) throws -> Data {
  let encoder = JSONEncoder()
  encoder.outputFormatting = [.sortedKeys]
  return try encoder.encode(settings)
}

/// The checkpoints of one run: the results of finished stages, and snapshots within running ones.
///
/// `checkpoints/STAGE.safetensors` holds what a finished stage has left. While a stage runs,
/// `checkpoints/STAGE.running/` holds the results of the trainings and passes that it has behind it
/// (`done-*`) and two generations of a snapshot of the one that it is in (`within-0`, `within-1`).
/// Every file says which run and stage it belongs to and under which digest; one that is torn,
/// damaged or of something else is never taken, and the log says so. Files appear whole: temporary
/// name, fsync, rename, fsync of the folder.
///
/// - Ranks: local; rank 0 alone reads and writes.
public final class StageStore {
  /// The folder of the checkpoints.
  let folder: String
  /// Least time between two snapshots.
  let interval: Duration
  private let run: String
  private let mayLoad: Bool
  /// Bytes of a file that is read at most.
  private let mostBytes: Int
  /// Asked before anything is saved: throws where the data is no longer what it was.
  private let watch: () throws -> Void
  /// Where a result goes that finds no room; nil on other ranks than 0, and in tests.
  private let keeper: FileKeeper?
  /// When something was saved last, or the run began.
  private(set) var lastSave = ContinuousClock.now
  /// What saving has cost so far.
  public private(set) var cost = SavingCost()

  /// Checkpoints of the run in `folder`.
  ///
  /// - Parameters:
  ///   - folder: where they lie.
  ///   - runSettings: what every stage depends on: settings, data, program, library, processor.
  ///   - interval: least time between two snapshots; 0 takes one whenever it is possible.
  ///   - mostBytes: files that are larger are none of this run's.
  ///   - watch: throws `ChangedData` where the data is no longer what it was when it was opened.
  ///   - keeper: sees to it that results of finished stages, and what is saved before an end, are
  ///     kept whatever the disk does.
  public init(
    folder: String, runSettings: some Encodable, resume: ResumePolicy,
    interval: Duration = .seconds(600), mostBytes: Int = .max,
    watch: @escaping () throws -> Void = {}, keeper: FileKeeper? = nil
  ) throws {
    self.watch = watch
    self.keeper = keeper
    self.mostBytes = mostBytes
    self.folder = folder
    self.interval = interval
    var digest = SHA256Digest()
    digest.update([UInt8](try fixedText(runSettings)))
    run = digest.hexadecimal()
    mayLoad = resume != .never
  }

  /// Whether it is time for a snapshot.
  var isDue: Bool { ContinuousClock.now - lastSave >= interval }

  /// The file of a finished stage.
  package func path(_ key: StageKey) -> String { "\(folder)/\(Self.name(key)).safetensors" }

  /// The folder of a running stage.
  package func runningFolder(_ key: StageKey) -> String { "\(folder)/\(Self.name(key)).running" }

  private static func name(_ key: StageKey) -> String {
    key.path.joined(separator: ".").replacingOccurrences(of: " ", with: "-")
  }

  /// Whether there is anything of this run to continue from.
  public func holdings() -> Holdings {
    guard mayLoad else { return .nothing }
    let names = (try? FileManager.default.subpathsOfDirectory(atPath: folder)) ?? []
    var damage: FileError?
    for name in names.sorted() where name.hasSuffix(".safetensors") {
      let path = "\(folder)/\(name)"
      do {
        guard try ColumnFile.facts(path)["run"] == run else { continue }
        _ = try ColumnFile.read(path, limit: mostBytes)
        return .checkpoints
      } catch let error as FileError {
        damage = damage ?? error
      } catch { continue }
    }
    return damage.map { .damagedAlone($0) } ?? .nothing
  }

  /// What there is of a run to continue from.
  public enum Holdings {
    /// Nothing.
    case nothing
    /// Checkpoints, but none that is whole; the first, and what is wrong with it.
    case damagedAlone(FileError)
    /// A checkpoint that is whole, or several.
    case checkpoints
  }

  /// Saves what a finished stage has left, and takes its snapshots away.
  func save(_ columns: Columns, of key: StageKey, _ digest: StageDigest) throws {
    try write(columns, to: path(key), key, digest, [:], keeper)
    try? FileManager.default.removeItem(atPath: runningFolder(key))
  }

  /// What a finished stage has left; nil if there is no file or none is wanted.
  ///
  /// - Throws: `FileError` for a file that is damaged or of something else.
  package func load(_ key: StageKey, _ digest: StageDigest) throws -> Columns? {
    guard mayLoad, FileManager.default.fileExists(atPath: path(key)) else { return nil }
    let columns = try read(path(key), key, digest).columns
    // Left behind by a kill between the end of the stage and the end of its snapshots.
    try? FileManager.default.removeItem(atPath: runningFolder(key))
    return columns
  }

  /// Writes a file of a running stage.
  ///
  /// - Parameters:
  ///   - facts: what to say of it besides the stage.
  ///   - isLast: whether the run ends with it, so that there is no other try.
  func saveRunning(
    _ columns: Columns, as name: String, of key: StageKey, _ digest: StageDigest,
    facts: [String: String], isLast: Bool
  ) throws {
    do {
      try createFolder(runningFolder(key), option: "--checkpoints")
    } catch {
      guard isLast else { throw error }  // else the write fails too, and what it holds is kept
    }
    try write(
      columns, to: "\(runningFolder(key))/\(name).safetensors", key, digest, facts,
      isLast ? keeper : nil)
  }

  /// The files of a running stage that can be taken; the others are complained of and taken away.
  func loadRunning(
    _ key: StageKey, _ digest: StageDigest, complain: (any Error) -> Void
  ) -> [(columns: Columns, facts: [String: String])] {
    let place = runningFolder(key)
    guard mayLoad else {
      try? FileManager.default.removeItem(atPath: place)
      return []
    }
    let names = (try? FileManager.default.contentsOfDirectory(atPath: place)) ?? []
    return names.sorted().compactMap { name in
      guard name.hasSuffix(".safetensors") else {
        unlink("\(place)/\(name)")  // what a killed run was writing
        return nil
      }
      do {
        return try read("\(place)/\(name)", key, digest)
      } catch {
        complain(error)
        unlink("\(place)/\(name)")
        return nil
      }
    }
  }

  /// Notes that nothing could be saved now, so that the next try comes an interval later.
  func postpone() { lastSave = .now }

  private func write(
    _ columns: Columns, to path: String, _ key: StageKey, _ digest: StageDigest,
    _ facts: [String: String], _ keeper: FileKeeper?
  ) throws {
    try watch()
    let begin = ContinuousClock.now
    let own = ["run": run, "stage": key.description, "stage_digest": digest.text]
    var bytes = 0
    func write(_ path: String) throws {
      bytes = try ColumnFile.write(
        columns, facts: facts.merging(own) { _, own in own }, to: path)
    }
    if let keeper { try keeper.write(to: path, write) } else { try write(path) }
    lastSave = .now
    cost.add(files: 1, bytes: bytes, seconds: (lastSave - begin) / .seconds(1))
  }

  private func read(
    _ path: String, _ key: StageKey, _ digest: StageDigest
  ) throws -> (columns: Columns, facts: [String: String]) {
    let file = try ColumnFile.read(path, limit: mostBytes)
    guard file.facts["stage"] == key.description else {
      throw FileError.malformed(
        path: path,
        reason: "belongs to stage \(file.facts["stage"] ?? "unknown"), not to \(key)")
    }
    guard file.facts["run"] == run, file.facts["stage_digest"] == digest.text else {
      throw FileError.malformed(
        path: path, reason: "belongs to other settings, data or another build")
    }
    return file
  }
}

/// What saving checkpoints has cost.
public struct SavingCost: Sendable {
  /// Files written.
  public private(set) var files = 0
  /// Bytes written.
  public private(set) var bytes = 0
  /// Seconds that it took.
  public private(set) var seconds = 0.0
  /// Seconds that the longest file took.
  public private(set) var longest = 0.0

  mutating func add(files: Int, bytes: Int, seconds: Double) {
    self.files += files
    self.bytes += bytes
    self.seconds += seconds
    longest = max(longest, seconds)
  }

  /// For the log, for example `3 files, 12.4 MB, 0.05 s (0.1 % of the time)`.
  public func words(of total: Double) -> String {
    "\(files) \(files == 1 ? "file" : "files"), \(fixed(Double(bytes) / 1e6, 1)) MB, "
      + "\(fixed(seconds, 2)) s (\(fixed(seconds / max(total, 1e-9) * 100, 2)) % of the time)"
  }
}

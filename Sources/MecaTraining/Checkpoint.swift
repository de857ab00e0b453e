import Foundation
import MecaCore
import MecaMPI
import MecaNN

/// What a finished phase leaves behind: named tensors and nothing that hangs on ranks or threads.
public struct PhaseState: Sendable {
  /// Weights, per-sample verdicts, scores.
  public var tensors: [NamedTensor]

  /// All values.
  public init(tensors: [NamedTensor]) { self.tensors = tensors }

  /// The values of tensor `name`.
  ///
  /// - Throws: `FileError.malformed` if a checkpoint lacks it.
  public func values(_ name: String) throws -> [Float] {
    guard let tensor = tensors.first(where: { $0.name == name }) else {
      throw FileError.malformed(path: "checkpoint", reason: "has no tensor \(name)")
    }
    return tensor.values
  }
}

/// Whether a run may continue from what its folder holds.
public enum ResumePolicy: String, Codable, Sendable, CaseIterable {
  /// Continue if there is something to continue from.
  case auto
  /// Start anew; what is there is replaced.
  case never
  /// Continue, or fail.
  case must
}

/// The phase-end checkpoints of one run.
///
/// `checkpoints/PHASE.safetensors` holds a phase's state, in the metadata the digest of its values
/// and the digest of what the phase depends on: the run's settings, data and program, and its own
/// settings. A file that is torn, damaged or of something else is never taken: the phase is computed
/// again, and the log says so. Changing what only later phases depend on keeps the earlier ones.
public struct CheckpointStore: Sendable {
  private let folder: RunFolder
  private let runDigest: String
  private let mayLoad: Bool

  /// Checkpoints of the run in `folder`.
  ///
  /// - Parameter runSettings: what every phase depends on: settings, data, program, library,
  ///   processor.
  public init(folder: RunFolder, runSettings: some Encodable, resume: ResumePolicy) throws {
    self.folder = folder
    runDigest = try settingsDigest(runSettings)
    mayLoad = resume != .never
  }

  package func path(_ phase: String) -> String { "\(folder.checkpoints)/\(phase).safetensors" }

  /// Whether a phase could be taken from its checkpoint.
  ///
  /// - Ranks: local; rank 0 alone should call it.
  public func holds(_ phase: String, settings: some Encodable) -> Bool {
    (try? load(phase, settings: settings)) != nil
  }

  package func save(_ state: PhaseState, phase: String, settings: some Encodable) throws {
    try writeSafetensors(
      state.tensors,
      metadata: [
        "run": runDigest, "settings": try settingsDigest(settings),
        "digest": Self.digest(state), "phase": phase,
      ], to: path(phase))
  }

  package func load(_ phase: String, settings: some Encodable) throws -> PhaseState? {
    try verified(phase, settings: settings)?.state
  }

  /// A phase's state and the bytes it was read from; nil if there is no file or none is wanted.
  fileprivate func verified(
    _ phase: String, settings: some Encodable
  ) throws -> (state: PhaseState, bytes: [UInt8])? {
    guard mayLoad, FileManager.default.fileExists(atPath: path(phase)) else { return nil }
    let bytes = try readFile(at: path(phase))
    let (tensors, metadata) = try decodeSafetensors(bytes, path: path(phase))
    let state = PhaseState(tensors: tensors)
    guard metadata["run"] == runDigest, metadata["settings"] == (try settingsDigest(settings))
    else {
      throw FileError.malformed(
        path: path(phase), reason: "belongs to other settings, data or another build")
    }
    guard metadata["digest"] == Self.digest(state) else {
      throw FileError.malformed(path: path(phase), reason: "its digest does not fit its content")
    }
    return (state, bytes)
  }

  package static func digest(_ state: PhaseState) -> String {
    var digest = SHA256Digest()
    for tensor in state.tensors.sorted(by: { $0.name < $1.name }) {
      digest.update(Array(tensor.name.utf8))
      digest.update(tensor.values)
    }
    return digest.hexadecimal()
  }
}

/// SHA-256 of settings in a fixed textual form.
func settingsDigest(_ settings: some Encodable) throws -> String {
  let encoder = JSONEncoder()
  encoder.outputFormatting = [.sortedKeys]
  var digest = SHA256Digest()
  digest.update([UInt8](try encoder.encode(settings)))
  return digest.hexadecimal()
}

extension TrainingSession {
  /// Runs a phase, or takes its result from the checkpoint of an earlier run.
  ///
  /// Rank 0 reads and decides, everybody follows; after a computed phase rank 0 saves its state,
  /// and the others sleep meanwhile.
  /// A failed save is reported and costs the possibility to resume, not the run.
  ///
  /// - Ranks: collective; `work` is called on all ranks or on none.
  /// - Parameter settings: what the phase's result depends on besides the run's settings.
  public func phase(
    _ name: String, settings: some Encodable, checkpoints: CheckpointStore?,
    _ work: () throws -> PhaseState
  ) throws -> PhaseState {
    if let checkpoints,
      let saved = try restore(name, settings: settings, checkpoints: checkpoints)
    {
      journal.say("\(name): taken from its checkpoint")
      return saved
    }
    let begin = journal.seconds
    let state = try work()
    journal.record(
      "phase",
      ["phase": .text(name), "phase_seconds": .number(journal.seconds - begin)])
    guard let checkpoints else { return state }
    if communicator.rank == 0 {
      do {
        try checkpoints.save(state, phase: name, settings: settings)
      } catch {
        journal.warn("\(error); the run goes on, but could not be resumed after phase \(name)")
      }
    }
    try communicator.sleepingBarrier()
    return state
  }

  private func restore(
    _ name: String, settings: some Encodable, checkpoints: CheckpointStore
  ) throws -> PhaseState? {
    var bytes: [UInt8] = []
    if communicator.rank == 0 {
      do {
        bytes = try checkpoints.verified(name, settings: settings)?.bytes ?? []
      } catch {
        journal.warn("\(error); phase \(name) is computed again")
      }
    }
    try communicator.broadcast(&bytes, from: 0)
    guard !bytes.isEmpty else { return nil }
    return PhaseState(
      tensors: try decodeSafetensors(bytes, path: checkpoints.path(name)).0)
  }
}

extension [NamedTensor] {
  /// The tensors with `place` and a dot before their names.
  public func within(_ place: String) -> [NamedTensor] {
    map { $0.renamed("\(place).\($0.name)") }
  }

  /// The tensors that `within` put at `place`, with their old names.
  public func taken(from place: String) -> [NamedTensor] {
    filter { $0.name.hasPrefix(place + ".") }
      .map { $0.renamed(String($0.name.dropFirst(place.count + 1))) }
  }
}

extension NamedTensor {
  /// A list of numbers, one dimension.
  public static func list(_ name: String, _ values: [Float]) -> NamedTensor {
    NamedTensor(name: name, shape: [values.count], values: values)
  }

  /// The same tensor under another name.
  public func renamed(_ name: String) -> NamedTensor {
    var tensor = self
    tensor.name = name
    return tensor
  }
}

import MecaCore
import MecaDatasets
import MecaMPI

/// What a stage has left, and which stage it was.
public struct Finished<State: StageState>: Sendable {
  /// Its result.
  public let state: State
  /// Its identity, for the stages that use the result.
  public let digest: StageDigest

  /// All values.
  package init(state: State, digest: StageDigest) {
    self.state = state
    self.digest = digest
  }
}

extension TrainingSession {
  /// Runs a stage, or takes its result from the checkpoint of an earlier run.
  ///
  /// Rank 0 reads and decides, everybody follows; after a computed stage rank 0 saves its state, and
  /// the others sleep meanwhile. Nothing is encoded where nothing is saved. A failed save is reported
  /// and costs the possibility to resume, not the run. What is trained, asked and decided within goes
  /// on where a killed run was; see `StageProgress`.
  ///
  /// - Ranks: collective; `work` is called on all ranks or on none.
  /// - Parameters:
  ///   - key: where in the run.
  ///   - settings: what the result depends on besides the run's settings and `inputs`.
  ///   - inputs: the finished stages whose results `work` uses.
  ///   - store: where checkpoints lie; nil saves nothing.
  public func stage<State: StageState>(
    _ key: StageKey, _ settings: some Encodable, after inputs: [StageDigest],
    store: StageStore?, _ work: (StageKey) throws -> State
  ) throws -> Finished<State> {
    precondition(progress == nil, "stage \(key) within a stage")
    try stopIfAsked()
    let digest = try StageDigest(key, settings: settings, after: inputs)
    report?.begin(key.description)
    defer { report?.end() }
    if let store, let saved = try restored(key, digest, store) {
      journal.say("\(key): taken from its checkpoint")
      return Finished(state: try State(columns: saved), digest: digest)
    }
    let begin = journal.seconds
    let savingBefore = store?.cost.seconds ?? 0
    progress = try StageProgress(
      key, digest, store: store, communicator: communicator, journal: journal, trace: trace)
    communicator.place.enter(key.description)
    defer {
      progress = nil
      communicator.place.enter("what follows \(key)")
    }
    let state = try traced(key.description, .stage) { try work(key) }
    if let store {
      if communicator.rank == 0 {
        do {
          try traced("save \(key)", .save) { try store.save(state.columns, of: key, digest) }
        } catch let changed as ChangedData {
          throw changed
        } catch {
          journal.warn("\(error); the run goes on, but could not be resumed after stage \(key)")
        }
      }
    }
    journal.record(
      "stage",
      [
        "stage": .text(key.description), "stage_seconds": .number(journal.seconds - begin),
        "save_seconds": .number((store?.cost.seconds ?? 0) - savingBefore),
      ])
    if communicator.rank == 0 { afterStage?(key) }
    if store != nil {
      try traced("wait for the save", .wait) { try communicator.sleepingBarrier() }
    }
    return Finished(state: state, digest: digest)
  }

  private func restored(
    _ key: StageKey, _ digest: StageDigest, _ store: StageStore
  ) throws -> Columns? {
    var bytes: [UInt8] = []
    if communicator.rank == 0 {
      do {
        if let columns = try store.load(key, digest) {
          bytes = ColumnFile.encode(columns, facts: [:])
        }
      } catch {
        journal.warn("\(error); stage \(key) is computed again")
      }
    }
    try communicator.broadcast(&bytes, from: 0)
    guard !bytes.isEmpty else { return nil }
    return try ColumnFile.decode(bytes, path: store.path(key)).columns
  }

  /// An act of the running stage: its recorded result, or what `compute` gives, which is recorded.
  ///
  /// - Ranks: collective.
  /// - Parameters:
  ///   - name: what it is; the same each time the stage comes here.
  ///   - compute: given the act, to take snapshots of; nil outside of stages.
  func act<Result>(
    _ name: String, encode: (Result) -> Columns, decode: (Columns) throws -> Result,
    compute: (StageProgress.Act?) throws -> Result
  ) throws -> Result {
    guard let progress else { return try compute(nil) }
    try stopIfAsked()
    let act = try progress.begin(name)
    if let recorded = act.recorded { return try decode(recorded) }
    let result = try compute(act)
    try progress.finish(act) { encode(result) }
    return result
  }
}

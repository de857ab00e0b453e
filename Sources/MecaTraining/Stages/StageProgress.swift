import MecaCore
import MecaDatasets
import MecaMPI

/// How far a running stage is: the acts behind it (trainings, passes over samples, decisions), and a
/// snapshot of the one that it is in.
///
/// A stage that is resumed runs its code from the start. Each act that was recorded gives its
/// recorded result instead of being computed again; the one that a snapshot was taken of goes on
/// from there; from then on everything is computed. Since equal answers lead to equal calls, the
/// code of a defence needs to know nothing of all this.
///
/// Results of finished acts wait in rank 0's memory until the next snapshot is due, so that quick
/// stages write nothing. When one is due, all that wait are written first, then the act under way:
/// whatever is lost by a kill came after that moment.
///
/// - Ranks: every rank has one; rank 0 alone holds and writes results.
final class StageProgress {
  /// One act of a stage.
  struct Act {
    fileprivate let number: Int
    /// What it is, for example `train warm-up/detector 1`.
    let name: String
    /// Its recorded result; nil if it must be computed.
    let recorded: Columns?
    /// Where it stood at its snapshot; nil if it must begin anew.
    let within: Columns?
  }

  /// The stage.
  let key: StageKey
  private let digest: StageDigest
  private let store: StageStore?
  private let communicator: Communicator
  private let journal: Journal
  private let trace: RunTrace?
  private var nextNumber = 0
  /// Numbers of the acts with a recorded result, the same on all ranks.
  private var recordedNumbers: Set<Int32> = []
  /// Numbers of the acts with a snapshot, the same on all ranks.
  private var withinNumbers: Set<Int32> = []
  /// On rank 0: results, and snapshots.
  private var recorded: [Int: Columns] = [:]
  private var within: [Int: Columns] = [:]
  /// On rank 0: results that wait to be written.
  private var waiting: [(act: Act, columns: Columns)] = []
  private var generation = 0
  /// On rank 0: whether a full disk or the like has been told of.
  private var hasComplained = false

  private var isWriter: Bool { store != nil && communicator.rank == 0 }

  /// Finds what an earlier run has left of the stage.
  ///
  /// - Ranks: collective.
  init(
    _ key: StageKey, _ digest: StageDigest, store: StageStore?, communicator: Communicator,
    journal: Journal, trace: RunTrace? = nil
  ) throws {
    self.key = key
    self.trace = trace
    self.digest = digest
    self.store = store
    self.communicator = communicator
    self.journal = journal
    guard store != nil else { return }
    if isWriter { readFiles() }
    var done = recorded.keys.map { Int32($0) }.sorted()
    var begun = within.keys.map { Int32($0) }.sorted()
    try communicator.broadcast(&done, from: 0)
    try communicator.broadcast(&begun, from: 0)
    recordedNumbers = Set(done)
    withinNumbers = Set(begun)
    if !done.isEmpty || !begun.isEmpty {
      journal.say("\(key): goes on from the checkpoints within it")
      journal.record(
        "resume", ["stage": .text(key.description), "acts_done": .integer(done.count)])
    }
  }

  private func readFiles() {
    let files =
      store?.loadRunning(key, digest) {
        journal.warn("\($0); what it held is computed again")
      } ?? []
    var newest: [Int: Int] = [:]
    for file in files {
      if let act = file.facts["act"].flatMap({ Int($0) }),
        let generation = file.facts["generation"].flatMap({ Int($0) })
      {
        self.generation = max(self.generation, generation + 1)
        guard generation > newest[act] ?? -1 else { continue }
        newest[act] = generation
        within[act] = file.columns
      } else {
        for number in (file.facts["acts"] ?? "").split(separator: ",").compactMap({ Int($0) }) {
          recorded[number] = file.columns.taken(from: "\(number)")
        }
      }
    }
  }

  /// Begins the next act.
  ///
  /// - Ranks: collective.
  func begin(_ name: String) throws -> Act {
    let number = nextNumber
    nextNumber += 1
    let done = try share(number, among: recordedNumbers, &recorded, named: name)
    let begun =
      done == nil ? try share(number, among: withinNumbers, &within, named: name) : nil
    return Act(number: number, name: name, recorded: done, within: begun)
  }

  /// What rank 0 has of an act, on every rank.
  private func share(
    _ number: Int, among numbers: Set<Int32>, _ own: inout [Int: Columns], named name: String
  ) throws -> Columns? {
    guard numbers.contains(Int32(number)) else { return nil }
    var bytes: [UInt8] = []
    if communicator.rank == 0, let columns = own.removeValue(forKey: number) {
      bytes = ColumnFile.encode(columns, facts: [:])
    }
    try communicator.broadcast(&bytes, from: 0)
    let columns = try ColumnFile.decode(bytes, path: "checkpoint of \(key)").columns
    guard try columns.bytes(Self.nameColumn) == Array(name.utf8) else {
      journal.warn("\(key): a checkpoint within it is of another act; it is computed again")
      return nil
    }
    return columns
  }

  private static let nameColumn = "act"

  /// Takes a snapshot of an act under way, if one is due.
  ///
  /// - Parameter state: called on rank 0 if so.
  func snapshotIfDue(_ act: Act, _ state: () -> Columns) throws {
    guard isWriter, let store, store.isDue else { return }
    try saving {
      try flush()
      try snapshot(act, state)
    }
  }

  /// Saves all that there is, whether due or not: the run is about to end.
  ///
  /// - Parameters:
  ///   - act: what is under way; nil between two acts.
  ///   - state: called on rank 0 if there is an act.
  /// - Returns: whether nothing is lost; on other ranks than 0 always true.
  func saveNow(_ act: Act?, _ state: () -> Columns) throws -> Bool {
    guard isWriter else { return true }
    return try saving {
      try flush(isLast: true)
      if let act { try snapshot(act, state, isLast: true) }
    }
  }

  /// Seconds that writing a file has taken at most; 0 on other ranks than 0.
  var longestSave: Double { store?.cost.longest ?? 0 }

  /// Writes where an act stands.
  private func snapshot(_ act: Act, _ state: () -> Columns, isLast: Bool = false) throws {
    var columns = state()
    columns[Self.nameColumn] = .bytes(Array(act.name.utf8))
    try store?.saveRunning(
      columns, as: "within-\(generation % 2)", of: key, digest,
      facts: ["act": "\(act.number)", "generation": "\(generation)"], isLast: isLast)
    generation += 1
  }

  /// Records the result of an act that was computed.
  ///
  /// - Parameter result: called on rank 0 if it is kept.
  func finish(_ act: Act, _ result: () -> Columns) throws {
    guard isWriter, let store else { return }
    var columns = result()
    columns[Self.nameColumn] = .bytes(Array(act.name.utf8))
    waiting.append((act, columns))
    if store.isDue { try saving { try flush() } }
  }

  /// Writes the results that wait.
  private func flush(isLast: Bool = false) throws {
    guard let store, let first = waiting.first else { return }
    var columns = Columns()
    for (act, result) in waiting { columns.add(result, within: "\(act.number)") }
    try store.saveRunning(
      columns, as: "done-\(first.act.number)", of: key, digest,
      facts: ["acts": waiting.map { "\($0.act.number)" }.joined(separator: ",")],
      isLast: isLast)
    waiting = []
  }

  /// Saves, or says once that it could not; training goes on.
  ///
  /// - Returns: whether it was saved.
  /// - Throws: `ChangedData`, which ends the run.
  @discardableResult
  private func saving(_ work: () throws -> Void) throws -> Bool {
    guard let store else { return true }
    let before = store.cost
    var isSaved = true
    let begin = ContinuousClock.now
    defer { trace?.add("save a snapshot", .save, from: begin) }
    do {
      try work()
    } catch let changed as ChangedData {
      throw changed
    } catch {
      isSaved = false
      store.postpone()
      if !hasComplained {
        journal.warn("\(error); the run goes on, but would lose more by a kill")
        hasComplained = true
      }
    }
    journal.record(
      "snapshot",
      [
        "stage": .text(key.description), "files": .integer(store.cost.files - before.files),
        "bytes": .integer(store.cost.bytes - before.bytes),
        "save_seconds": .number(store.cost.seconds - before.seconds),
      ])
    return isSaved
  }
}

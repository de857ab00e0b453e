import Foundation
import MecaCore
import MecaNN
import MecaTestSupport
import MecaTraining
import Testing

/// What finished stages leave behind, and what is refused afterwards.
@MainActor @Suite(.serialized) struct StageTests {
  struct Settings: Encodable { var epochs: Int }

  /// A state with a column of every type.
  struct State: StageState, Equatable {
    var columns = Columns()

    init() {
      columns["flags"] = .flags([true, false, true])
      columns["integers"] = .integers([1, -2, .max])
      columns["floats"] = .floats([1, -0.5, 3e-30])
      columns["doubles"] = .doubles([.pi])
      columns["bytes"] = .bytes(Array("a\"b".utf8))
      columns["empty"] = .floats([])
    }

    init(columns: Columns) throws { self.columns = columns }
  }

  let key = StageKey("meca").appending("warm-up")

  func store(
    _ folder: TestFolder, run: Int = 1, resume: ResumePolicy = .auto, every: Duration = .zero
  ) throws -> StageStore {
    try createFolder(folder.path)
    return try StageStore(
      folder: folder.path, runSettings: Settings(epochs: run), resume: resume, interval: every)
  }

  /// Runs a stage and says whether it was computed.
  func run(
    _ store: StageStore, _ key: StageKey, epochs: Int = 2, after: [StageDigest] = [],
    _ spoken: SpokenLines = SpokenLines()
  ) throws -> (Finished<State>, isComputed: Bool) {
    var isComputed = false
    let finished = try session(spoken).stage(
      key, Settings(epochs: epochs), after: after, store: store
    ) { _ in
      isComputed = true
      return State()
    }
    return (finished, isComputed)
  }

  private func isNothing(_ holdings: StageStore.Holdings) -> Bool {
    if case .nothing = holdings { true } else { false }
  }

  private func isWhole(_ holdings: StageStore.Holdings) -> Bool {
    if case .checkpoints = holdings { true } else { false }
  }

  @Test func aFinishedStageComesBackWhole() throws {
    let folder = try TestFolder()
    let store = try store(folder)
    #expect(isNothing(store.holdings()))
    let (first, isComputed) = try run(store, key)
    #expect(isComputed && isWhole(store.holdings()))
    let (again, isComputedAgain) = try run(store, key)
    #expect(!isComputedAgain && again.state == State() && again.digest == first.digest)
    #expect(!FileManager.default.fileExists(atPath: store.runningFolder(key)))
    #expect(isNothing(try self.store(folder, resume: .never).holdings()))
    #expect(try run(self.store(folder, resume: .never), key).isComputed)
    #expect(store.cost.files == 1 && store.cost.bytes > 0)
  }

  /// Name, settings, inputs and run are all part of what a stage is.
  @Test func anotherStageIsNeverTakenForThisOne() throws {
    let folder = try TestFolder()
    let store = try store(folder)
    let input = try run(store, StageKey("a")).0.digest
    let other = try run(store, StageKey("b")).0.digest
    #expect(input != other)
    _ = try run(store, key, after: [input])
    #expect(try run(store, key, after: [input]).isComputed == false)
    #expect(try run(store, key, epochs: 3, after: [input]).isComputed)
    #expect(try run(store, key, epochs: 3, after: [other]).isComputed)
    #expect(try run(store, key, epochs: 3, after: [other, input]).isComputed)
    #expect(try run(self.store(folder, run: 2), key, epochs: 3, after: [other, input]).isComputed)
  }

  @Test func aFileUnderAnotherNameIsRefusedByName() throws {
    let folder = try TestFolder()
    let store = try store(folder)
    _ = try run(store, StageKey("undefended"))
    try FileManager.default.copyItem(
      atPath: store.path(StageKey("undefended")), toPath: store.path(StageKey("oracle")))
    let spoken = SpokenLines()
    #expect(try run(store, StageKey("oracle"), spoken).isComputed)
    #expect(
      spoken.lines.contains {
        $0.hasPrefix("warning") && $0.contains("belongs to stage undefended, not to oracle")
          && $0.contains("stage oracle is computed again")
      }, "\(spoken.lines)")
  }

  /// Every truncation of the header and some of the data, and a flip of a bit in every byte.
  @Test func everyDamageIsSeen() throws {
    let folder = try TestFolder()
    let store = try store(folder)
    let digest = try run(store, key).0.digest
    let whole = try readFile(at: store.path(key))
    var damaged = (0..<whole.count).map { Array(whole.prefix($0)) }
    damaged.append(whole + [0])
    for place in whole.indices {
      var bytes = whole
      bytes[place] ^= UInt8(1 << (place % 8))
      damaged.append(bytes)
    }
    for bytes in damaged {
      try Data(bytes).write(to: URL(fileURLWithPath: store.path(key)))
      #expect(throws: FileError.self) { try store.load(key, digest) }
    }
    try writeWhole(Data(whole), to: store.path(key))
    #expect(try store.load(key, digest) == State().columns)
  }

  /// A header that promises much, and a file of holes: refused before they are read.
  @Test func aFileThatPromisesMuchIsNotRead() throws {
    let folder = try TestFolder()
    let store = try store(folder)
    let digest = try run(store, key).0.digest
    let whole = try readFile(at: store.path(key))
    var huge = whole
    for (place, byte) in [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f].enumerated() {
      huge[place] = UInt8(byte)
    }
    try writeWhole(Data(huge), to: store.path(key))
    #expect(throws: FileError.self) { try store.load(key, digest) }
    try writeWhole(Data(whole), to: store.path(key))
    truncate(store.path(key), 40 << 30)
    let error = #expect(throws: FileError.self) { try store.load(key, digest) }
    #expect(error?.description.contains("its header says") == true)
  }

  @Test func nothingIsEncodedWhereNothingIsSaved() throws {
    struct Silent: StageState {
      var columns: Columns { preconditionFailure("encoded") }
      init() {}
      init(columns: Columns) throws {}
    }
    _ = try session().stage(key, Settings(epochs: 1), after: [], store: nil) { _ in Silent() }
  }

  @Test func keysAreKeptApart() {
    let keys = [
      StageKey("a"), StageKey("b"), StageKey("a").appending("b"), StageKey("ab"),
      StageKey("a").member("b", 0), StageKey("a").member("b", 1),
    ]
    let seeds = keys.flatMap { key in [1, 2].map { key.seed(of: $0) } }
    #expect(Set(seeds).count == seeds.count)
    #expect(StageKey("a").member("detector", 1).description == "a/detector 2")
    // The first bytes of SHA-256 of 01 00 00 00 00 00 00 00 'a' 00, computed with another program.
    #expect(StageKey("a").seed(of: 1) == 18_312_767_703_534_080_756)
  }
}

import Foundation
import MecaCore
import MecaTestSupport
import MecaTorchFiles
import Testing

/// Plain values out of pickles of Python, and the limits and refusals of the reader.
@Suite struct PickleReaderTests {
  private func read(_ bytes: [UInt8], storages: Bool = false) throws -> PickleContents {
    try PickleReader.read(bytes, allowsStorages: storages)
  }

  /// The description of the error that reading ends with.
  private func refusal(
    _ value: [UInt8], storages: Bool = true, sourceLocation: SourceLocation = #_sourceLocation
  ) -> String {
    do {
      _ = try read(Pickle.whole(value), storages: storages)
      Issue.record("was read", sourceLocation: sourceLocation)
      return ""
    } catch {
      return "\(error)"
    }
  }

  /// `plain()` of tools/torch-fixtures.py, written down a second time.
  @Test(arguments: 2...5) func readsPythonsPlainValues(version: Int) throws {
    let contents = try read(fixture("plain/protocol\(version).pickle"))
    try expectPlainValues(contents.root, in: contents)
  }

  @Test func listsAndDictionariesMayHoldThemselves() throws {
    // a = []; a.append(a); d = {}; d["a"] = d; [a, d]
    let list = Pickle.emptyList + Pickle.put(0) + Pickle.get(0) + Pickle.append
    let dictionary =
      Pickle.emptyDictionary + Pickle.put(1) + Pickle.text("a") + Pickle.get(1) + Pickle.setItem
    let contents = try read(Pickle.whole(list + dictionary + Pickle.tuple2))
    let members = try #require(contents.members(contents.root))
    #expect(contents.members(members[0]) == [members[0]])
    #expect(contents.entry("a", of: members[1]) == members[1])
  }

  /// 2¹⁰⁰⁰ leaves if anything ever walked through them.
  @Test func sharedPartsAreNotMultiplied() throws {
    var program = Pickle.emptyList + Pickle.memoize
    for _ in 0..<1000 {
      // ((x, x), again as x): DUP, TUPLE2.
      program += [0x32] + Pickle.tuple2
    }
    let contents = try read(Pickle.whole(program, protocol: 4))
    #expect(contents.tuples.count == 1000)
  }

  @Test func depthCostsNothing() throws {
    let depth = 1_000_000
    let program =
      [UInt8](repeating: 0x5D, count: depth) + [UInt8](repeating: 0x61, count: depth - 1)
    let contents = try read(Pickle.whole(program))
    #expect(contents.lists.count == depth)
    #expect(contents.members(contents.root)?.count == 1)
    let tuples = try read(
      Pickle.whole(Pickle.emptyTuple + [UInt8](repeating: 0x85, count: 1_500_000)))
    #expect(tuples.tuples.count == 1_500_001)
  }

  @Test func refusesCallsByName() {
    func call(_ module: String, _ name: String) -> [UInt8] {
      Pickle.global(module, name) + Pickle.text("touch /tmp/meca-was-run") + Pickle.tuple1
        + Pickle.reduce
    }
    for (module, name) in [
      ("os", "system"), ("posix", "system"), ("nt", "system"), ("builtins", "eval"),
      ("__builtin__", "exec"), ("builtins", "getattr"), ("subprocess", "Popen"),
      ("torch._utils", "_rebuild_sparse_tensor"), ("torch", "load"), ("numpy", "load"),
      ("collections", "OrderedDict.fromkeys"), ("torch.storage", "_load_from_bytes"), ("", ""),
    ] {
      #expect(
        refusal(call(module, name))
          == "asks for \(module).\(name) at byte 2, which is not on the list of plain values; "
          + "nothing was run")
    }
    // Names of the stack, inside of an argument, and one full of control characters.
    #expect(
      refusal(Pickle.stackGlobal("os", "system") + Pickle.emptyTuple + Pickle.reduce).hasPrefix(
        "asks for os.system at byte 20"))
    #expect(
      refusal(
        Pickle.global("collections", "OrderedDict") + Pickle.mark
          + call("os", "system") + Pickle.tuple + Pickle.reduce
      ).hasPrefix("asks for os.system at byte 28"))
    #expect(
      refusal(Pickle.global("a\u{1B}[2J", String(repeating: "b", count: 1000))).hasPrefix(
        "asks for a?[2J.\(String(repeating: "b", count: 74))… at byte 2"))
    #expect(!FileManager.default.fileExists(atPath: "/tmp/meca-was-run"))
  }

  @Test func refusesInstructionsThatCallOtherwise() {
    let operating = Array("os\nsystem\n".utf8)
    for (program, name) in [
      (Pickle.mark + Pickle.text("ls") + [0x69] + operating, "INST"),
      (Pickle.mark + Pickle.global("collections", "OrderedDict") + [0x6F], "OBJ"),
      ([0x82, 1], "EXT1"), ([0x83, 1, 0], "EXT2"), ([0x84, 1, 0, 0, 0], "EXT4"),
      (
        Pickle.global("collections", "OrderedDict") + Pickle.emptyTuple + Pickle.emptyDictionary
          + [0x92], "NEWOBJ_EX"
      ),
      ([0x50] + operating, "PERSID"), ([0x97], "NEXT_BUFFER"),
      (Array("I01\n".utf8), "INT"), ([0x55, 1, 65], "SHORT_BINSTRING"),
    ] {
      #expect(refusal(program).hasPrefix("has the instruction \(name) at byte "))
      #expect(refusal(program).hasSuffix(", which is not obeyed; nothing was run"))
    }
    #expect(
      refusal(Pickle.text("x") + Pickle.persistent, storages: false)
        == "has the instruction BINPERSID at byte 8, which is not obeyed; nothing was run")
  }

  @Test func refusesCallsOfWhatIsNoName() {
    #expect(
      refusal(Pickle.text("os.system") + Pickle.emptyTuple + Pickle.reduce)
        == "calls a text at byte 17")
    #expect(
      refusal(Pickle.global("torch", "FloatStorage") + Pickle.emptyTuple + Pickle.reduce)
        == "calls a type that is only named elsewhere at byte 23")
    #expect(
      refusal(Pickle.global("torch", "Size") + Pickle.text("x") + Pickle.reduce)
        == "calls something with a text for its arguments at byte 20")
    #expect(
      refusal(Pickle.emptyList + Pickle.emptyDictionary + Pickle.build)
        == "gives a list a state at byte 4")
    #expect(
      refusal(Pickle.emptyDictionary + Pickle.text("x") + Pickle.build)
        == "gives a dictionary odd attributes at byte 9")
    #expect(
      refusal(Pickle.text("module") + Pickle.persistent)
        == "has a persistent name of its own at byte 13")
  }

  @Test func refusesProgramsThatAreNotWellFormed() {
    for (program, text) in [
      (Pickle.append, "takes a value from an empty stack at byte 2"),
      (Pickle.tuple, "looks for a mark that is not there at byte 2"),
      (
        Pickle.none + Pickle.mark + [0x30, 0x30, 0x30],
        "takes a value from an empty stack at byte 6"
      ),
      (
        Pickle.mark + Pickle.none + Pickle.none + Pickle.append,
        "appends to something that is no list at byte 5"
      ),
      (Pickle.none + Pickle.none + Pickle.append, "appends to something that is no list at byte 4"),
      (
        Pickle.emptyDictionary + Pickle.mark + Pickle.none + Pickle.setItems,
        "sets a key without a value at byte 5"
      ),
      (
        Pickle.emptyList + Pickle.none + Pickle.none + Pickle.setItem,
        "sets an entry of something that is no dictionary at byte 5"
      ),
      (Pickle.get(7), "recalls value 7, which was never stored, at byte 2"),
      (
        [0x6A, 0xFF, 0xFF, 0xFF, 0xFF],
        "recalls value 4294967295, which was never stored, at byte 2"
      ),
      ([0x58, 0xFF, 0xFF, 0xFF, 0x7F], "ends in the middle of an instruction, at byte 2"),
      ([0x58, 0xFF, 0xFF, 0xFF, 0xFF], "ends in the middle of an instruction, at byte 2"),
      ([0x8E] + little(UInt64.max), "ends in the middle of an instruction, at byte 2"),
      ([0x8E] + little(UInt64(1) << 62), "ends in the middle of an instruction, at byte 2"),
      ([0x95] + little(UInt64.max), "ends in the middle of an instruction, at byte 2"),
      ([0x8B] + little(UInt32.max), "ends in the middle of an instruction, at byte 2"),
      ([0x58, 1, 0, 0, 0, 0xFF], "has a text that is not UTF-8 at byte 2"),
      ([0xFE], "has an instruction 254 that no protocol knows at byte 2"),
      (Pickle.none + Pickle.stop, "goes on for 1 bytes after its end at byte 3"),
      (Pickle.proto(6), "is of protocol 6, not 2 to 5, at byte 2"),
    ] {
      #expect(refusal(program) == text)
    }
    #expect(throws: PickleError.cutOff(byte: 2)) { try read(Pickle.proto()) }
    #expect(throws: PickleError.self) { try read(Array("(lp0\n.".utf8)) }
    #expect(throws: PickleError.self) { try read([]) }
  }

  @Test func refusesMoreThanAFileOfPyTorchNeeds() {
    #expect(
      refusal([UInt8](repeating: 0x4E, count: 1_000_001))
        == "has more than 1000000 values on the stack by byte 1000002")
    #expect(
      refusal([UInt8](repeating: 0x28, count: 1_000_001))
        == "has more than 1000000 marks by byte 1000002")
    // A list and its removal, again and again.
    let objects = (0...2_000_000).flatMap { _ in [UInt8]([0x5D, 0x30]) }
    #expect(refusal(objects).hasPrefix("has more than 2000000 values with parts"))
    // One text of 64 KiB encoded many times: 10 bytes in the file for 64 KiB in memory.
    let once =
      Pickle.global("_codecs", "encode") + Pickle.get(0) + Pickle.get(1) + Pickle.tuple2
      + Pickle.reduce
    var program = Pickle.text(String(repeating: "a", count: 65536)) + Pickle.put(0)
    program += Pickle.text("latin1") + Pickle.put(1)
    for _ in 0..<1000 { program += once }
    #expect(refusal(program).hasPrefix("encodes the same text again and again"))
  }

  @Test func refusesTensorsBeyondTheirStorage() throws {
    let storage = Pickle.storage(count: 6)
    func isRead(_ offset: Int, _ shape: [Int], _ strides: [Int]) -> Bool {
      let value = Pickle.tensor(storage, offset: offset, shape: shape, strides: strides)
      return (try? read(Pickle.whole(value), storages: true)) != nil
    }
    #expect(isRead(0, [2, 3], [3, 1]))
    #expect(isRead(0, [3, 2], [1, 3]))
    #expect(isRead(5, [], []))
    #expect(isRead(6, [0, 1 << 62], [0, 1]))
    #expect(!isRead(6, [0, 1 << 62, 1 << 62], [0, 1, 1]))
    #expect(!isRead(6, [], []))
    #expect(!isRead(1, [2, 3], [3, 1]))
    #expect(!isRead(-1, [2], [1]))
    #expect(!isRead(5, [2], [-1]))
    #expect(!isRead(0, [7], [0]))
    #expect(!isRead(0, [2, 3], [1]))
    #expect(!isRead(0, [-2], [1]))
    #expect(!isRead(0, [1 << 32, 1 << 32], [0, 0]))
    #expect(!isRead(0, [2], [Int.max]))
    #expect(!isRead(Int.max, [2], [1]))
    #expect(
      refusal(Pickle.tensor(storage, offset: 1, shape: [2, 3], strides: [3, 1])).hasPrefix(
        "has a tensor of shape [2, 3] with steps [3, 1] from element 1 on in a storage of 6 at byte"
      ))
  }

  @Test func refusesArraysThatAreNotNumbers() {
    func array(_ code: String, shape: [Int], _ content: [UInt8]) -> [UInt8] {
      let type =
        Pickle.global("numpy", "dtype") + Pickle.text(code) + Pickle.tuple1 + Pickle.reduce
      return Pickle.global("numpy.core.multiarray", "_reconstruct")
        + Pickle.global("numpy", "ndarray") + Pickle.mark + Pickle.tuple + Pickle.text("b")
        + [0x87] + Pickle.reduce + Pickle.mark + Pickle.int(1) + Pickle.mark
        + shape.flatMap(Pickle.long) + Pickle.tuple + type + Pickle.newFalse + content
        + Pickle.tuple + Pickle.build
    }
    let bytes: [UInt8] = [0x43, 8, 1, 0, 0, 0, 2, 0, 0, 0]
    let good = try? read(Pickle.whole(array("i4", shape: [2], bytes), protocol: 3))
    #expect(good.flatMap { $0.numbers(of: $0.arrays[0]) } == [.integer(1), .integer(2)])
    #expect(
      refusal(array("O8", shape: [1], Pickle.emptyList + Pickle.none + Pickle.append)).hasPrefix(
        "has a NumPy array of O8, not of numbers, at byte"))
    #expect(refusal(array("V8", shape: [1], bytes)).hasPrefix("has a NumPy array of V8, not of"))
    #expect(
      refusal(array("i4", shape: [3], bytes)).hasPrefix("has a NumPy array of shape [3] in 8 bytes")
    )
    #expect(
      refusal(array("i4", shape: [1 << 62, 8], bytes)).hasPrefix("has a NumPy array of shape"))
    #expect(refusal(array("i4", shape: [-2], bytes)).hasPrefix("has a NumPy array of shape [-2]"))
  }
}

/// The bytes of a file in Fixtures.
func fixture(_ name: String) throws -> [UInt8] { try readFile(at: fixturePath(name)) }

/// The path of a file in Fixtures.
func fixturePath(_ name: String) -> String {
  (Bundle.module.resourcePath ?? "") + "/Fixtures/" + name
}

/// Compares a dictionary with `plain()` of tools/torch-fixtures.py.
func expectPlainValues(_ root: PickleValue, in contents: PickleContents) throws {
  func entry(_ key: String) throws -> PickleValue { try #require(contents.entry(key, of: root)) }
  func members(_ key: String) throws -> [PickleValue] {
    try #require(contents.members(entry(key)))
  }
  func bytes(_ key: String) throws -> [UInt8]? {
    if case .bytes(let place) = try entry(key) { contents.byteStrings[place] } else { nil }
  }
  #expect(contents.pairs(root)?.count == 14)
  #expect(try entry("none") == .none)
  #expect(try entry("true") == .bool(true))
  #expect(try entry("false") == .bool(false))
  #expect(
    try members("integers")
      == [
        0, 255, 256, 65535, 65536, -1, 2_147_483_647, -2_147_483_648, 1_099_511_627_776,
        -1_099_511_627_776, 9_223_372_036_854_775_807,
      ].map { .integer($0) })
  #expect(try entry("huge") == .largeInteger)
  #expect(try members("floats") == [.float(0), .float(-0.5), .float(1e300)])
  #expect(try contents.text(entry("text")) == "grüß")
  #expect(try bytes("bytes") == [0, 255, 128])
  #expect(try bytes("noBytes") == [])
  let tuples = try members("tuples").map { contents.members($0) }
  #expect(tuples == [0, 1, 2, 3, 4].map { count in (0..<count).map { .integer($0 + 1) } })
  #expect(try members("set") == [.integer(5)])
  #expect(try members("frozen") == [.integer(6)])
  let shared = try members("shared")
  #expect(shared[0] == shared[1])
  #expect(contents.members(shared[0]) == [.integer(1), .integer(2)])
  let inner = try #require(
    contents.entry("b", of: contents.entry("a", of: entry("nested")) ?? .none))
  let first = try #require(contents.members(inner)?.first)
  #expect(contents.entry("c", of: first) == .integer(3))
}

import MecaCore
import MecaTestSupport
import MecaTorchFiles
import Testing

/// Files that PyTorch has written, against the values that tools/torch-fixtures.py put in.
@Suite struct TorchFileTests {
  private func open(_ name: String) throws -> TorchFile { try TorchFile(path: fixturePath(name)) }

  /// The tensor under a name in `tensors.pt`.
  private func tensor(_ name: String, in file: TorchFile) throws -> TorchTensor {
    let all = try #require(file.contents.entry("tensors", of: file.contents.root))
    let value = try #require(file.contents.entry(name, of: all))
    return try #require(file.tensor(value))
  }

  @Test func readsEveryElementType() throws {
    let file = try open("tensors.pt")
    let expected: [(TensorElement, [Float])] = [
      (.float32, [0.5, -1.25, 3.0e38]), (.float64, [0.1, -.infinity, 2]),
      // 6·10⁻⁸ is nearest to 2⁻²⁴, the smallest number there is, and -3·10³⁸ to -226·2¹²⁰.
      (.float16, [0.5, -65504, 0x1p-24]), (.bfloat16, [1, -0x1.C4p127, 0.0078125]),
      (.uint8, [0, 7, 255]), (.int8, [-128, 0, 127]), (.int16, [-32768, 1, 32767]),
      (.int32, [-0x1p31, 2, 0x1p31]), (.int64, [-0x1p63, 3, 0x1p63]), (.bool, [1, 0, 1]),
    ]
    #expect(expected.map(\.0) == TensorElement.allCases)
    for (element, values) in expected {
      let tensor = try tensor(element.rawValue, in: file)
      #expect(tensor.element == element)
      #expect(tensor.shape == [3])
      #expect(tensor.floats() == values)
    }
    #expect(try tensor("int64", in: file).integers() == [.min, 3, .max])
    #expect(try tensor("int32", in: file).integers() == [-2_147_483_648, 2, 2_147_483_647])
    #expect(try tensor("int8", in: file).integers() == [-128, 0, 127])
    #expect(try tensor("bool", in: file).integers() == [1, 0, 1])
    #expect(try tensor("float32", in: file).integers() == nil)
    #expect(try tensor("grid", in: file).integers() == Array(0..<24))
  }

  @Test func readsViewsOfStorages() throws {
    let file = try open("tensors.pt")
    // grid[i, j, k] = 12 i + 4 j + k
    let grid = try tensor("grid", in: file)
    #expect(grid.shape == [2, 3, 4])
    #expect(grid.floats() == (0..<24).map(Float.init))
    let transposed = try tensor("transposed", in: file)
    #expect(transposed.shape == [4, 3, 2])
    var expected: [Float] = []
    for k in 0..<4 {
      for j in 0..<3 { for i in 0..<2 { expected.append(Float(12 * i + 4 * j + k)) } }
    }
    #expect(transposed.floats() == expected)
    let slice = try tensor("slice", in: file)
    #expect(slice.shape == [2, 2])
    #expect(slice.floats() == [16, 18, 20, 22])
    let last = try tensor("channelsLast", in: file)
    #expect(last.shape == [1, 2, 2, 4])
    #expect(last.floats() == (0..<16).map(Float.init))
    #expect(try tensor("empty", in: file).shape == [0, 3])
    #expect(try tensor("empty", in: file).floats() == [])
    #expect(try tensor("number", in: file).shape == [])
    #expect(try tensor("number", in: file).floats() == [2.5])
    #expect(try tensor("parameter", in: file).floats() == [1, 2])
  }

  @Test func readsPlainValuesBesideTensors() throws {
    let contents = try open("tensors.pt").contents
    let plain = try #require(contents.entry("plain", of: contents.root))
    try expectPlainValues(plain, in: contents)
    let size = try #require(contents.entry("size", of: contents.root))
    #expect(contents.members(size) == [.integer(2), .integer(3)])
    let ordered = try #require(contents.entry("ordered", of: contents.root))
    #expect(contents.pairs(ordered)?.map { contents.text($0.key) } == ["b", "a"])
  }

  @Test func readsNumPysArraysAndNumbers() throws {
    let file = try open("numpy.pt")
    let contents = file.contents
    func array(_ name: String) throws -> PickledArray {
      let value = try #require(contents.entry(name, of: contents.root))
      guard case .array(let place) = value else {
        throw FileError.malformed(path: name, reason: "is no array")
      }
      return contents.arrays[place]
    }
    #expect(try contents.numbers(of: array("float64")) == [.float(0), .float(1), .float(0.5)])
    #expect(try contents.numbers(of: array("float32")) == [.float(0.25), .float(-2)])
    #expect(try contents.numbers(of: array("int64")) == (0..<4).map { .integer($0) })
    #expect(try array("uint8").shape == [2, 1])
    #expect(try contents.numbers(of: array("uint8")) == [.integer(1), .integer(255)])
    #expect(try contents.numbers(of: array("bool")) == [.bool(true), .bool(false)])
    #expect(try contents.numbers(of: array("bigEndian")) == [.integer(1), .integer(-2)])
    #expect(try array("fortran").shape == [2, 3])
    #expect(try array("fortran").isFortranOrder)
    #expect(try contents.numbers(of: array("fortran")) == nil)
    #expect(try contents.numbers(of: array("none")) == [])
    let numbers = try #require(contents.entry("numbers", of: contents.root))
    #expect(
      contents.members(numbers) == [.integer(-5), .float(0.5), .integer(200), .bool(true)])
    let sevens = try #require(contents.entry("keys", of: contents.root))
    let keys = try #require(contents.pairs(sevens))
    #expect(keys.map(\.key) == [.integer(7)])
    let int64 = try #require(contents.entry("int64", of: contents.root))
    #expect(try file.integers(int64, "x") == [0, 1, 2, 3])
    let float64 = try #require(contents.entry("float64", of: contents.root))
    let error = #expect(throws: FileError.self) { try file.integers(float64, "labels") }
    #expect(error?.description.hasSuffix("labels should be integers, and is a NumPy array") == true)
  }

  /// state() of tools/torch-fixtures.py: element e of tensor i is 10 i + e.
  @Test(arguments: ["state.pt", "checkpoint.pt", "bench/record/wanet/attack_result.pt"])
  func readsStateDictionaries(name: String) throws {
    let tensors = try readTorchStateDictionary(fixturePath(name)).tensors
    let shapes: [(String, [Int])] = [
      ("conv1.weight", [2, 3, 3, 3]), ("bn1.weight", [2]), ("bn1.bias", [2]),
      ("bn1.running_mean", [2]), ("bn1.running_var", [2]), ("bn1.num_batches_tracked", []),
      ("linear.weight", [3, 2]), ("linear.bias", [3]),
    ]
    let wrapper = name == "checkpoint.pt" ? "module." : ""
    #expect(tensors.map(\.name) == shapes.map { wrapper + $0.0 })
    #expect(tensors.map(\.shape) == shapes.map(\.1))
    for (index, tensor) in tensors.enumerated() {
      let count = tensor.shape.reduce(1, *)
      // The step of the checkpoint's optimiser has taken 0.1 from each parameter.
      let isParameter = !tensor.name.contains("running") && !tensor.name.contains("num_batches")
      let step: Float = name == "checkpoint.pt" && isParameter ? 0.1 : 0
      #expect(tensor.values == (0..<count).map { Float(10 * index + $0) - step })
      #expect(tensor.element == (tensor.name.hasSuffix("tracked") ? .int64 : .float32))
    }
  }

  @Test func readsWhatItsOwnTestsWrite() throws {
    let storage: [UInt8] = [0, 0, 0x80, 0x3F, 0, 0, 0, 0xC0]
    let file = try written(
      Pickle.tensor(Pickle.storage(count: 2), shape: [2], strides: [1]), storages: [storage])
    #expect(file.tensor(file.contents.root)?.floats() == [1, -2])
  }

  private func written(_ value: [UInt8], storages: [[UInt8]] = []) throws -> TorchFile {
    let folder = try TemporaryFolder()
    let plan = ZipPlan.torch(Pickle.whole(value), storages: storages)
    return try TorchFile(path: folder.write("made.pt", plan.bytes))
  }

  /// The error line of a file without its path.
  private func line(
    _ bytes: [UInt8], name: String = "x.pt", purpose: TorchFile.Purpose = .data,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> String {
    let folder = try TemporaryFolder()
    let path = try folder.write(name, bytes)
    do {
      _ = try TorchFile(path: path, purpose: purpose)
      Issue.record("was read", sourceLocation: sourceLocation)
      return ""
    } catch let error as FileError {
      #expect(error.description.hasPrefix(path + ": "))
      return String(error.description.dropFirst(path.count + 2))
        .replacing(path, with: "PATH")
    }
  }

  @Test func tellsHowToConvertWhatItRefuses() throws {
    #expect(
      try line(fixture("legacy.pt"))
        == "was saved in PyTorch's format of before version 1.6; save it again: python3 -c 'import "
        + "sys, torch; p = sys.argv[1]; torch.save(torch.load(p, map_location=\"cpu\", "
        + "weights_only=True), p)' PATH")
    #expect(
      try line(fixture("plain/protocol4.pickle"))
        == "is a plain pickle, not a file of torch.save. Only where you trust who made the file, for "
        + "loading it there runs what is in it: python3 -c 'import sys, pickle; p = sys.argv[1]; v = "
        + "pickle.load(open(p, \"rb\")); import numpy; numpy.save(p + \".npy\", "
        + "numpy.asarray(v))' PATH")
    let hostile = Pickle.global("os", "system") + Pickle.text("ls") + Pickle.tuple1 + Pickle.reduce
    #expect(
      try line(ZipPlan.torch(Pickle.whole(hostile)).bytes, name: "a b$.pt", purpose: .weights)
        == "data.pkl asks for os.system at byte 2, which is not on the list of plain values; nothing "
        + "was run. Only where you trust who made the file, for loading it there runs what is in it: "
        + "python3 -c 'import sys, torch; p = sys.argv[1]; v = torch.load(p, map_location=\"cpu\", "
        + "weights_only=False); from safetensors.torch import save_file; d = v if not isinstance(v, "
        + "dict) else next((v[k] for k in (\"model\", \"state_dict\", \"net\") if k in v), v); d = d "
        + "if isinstance(d, dict) else d.state_dict(); save_file({k: t.contiguous() for k, t in "
        + "d.items()}, p + \".safetensors\")' 'PATH'")
    #expect(try line([1, 2, 3]) == "is no file of torch.save")
    #expect(try line([]) == "is no file of torch.save")
    #expect(
      try line(ZipPlan(entries: [.init(name: "x", bytes: [1])]).bytes)
        == "is a zip file, but none of torch.save: it has no data.pkl")
    var script = ZipPlan.torch(Pickle.whole(Pickle.none))
    script.entries.append(.init(name: "archive/constants.pkl", bytes: [1]))
    #expect(try line(script.bytes).hasPrefix("is a TorchScript program. Only where"))
    var big = ZipPlan.torch(Pickle.whole(Pickle.none))
    big.entries[1].bytes = Array("big".utf8)
    #expect(
      try line(big.bytes) == "was saved on a big-endian machine; save it again on another")
  }

  @Test func refusesStoragesThatAreNotThere() throws {
    let tensor = Pickle.tensor(Pickle.storage(count: 2), shape: [2], strides: [1])
    #expect(
      try line(ZipPlan.torch(Pickle.whole(tensor)).bytes)
        == "the storage archive/data/0 is not in the file")
    #expect(
      try line(ZipPlan.torch(Pickle.whole(tensor), storages: [[0, 0, 0, 0, 0, 0, 0]]).bytes)
        == "the storage archive/data/0 has 7 bytes, too few for 2 elements of float32")
    let huge = Pickle.tensor(
      Pickle.storage(count: 1 << 62), shape: [1 << 62], strides: [1])
    #expect(
      try line(ZipPlan.torch(Pickle.whole(huge), storages: [[0, 0, 0, 0]]).bytes)
        == "the storage archive/data/0 has 4 bytes, too few for 4611686018427387904 elements of "
        + "float32")
    var damaged = ZipPlan.torch(Pickle.whole(tensor), storages: [[UInt8](repeating: 0, count: 8)])
    damaged.entries[2].claimedCRC = 7
    #expect(try line(damaged.bytes).hasPrefix("archive/data/0 is damaged: its CRC-32 is "))
  }

  @Test func refusesWhatIsNoStateDictionary() throws {
    func line(_ value: [UInt8], storages: [[UInt8]] = []) throws -> String {
      let folder = try TemporaryFolder()
      let path = try folder.write(
        "m.pt", ZipPlan.torch(Pickle.whole(value), storages: storages).bytes)
      let error = #expect(throws: FileError.self) { _ = try readTorchStateDictionary(path) }
      return String(error?.description.dropFirst(path.count + 2) ?? "")
    }
    let hint =
      "it should be one, or have one under model, state_dict, net, model_state_dict, netC, weights, "
      + "model_state, network, params, ema, state_dict_ema, model_ema"
    #expect(
      try line(Pickle.emptyList) == "holds a list in which there is no state dictionary; \(hint)")
    let tensor = Pickle.tensor(Pickle.storage(count: 1), shape: [1], strides: [1])
    func dictionary(_ pairs: [[UInt8]]) -> [UInt8] {
      Pickle.emptyDictionary + Pickle.mark + pairs.flatMap { $0 } + Pickle.setItems
    }
    let one: [[UInt8]] = [[0, 0, 0, 0]]
    #expect(
      try line(
        dictionary([Pickle.text("a"), tensor, Pickle.text("b"), Pickle.int(3)]), storages: one)
        == "b in the state dictionary is an integer, not a tensor")
    #expect(
      try line(dictionary([Pickle.int(3), tensor]), storages: one)
        == "the state dictionary has an integer for a name")
    #expect(
      try line(dictionary([Pickle.text("a"), tensor, Pickle.text("a"), tensor]), storages: one)
        == "a is twice in the state dictionary")
    let many = (0..<5).flatMap { [Pickle.text("t\($0)"), tensor] }
    #expect(
      try line(dictionary(many), storages: one)
        == "its tensors have 5 elements in 4 bytes, so that many show the same; this is no model")
  }
}

import MecaCore

/// Reads the values that a pickle describes, and runs nothing.
///
/// A pickle is a program for a small machine with a stack and a memo; Python's interpreter obeys it
/// to the letter, calls included. This one obeys the instructions of protocols 2 to 5 that build
/// numbers, texts, bytes, lists, tuples, dictionaries and sets, and takes a call for what it stands
/// for where the name is in ``PickleGlobal``: a tensor is described as a view of a storage, an array
/// as its bytes. The first other name or instruction ends the reading with an error that names it.
///
/// Values with parts live in tables (``PickleContents``), so that depth and sharing cost nothing.
/// What a file can make grow is limited: 64 MiB of instructions (tensors' contents are not part of
/// them), 2,000,000 values with parts, 16,000,000 members of such, 1,000,000 values on the stack,
/// 4,000,000 in the memo. Nothing is allocated from a length before as many bytes were seen.
///
/// - Source: CPython's `Lib/pickletools.py` and `Lib/pickle.py`; PyTorch's `torch/serialization.py`.
package struct PickleReader {
  /// Bytes of instructions that are read at most.
  static let mostBytes = 1 << 26
  private static let mostObjects = 2_000_000
  private static let mostMembers = 16_000_000
  private static let mostOnStack = 1_000_000
  private static let mostInMemo = 4_000_000

  private let bytes: [UInt8]
  /// Whether a persistent name may stand for a tensor's storage; in a plain pickle it stands for
  /// nothing.
  private let allowsStorages: Bool
  private var position = 0
  /// Where the instruction that is being obeyed begins.
  private(set) var instruction = 0
  private var stack: [PickleValue] = []
  private var marks: [Int] = []
  private var memo: [Int: PickleValue] = [:]
  private var objectCount = 0
  private var memberCount = 0
  /// What was built so far.
  var contents = PickleContents()
  /// Bytes that texts in Latin 1 may still be turned into: no file turns one text twice.
  var encodable: Int

  private init(_ bytes: [UInt8], allowsStorages: Bool) {
    self.bytes = bytes
    self.allowsStorages = allowsStorages
    encodable = bytes.count
  }

  /// The content of a whole pickle.
  ///
  /// - Parameters:
  ///   - bytes: the pickle, from the first instruction to the last.
  ///   - allowsStorages: whether it is part of a file of PyTorch, where persistent names stand for
  ///     the storages of tensors.
  /// - Throws: `PickleError`.
  package static func read(_ bytes: [UInt8], allowsStorages: Bool) throws -> PickleContents {
    guard bytes.count <= mostBytes else {
      throw PickleError.tooMuch("\(mostBytes) bytes of instructions", byte: mostBytes)
    }
    var reader = PickleReader(bytes, allowsStorages: allowsStorages)
    guard bytes.first == PickleOpcode.protocol.rawValue else {
      throw PickleError.malformed("is no pickle of protocol 2 to 5: another beginning", byte: 0)
    }
    while try reader.step() {}
    return reader.contents
  }

  /// Obeys one instruction; false after the last.
  private mutating func step() throws -> Bool {
    instruction = position
    let code = try byte()
    guard let opcode = PickleOpcode(rawValue: code) else {
      throw malformed("has an instruction \(code) that no protocol knows")
    }
    if let name = opcode.refusedName { throw PickleError.opcode(name, byte: instruction) }
    switch opcode {
    case .stop:
      contents.root = try pop()
      guard position == bytes.count else {
        throw malformed("goes on for \(bytes.count - position) bytes after its end")
      }
      return false
    case .protocol:
      let version = try byte()
      guard (2...5).contains(version) else {
        throw malformed("is of protocol \(version), not 2 to 5,")
      }
    case .frame:
      guard try length(8) <= bytes.count - position else { throw cutOff }
    case .mark, .pop, .popMark, .duplicate: try arrange(opcode)
    case .none: try push(.none)
    case .newTrue: try push(.bool(true))
    case .newFalse: try push(.bool(false))
    case .binaryInt: try push(.integer(Int(Int32(truncatingIfNeeded: unsigned(take(4))))))
    case .binaryInt1: try push(.integer(unsigned(take(1))))
    case .binaryInt2: try push(.integer(unsigned(take(2))))
    case .long1: try push(integer(take(unsigned(take(1)))))
    case .long4: try push(integer(take(length(4))))
    case .binaryFloat:
      // The one number with its most significant byte first.
      let pattern = try take(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
      try push(.float(Double(bitPattern: pattern)))
    case .shortBinaryUnicode: try pushText(take(length(1)))
    case .binaryUnicode: try pushText(take(length(4)))
    case .binaryUnicode8: try pushText(take(length(8)))
    case .shortBinaryBytes: try push(newBytes(Array(take(length(1)))))
    case .binaryBytes: try push(newBytes(Array(take(length(4)))))
    case .binaryBytes8, .byteArray8: try push(newBytes(Array(take(length(8)))))
    case .emptyList, .emptySet: try push(newList([]))
    case .list, .frozenSet: try push(newList(popToMark()))
    case .emptyTuple: try push(newTuple([]))
    case .tuple: try push(newTuple(popToMark()))
    case .tuple1: try push(newTuple(pop(1)))
    case .tuple2: try push(newTuple(pop(2)))
    case .tuple3: try push(newTuple(pop(3)))
    case .append: try extend(with: pop(1))
    case .appends, .addItems: try extend(with: popToMark())
    case .emptyDictionary: try push(newDictionary())
    case .dictionary:
      let members = try popToMark()
      try push(newDictionary())
      try setItems(members)
    case .setItem: try setItems(pop(2))
    case .setItems: try setItems(popToMark())
    case .put, .get: break  // refused above
    case .binaryPut: try remember(at: unsigned(take(1)))
    case .longBinaryPut: try remember(at: unsigned(take(4)))
    case .memoize: try remember(at: memo.count)
    case .binaryGet: try recall(unsigned(take(1)))
    case .longBinaryGet: try recall(unsigned(take(4)))
    case .global: try pushGlobal(module: line(), name: line())
    case .stackGlobal:
      let names = try pop(2)
      guard let module = contents.text(names[0]), let name = contents.text(names[1]) else {
        throw malformed("asks for a name that is no text")
      }
      try pushGlobal(module: module, name: name)
    case .reduce, .newObject:
      let call = try pop(2)
      guard case .tuple(let place) = call[1] else {
        throw malformed("calls something with \(contents.kind(call[1])) for its arguments")
      }
      try push(self.call(call[0], contents.tuples[place]))
    case .build:
      let state = try pop()
      let target = try pop()
      try build(target, state)
      try push(target)
    case .persistent:
      let name = try pop()
      guard allowsStorages else { throw PickleError.opcode("BINPERSID", byte: instruction) }
      try push(storage(name))
    default: break  // refused above
    }
    return true
  }
}

// MARK: Bytes

extension PickleReader {
  private var cutOff: PickleError { .cutOff(byte: instruction) }

  /// The error for what the present instruction does.
  func malformed(_ what: String) -> PickleError { .malformed(what, byte: instruction) }

  private mutating func take(_ count: Int) throws -> ArraySlice<UInt8> {
    guard count <= bytes.count - position else { throw cutOff }
    position += count
    return bytes[position - count..<position]
  }

  private mutating func byte() throws -> UInt8 {
    guard position < bytes.count else { throw cutOff }
    position += 1
    return bytes[position - 1]
  }

  /// A length of so many bytes; never beyond what is left of the pickle.
  private mutating func length(_ size: Int) throws -> Int {
    let field = try take(size)
    let value = field.reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
    guard value <= UInt64(Int32.max) else { throw cutOff }
    return Int(value)
  }

  private func unsigned(_ field: ArraySlice<UInt8>) -> Int {
    field.reversed().reduce(0) { $0 << 8 | Int($1) }
  }

  /// An integer of any length in two's complement.
  private func integer(_ field: ArraySlice<UInt8>) -> PickleValue {
    guard let last = field.last else { return .integer(0) }
    guard field.count <= 8 else { return .largeInteger }
    let sign: UInt64 = last & 0x80 == 0 ? 0 : .max
    let pattern = field.reversed().reduce(sign) { $0 << 8 | UInt64($1) }
    return .integer(Int(truncatingIfNeeded: pattern))
  }

  private mutating func line() throws -> String {
    guard let end = bytes[position...].firstIndex(of: UInt8(ascii: "\n")) else { throw cutOff }
    defer { position = end + 1 }
    return String(decoding: bytes[position..<end], as: UTF8.self)
  }
}

// MARK: Stack and memo

extension PickleReader {
  private mutating func push(_ value: PickleValue) throws {
    guard stack.count < Self.mostOnStack else {
      throw PickleError.tooMuch("\(Self.mostOnStack) values on the stack", byte: instruction)
    }
    stack.append(value)
  }

  private mutating func pop() throws -> PickleValue {
    guard stack.count > (marks.last ?? 0), let value = stack.popLast() else {
      throw malformed("takes a value from an empty stack")
    }
    return value
  }

  private mutating func pop(_ count: Int) throws -> [PickleValue] {
    guard stack.count - (marks.last ?? 0) >= count else {
      throw malformed("takes a value from an empty stack")
    }
    defer { stack.removeLast(count) }
    return Array(stack.suffix(count))
  }

  private mutating func popToMark() throws -> [PickleValue] {
    guard let mark = marks.popLast() else { throw malformed("looks for a mark that is not there") }
    defer { stack.removeLast(stack.count - mark) }
    return Array(stack[mark...])
  }

  private mutating func arrange(_ opcode: PickleOpcode) throws {
    switch opcode {
    case .mark:
      guard marks.count < Self.mostOnStack else {
        throw PickleError.tooMuch("\(Self.mostOnStack) marks", byte: instruction)
      }
      marks.append(stack.count)
    case .popMark: _ = try popToMark()
    case .duplicate:
      let value = try pop()
      try push(value)
      try push(value)
    default:
      if let mark = marks.last, mark == stack.count { marks.removeLast() } else { _ = try pop() }
    }
  }

  private mutating func remember(at key: Int) throws {
    guard stack.count > (marks.last ?? 0), let value = stack.last else {
      throw malformed("takes a value from an empty stack")
    }
    guard memo.count < Self.mostInMemo || memo[key] != nil else {
      throw PickleError.tooMuch("\(Self.mostInMemo) values in the memo", byte: instruction)
    }
    memo[key] = value
  }

  private mutating func recall(_ key: Int) throws {
    guard let value = memo[key] else {
      throw malformed("recalls value \(key), which was never stored,")
    }
    try push(value)
  }
}

// MARK: Values with parts

extension PickleReader {
  /// Counts a new value with so many parts.
  private mutating func count(members: Int) throws {
    objectCount += 1
    guard objectCount <= Self.mostObjects else {
      throw PickleError.tooMuch("\(Self.mostObjects) values with parts", byte: instruction)
    }
    try count(moreMembers: members)
  }

  private mutating func count(moreMembers: Int) throws {
    memberCount += moreMembers
    guard memberCount <= Self.mostMembers else {
      throw PickleError.tooMuch("\(Self.mostMembers) members", byte: instruction)
    }
  }

  private mutating func pushText(_ field: ArraySlice<UInt8>) throws {
    guard let text = String(validating: field, as: UTF8.self) else {
      throw malformed("has a text that is not UTF-8")
    }
    try count(members: 0)
    contents.texts.append(text)
    try push(.text(contents.texts.count - 1))
  }

  mutating func newBytes(_ value: [UInt8]) throws -> PickleValue {
    try count(members: 0)
    contents.byteStrings.append(value)
    return .bytes(contents.byteStrings.count - 1)
  }

  private mutating func newList(_ members: [PickleValue]) throws -> PickleValue {
    try count(members: members.count)
    contents.lists.append(members)
    return .list(contents.lists.count - 1)
  }

  private mutating func newTuple(_ members: [PickleValue]) throws -> PickleValue {
    try count(members: members.count)
    contents.tuples.append(members)
    return .tuple(contents.tuples.count - 1)
  }

  mutating func newDictionary() throws -> PickleValue {
    try count(members: 0)
    contents.dictionaries.append([])
    return .dictionary(contents.dictionaries.count - 1)
  }

  mutating func newStorage(_ storage: TensorStorage) throws -> PickleValue {
    try count(members: 0)
    contents.storages.append(storage)
    return .storage(contents.storages.count - 1)
  }

  mutating func newTensor(_ view: TensorView) throws -> PickleValue {
    try count(members: 2 * view.shape.count)
    contents.tensors.append(view)
    return .tensor(contents.tensors.count - 1)
  }

  mutating func newElementType(_ type: NumpyType) throws -> PickleValue {
    try count(members: 0)
    contents.elementTypes.append(type)
    return .elementType(contents.elementTypes.count - 1)
  }

  mutating func newArray(_ array: PickledArray) throws -> PickleValue {
    try count(members: array.shape.count)
    contents.arrays.append(array)
    return .array(contents.arrays.count - 1)
  }

  private mutating func extend(with members: [PickleValue]) throws {
    guard stack.count > (marks.last ?? 0), case .list(let place)? = stack.last else {
      throw malformed("appends to something that is no list")
    }
    try count(moreMembers: members.count)
    contents.lists[place].append(contentsOf: members)
  }

  private mutating func setItems(_ members: [PickleValue]) throws {
    guard stack.count > (marks.last ?? 0), case .dictionary(let place)? = stack.last else {
      throw malformed("sets an entry of something that is no dictionary")
    }
    guard members.count.isMultiple(of: 2) else { throw malformed("sets a key without a value") }
    try count(moreMembers: members.count)
    for index in stride(from: 0, to: members.count, by: 2) {
      contents.dictionaries[place].append((members[index], members[index + 1]))
    }
  }

  private mutating func pushGlobal(module: String, name: String) throws {
    guard let global = PickleGlobal(module: module, name: name) else {
      throw PickleError.global(shortened(module + "." + name), byte: instruction)
    }
    try push(.global(global))
  }
}

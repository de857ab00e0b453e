/// What stands in for a pickle's calls: each builds one plain value from its arguments.
extension PickleReader {
  /// The value that a call of `callee` stands for.
  ///
  /// - Throws: `PickleError.malformed` for arguments that the name cannot have.
  mutating func call(_ callee: PickleValue, _ arguments: [PickleValue]) throws -> PickleValue {
    guard case .global(let global) = callee else {
      throw malformed("calls \(contents.kind(callee))")
    }
    switch global {
    case .orderedDictionary:
      guard arguments.isEmpty else { throw wrongArguments("collections.OrderedDict") }
      return try newDictionary()
    case .size:
      guard arguments.count == 1, case .tuple = arguments[0] else {
        throw wrongArguments("torch.Size")
      }
      return arguments[0]
    case .rebuildTensor: return try tensor(arguments)
    case .rebuildParameter:
      guard let first = arguments.first, case .tensor = first else {
        throw wrongArguments("torch._utils._rebuild_parameter")
      }
      return first
    case .encode: return try encoded(arguments)
    case .bytes:
      guard arguments.isEmpty else { throw wrongArguments("bytes") }
      return try newBytes([])
    case .set:
      guard arguments.count == 1, case .list = arguments[0] else { throw wrongArguments("set") }
      return arguments[0]
    case .reconstructArray:
      guard arguments.count == 3, arguments[0] == .global(.array) else {
        throw wrongArguments("numpy.core.multiarray._reconstruct")
      }
      return try newArray(PickledArray())
    case .elementType:
      guard let first = arguments.first, let code = contents.text(first) else {
        throw wrongArguments("numpy.dtype")
      }
      return try newElementType(NumpyType(code: code))
    case .scalar: return try scalar(arguments)
    case .storage, .array: throw malformed("calls a type that is only named elsewhere")
    }
  }

  /// Gives a value its state, as an object of Python would take it.
  mutating func build(_ target: PickleValue, _ state: PickleValue) throws {
    switch target {
    case .dictionary:
      // Attributes of an OrderedDict: a state dictionary has versions of its modules there.
      guard case .dictionary = state else { throw malformed("gives a dictionary odd attributes") }
    case .elementType(let place):
      guard let state = contents.members(state), state.count >= 4,
        let order = contents.text(state[1]), state[2] == .none, state[3] == .none
      else { throw malformed("describes a NumPy type with parts") }
      contents.elementTypes[place].isBigEndian = order == ">"
    case .array(let place): try fill(place, with: state)
    default: throw malformed("gives \(contents.kind(target)) a state")
    }
  }

  private func wrongArguments(_ name: String) -> PickleError {
    malformed("calls \(name) with arguments that it does not have in files of PyTorch")
  }
}

// MARK: Tensors

extension PickleReader {
  /// Most dimensions of a tensor or array.
  private static let mostDimensions = 32

  /// The storage that a persistent name stands for: kind, element type, key, device, count.
  mutating func storage(_ name: PickleValue) throws -> PickleValue {
    guard case .tuple(let place) = name else { throw malformed("has a persistent name of its own") }
    let parts = contents.tuples[place]
    guard parts.count >= 5, contents.text(parts[0]) == "storage",
      case .global(.storage(let element)) = parts[1], let key = contents.text(parts[2]),
      case .integer(let count) = parts[4], count >= 0
    else { throw malformed("has a persistent name that is no storage of a tensor") }
    return try newStorage(TensorStorage(element: element, key: key, count: count))
  }

  /// A view of a storage: storage, first element, extents, steps, and two that do not matter here.
  private mutating func tensor(_ arguments: [PickleValue]) throws -> PickleValue {
    guard arguments.count >= 6, case .storage(let place) = arguments[0],
      case .integer(let offset) = arguments[1], let shape = integers(arguments[2]),
      let strides = integers(arguments[3])
    else { throw wrongArguments("torch._utils._rebuild_tensor_v2") }
    let view = TensorView(storage: place, offset: offset, shape: shape, strides: strides)
    guard view.fits(contents.storages[place].count) else {
      throw malformed(
        "has a tensor of shape \(shape) with steps \(strides) from element \(offset) on in a storage "
          + "of \(contents.storages[place].count)")
    }
    return try newTensor(view)
  }

  /// The integers of a short tuple; nil if it is something else.
  private func integers(_ value: PickleValue) -> [Int]? {
    guard case .tuple(let place) = value, contents.tuples[place].count <= Self.mostDimensions else {
      return nil
    }
    var integers: [Int] = []
    for member in contents.tuples[place] {
      guard case .integer(let integer) = member else { return nil }
      integers.append(integer)
    }
    return integers
  }
}

// MARK: Bytes and NumPy

extension PickleReader {
  /// A text in Latin 1 as bytes.
  private mutating func encoded(_ arguments: [PickleValue]) throws -> PickleValue {
    guard arguments.count == 2, let text = contents.text(arguments[0]),
      contents.text(arguments[1]) == "latin1"
    else { throw wrongArguments("_codecs.encode") }
    // Without a limit, one long text encoded again and again would fill the memory.
    encodable -= text.utf8.count
    guard encodable >= 0 else { throw malformed("encodes the same text again and again") }
    var bytes: [UInt8] = []
    bytes.reserveCapacity(text.utf8.count)
    for scalar in text.unicodeScalars {
      guard let byte = UInt8(exactly: scalar.value) else {
        throw malformed("encodes a text that is not Latin 1")
      }
      bytes.append(byte)
    }
    return try newBytes(bytes)
  }

  /// One number of a NumPy type.
  private func scalar(_ arguments: [PickleValue]) throws -> PickleValue {
    guard arguments.count == 2, case .elementType(let type) = arguments[0],
      case .bytes(let place) = arguments[1],
      let value = contents.elementTypes[type].number(in: contents.byteStrings[place], at: 0),
      contents.byteStrings[place].count == contents.elementTypes[type].size
    else { throw wrongArguments("numpy.core.multiarray.scalar") }
    return value
  }

  /// Gives an array its content: version, extents, type, order, bytes.
  private mutating func fill(_ place: Int, with state: PickleValue) throws {
    guard let parts = contents.members(state), parts.count == 5,
      let shape = integers(parts[1]), case .elementType(let type) = parts[2],
      case .bool(let isFortran) = parts[3]
    else { throw malformed("gives a NumPy array a state that it does not have") }
    guard case .bytes(let bytes) = parts[4], contents.elementTypes[type].isPlain else {
      throw malformed("has a NumPy array of \(contents.elementTypes[type].code), not of numbers,")
    }
    let array = PickledArray(
      shape: shape, type: contents.elementTypes[type], isFortranOrder: isFortran, bytes: bytes)
    guard array.byteCount == contents.byteStrings[bytes].count else {
      throw malformed(
        "has a NumPy array of shape \(shape) in \(contents.byteStrings[bytes].count) bytes")
    }
    contents.arrays[place] = array
  }
}

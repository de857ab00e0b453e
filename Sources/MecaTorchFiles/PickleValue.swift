/// A plain value out of a pickle.
///
/// Everything that has parts lies in a table of `PickleContents`, and a value is its place there.
/// So a list that contains itself, or one that is named a million times, costs what it takes in the
/// file; nothing is ever walked through or freed by recursion.
package enum PickleValue: Sendable, Hashable {
  case none
  case bool(Bool)
  case integer(Int)
  /// An integer beyond 64 bits, which nothing here needs.
  case largeInteger
  case float(Double)
  case text(Int)
  case bytes(Int)
  /// A list or a set.
  case list(Int)
  case tuple(Int)
  /// A dictionary, ordered or not.
  case dictionary(Int)
  /// A whitelisted name, not called yet.
  case global(PickleGlobal)
  /// Raw memory of a tensor, in another entry of the archive.
  case storage(Int)
  case tensor(Int)
  /// The element type of a NumPy array.
  case elementType(Int)
  /// A NumPy array.
  case array(Int)
}

/// The names that a pickle may call, and what takes their place; none of them is ever run.
package enum PickleGlobal: Sendable, Hashable {
  /// `collections.OrderedDict`: an empty dictionary.
  case orderedDictionary
  /// `torch.Size`: the tuple it is given.
  case size
  /// `torch._utils._rebuild_tensor_v2`: a view of a storage.
  case rebuildTensor
  /// `torch._utils._rebuild_parameter`: the tensor it is given.
  case rebuildParameter
  /// `torch.FloatStorage` and so on: the element type of a storage.
  case storage(TensorElement)
  /// `_codecs.encode`: how protocol 2 writes bytes, as text in Latin 1.
  case encode
  /// `bytes`: how protocol 2 writes no bytes at all.
  case bytes
  /// `set` and `frozenset`: the list they are given.
  case set
  /// `numpy.core.multiarray._reconstruct`: an array without content.
  case reconstructArray
  /// `numpy.ndarray`, as an argument of the former.
  case array
  /// `numpy.dtype`: an element type.
  case elementType
  /// `numpy.core.multiarray.scalar`: one number.
  case scalar

  /// The entry for `module.name`; nil for a name that is not on the list.
  init?(module: String, name: String) {
    switch module {
    case "torch._utils":
      switch name {
      case "_rebuild_tensor_v2": self = .rebuildTensor
      case "_rebuild_parameter": self = .rebuildParameter
      default: return nil
      }
    case "torch":
      if name == "Size" {
        self = .size
      } else if let element = TensorElement(storageName: name) {
        self = .storage(element)
      } else {
        return nil
      }
    case "collections" where name == "OrderedDict": self = .orderedDictionary
    case "_codecs" where name == "encode": self = .encode
    case "builtins", "__builtin__":
      switch name {
      case "bytes": self = .bytes
      case "set", "frozenset": self = .set
      default: return nil
      }
    case "numpy.core.multiarray", "numpy._core.multiarray":
      switch name {
      case "_reconstruct": self = .reconstructArray
      case "scalar": self = .scalar
      default: return nil
      }
    case "numpy":
      switch name {
      case "ndarray": self = .array
      case "dtype": self = .elementType
      default: return nil
      }
    default: return nil
    }
  }
}

/// Everything that one pickle describes: the outermost value and the tables of its parts.
package struct PickleContents: Sendable {
  /// The outermost value.
  package var root: PickleValue = .none
  package var texts: [String] = []
  package var byteStrings: [[UInt8]] = []
  package var lists: [[PickleValue]] = []
  package var tuples: [[PickleValue]] = []
  /// Pairs in the order of the file; of two with one key the later one counts.
  package var dictionaries: [[(key: PickleValue, value: PickleValue)]] = []
  package var storages: [TensorStorage] = []
  package var tensors: [TensorView] = []
  package var elementTypes: [NumpyType] = []
  package var arrays: [PickledArray] = []

  /// The text that `value` is; nil if it is something else.
  package func text(_ value: PickleValue) -> String? {
    if case .text(let place) = value { texts[place] } else { nil }
  }

  /// The members of a list or tuple; nil if `value` is something else.
  package func members(_ value: PickleValue) -> [PickleValue]? {
    switch value {
    case .list(let place): lists[place]
    case .tuple(let place): tuples[place]
    default: nil
    }
  }

  /// The pairs of a dictionary; nil if `value` is something else.
  package func pairs(_ value: PickleValue) -> [(key: PickleValue, value: PickleValue)]? {
    if case .dictionary(let place) = value { dictionaries[place] } else { nil }
  }

  /// What a dictionary has under a text; nil if it has nothing, or is no dictionary.
  package func entry(_ key: String, of value: PickleValue) -> PickleValue? {
    pairs(value)?.last { text($0.key) == key }?.value
  }

  /// What a value is, in the words of the error lines.
  package func kind(_ value: PickleValue) -> String {
    switch value {
    case .none: "None"
    case .bool: "a truth value"
    case .integer, .largeInteger: "an integer"
    case .float: "a floating-point number"
    case .text: "a text"
    case .bytes: "bytes"
    case .list: "a list"
    case .tuple: "a tuple"
    case .dictionary: "a dictionary"
    case .global, .elementType: "a type"
    case .storage: "a storage"
    case .tensor: "a tensor"
    case .array: "a NumPy array"
    }
  }
}

/// Why a pickle is not read.
package enum PickleError: Error, Equatable, CustomStringConvertible {
  /// It calls for a name that is not on the whitelist.
  case global(String, byte: Int)
  /// It has an instruction that is never obeyed.
  case opcode(String, byte: Int)
  /// It ends too early.
  case cutOff(byte: Int)
  /// It is not well formed, or builds something that is not a plain value.
  case malformed(String, byte: Int)
  /// It has more of something than is read.
  case tooMuch(String, byte: Int)

  /// What was met, and where.
  package var description: String {
    switch self {
    case .global(let name, let byte):
      "asks for \(name) at byte \(byte), which is not on the list of plain values; nothing was run"
    case .opcode(let name, let byte):
      "has the instruction \(name) at byte \(byte), which is not obeyed; nothing was run"
    case .cutOff(let byte): "ends in the middle of an instruction, at byte \(byte)"
    case .malformed(let what, let byte): "\(what) at byte \(byte)"
    case .tooMuch(let what, let byte): "has more than \(what) by byte \(byte)"
    }
  }

  /// Whether the pickle is well formed but holds things that are not plain values.
  var isForeign: Bool {
    switch self {
    case .global, .opcode: true
    case .cutOff, .malformed, .tooMuch: false
    }
  }
}

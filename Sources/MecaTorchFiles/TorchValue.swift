/// A value of Python that a file of `torch.save` is made of, to be written.
public indirect enum TorchValue: Sendable {
  /// `None`.
  case none
  /// `True` or `False`.
  case boolean(Bool)
  /// A whole number.
  case integer(Int)
  /// A text.
  case text(String)
  /// A list.
  case list([TorchValue])
  /// A tuple.
  case tuple([TorchValue])
  /// A dictionary, in this order.
  case dictionary([(key: TorchValue, value: TorchValue)])
  /// A tensor: the elements of the file's storage of this number, last index fastest.
  case tensor(storage: Int, shape: [Int])
  /// A NumPy array of 64-bit integers with one dimension.
  case integers([Int])
  /// A NumPy array of 64-bit floating-point numbers with one dimension.
  case numbers([Double])

  /// A dictionary whose keys are texts.
  public static func named(_ entries: KeyValuePairs<String, TorchValue>) -> TorchValue {
    .dictionary(entries.map { (.text($0.key), $0.value) })
  }

  /// Whether NumPy must be there to read it.
  var needsNumpy: Bool {
    switch self {
    case .integers, .numbers: true
    case .list(let members), .tuple(let members): members.contains(where: \.needsNumpy)
    case .dictionary(let entries): entries.contains { $0.key.needsNumpy || $0.value.needsNumpy }
    default: false
    }
  }
}

/// The memory of a tensor that is to be written.
public struct TorchStorage: Sendable {
  /// Type of its elements: float32 or int64.
  public let element: TensorElement
  /// Number of elements.
  public let count: Int

  /// A storage of so many elements.
  public init(_ element: TensorElement, count: Int) {
    precondition(element == .float32 || element == .int64, "storages of \(element) are not written")
    (self.element, self.count) = (element, count)
  }

  /// Bytes of all elements.
  public var byteCount: Int { count * element.size }

  /// PyTorch's name of its class.
  var className: String { element == .float32 ? "FloatStorage" : "LongStorage" }
}

/// Writes the pickle of one value.
///
/// Protocol 2, as `torch.save` has it, with instructions alone that `torch.load` obeys with
/// `weights_only=True`; of protocol 3 where there are NumPy arrays, which that refuses anyhow.
///
/// - Source: CPython's `Lib/pickletools.py`; PyTorch's `torch/_weights_only_unpickler.py`.
struct PickleWriter {
  private(set) var bytes: [UInt8] = []
  private let storages: [TorchStorage]

  /// The pickle of `value`.
  static func pickle(_ value: TorchValue, storages: [TorchStorage]) -> [UInt8] {
    var writer = PickleWriter(storages: storages)
    writer.put(.protocol)
    writer.bytes.append(value.needsNumpy ? 3 : 2)
    writer.write(value)
    writer.put(.stop)
    return writer.bytes
  }

  private init(storages: [TorchStorage]) { self.storages = storages }

  private mutating func put(_ opcode: PickleOpcode) { bytes.append(opcode.rawValue) }

  private mutating func little(_ number: some FixedWidthInteger) {
    withUnsafeBytes(of: number.littleEndian) { bytes.append(contentsOf: $0) }
  }

  private mutating func write(_ value: TorchValue) {
    switch value {
    case .none: put(.none)
    case .boolean(let flag): put(flag ? .newTrue : .newFalse)
    case .integer(let number): write(number)
    case .text(let text): write(text)
    case .list(let members):
      put(.emptyList)
      put(.mark)
      for member in members { write(member) }
      put(.appends)
    case .tuple(let members): writeTuple { for member in members { $0.write(member) } }
    case .dictionary(let entries):
      put(.emptyDictionary)
      put(.mark)
      for (key, value) in entries {
        write(key)
        write(value)
      }
      put(.setItems)
    case .tensor(let storage, let shape): writeTensor(storage, shape)
    case .integers(let numbers):
      writeArray("i8", count: numbers.count) { writer in
        for number in numbers { writer.little(Int64(number)) }
      }
    case .numbers(let numbers):
      writeArray("f8", count: numbers.count) { writer in
        for number in numbers { writer.little(number.bitPattern) }
      }
    }
  }

  private mutating func write(_ number: Int) {
    if let byte = UInt8(exactly: number) {
      put(.binaryInt1)
      bytes.append(byte)
    } else if let short = Int32(exactly: number) {
      put(.binaryInt)
      little(short)
    } else {
      put(.long1)
      bytes.append(8)
      little(Int64(number))
    }
  }

  private mutating func write(_ text: String) {
    let content = Array(text.utf8)
    put(.binaryUnicode)
    little(UInt32(content.count))
    bytes += content
  }

  private mutating func writeTuple(_ members: (inout PickleWriter) -> Void) {
    put(.mark)
    members(&self)
    put(.tuple)
  }

  private mutating func write(global module: String, _ name: String) {
    put(.global)
    bytes += Array("\(module)\n\(name)\n".utf8)
  }

  private mutating func writeTensor(_ number: Int, _ shape: [Int]) {
    let storage = storages[number]
    precondition(
      shape.reduce(1, *) == storage.count, "\(shape) of a storage of \(storage.count) elements")
    let strides = shape.indices.map { shape[($0 + 1)...].reduce(1, *) }
    write(global: "torch._utils", "_rebuild_tensor_v2")
    writeTuple { writer in
      writer.writeTuple { writer in
        writer.write("storage")
        writer.write(global: "torch", storage.className)
        writer.write("\(number)")
        writer.write("cpu")
        writer.write(storage.count)
      }
      writer.put(.persistent)
      writer.write(0)
      for extents in [shape, strides] { writer.write(.tuple(extents.map { .integer($0) })) }
      writer.put(.newFalse)
      writer.write(global: "collections", "OrderedDict")
      writer.writeTuple { _ in }
      writer.put(.reduce)
    }
    put(.reduce)
  }

  /// An array of one dimension; `code` is NumPy's type, of 8 bytes.
  private mutating func writeArray(
    _ code: String, count: Int, _ content: (inout PickleWriter) -> Void
  ) {
    write(global: "numpy.core.multiarray", "_reconstruct")
    writeTuple { writer in
      writer.write(global: "numpy", "ndarray")
      writer.write(.tuple([.integer(0)]))
      writer.put(.shortBinaryBytes)
      writer.bytes += [1, UInt8(ascii: "b")]
    }
    put(.reduce)
    writeTuple { writer in
      writer.write(1)
      writer.write(.tuple([.integer(count)]))
      writer.write(global: "numpy", "dtype")
      writer.write(.tuple([.text(code), .boolean(false), .boolean(true)]))
      writer.put(.reduce)
      writer.write(
        .tuple([
          .integer(3), .text("<"), .none, .none, .none, .integer(-1), .integer(-1), .integer(0),
        ]))
      writer.put(.build)
      writer.put(.newFalse)
      writer.put(.binaryBytes)
      writer.little(UInt32(8 * count))
      content(&writer)
    }
    put(.build)
  }
}

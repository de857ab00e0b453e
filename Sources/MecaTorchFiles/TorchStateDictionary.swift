import MecaCore

/// A tensor of a state dictionary, with its elements in memory.
public struct StateTensor: Sendable, Equatable {
  /// Name of the parameter or buffer: `layer1.0.conv1.weight`.
  public var name: String
  /// Extents; empty for a single number.
  public var shape: [Int]
  /// Elements, last index fastest; integers converted.
  public var values: [Float]
  /// Type of the elements in the file.
  public var element: TensorElement
}

/// A model's state dictionary, and what else there was.
public struct TorchStateDictionary: Sendable {
  /// Its tensors in the order of the file.
  public var tensors: [StateTensor]
  /// The key that it stands under; nil where the file is the dictionary itself.
  public var key: String?
  /// Keys of other state dictionaries in the file.
  public var otherKeys: [String]
}

/// Reads the state dictionary of a model out of a file of `torch.save`.
///
/// Taken is the dictionary of tensors that the file has under the first of the keys of
/// `keysOfModels`, or the one that the file is (backdoor-toolbox, BackdoorBox).
///
/// - Ranks: local.
/// - Throws: `FileError` that names the file and what is wrong: see ``TorchFile``; no state
///   dictionary; an entry that is no tensor; a name that occurs twice; many tensors that share one
///   storage; float64 numbers that are no 32-bit ones, for what is read is never a rounded copy.
public func readTorchStateDictionary(_ path: String) throws -> TorchStateDictionary {
  let file = try TorchFile(path: path, purpose: .weights)
  let (dictionary, keys) = try stateDictionary(in: file)
  let named = try tensors(of: dictionary, in: file)
  // Tied weights share a storage, but a small file whose tensors all show one storage would fill the
  // memory. With 4 bytes an element, as usual, each storage may be shown four times.
  var wanted = 0.0
  for tensor in named { wanted += Double(tensor.tensor.count) }
  guard wanted <= Double(file.storedBytes) else {
    throw FileError.malformed(
      path: path,
      reason: "its tensors have \(Int(wanted)) elements in \(file.storedBytes) bytes, so that many "
        + "show the same; this is no model")
  }
  let tensors = try named.map { entry in
    guard let values = entry.tensor.exactFloats() else {
      throw FileError.malformed(
        path: path,
        reason:
          "\(shortened(entry.name)): float64 numbers that 32 bits cannot hold; save the model "
          + "after .float()")
    }
    return StateTensor(
      name: entry.name, shape: entry.tensor.shape, values: values, element: entry.tensor.element)
  }
  return TorchStateDictionary(
    tensors: tensors, key: keys.first, otherKeys: Array(keys.dropFirst()))
}

/// A tensor and the name that it has in a dictionary.
private struct NamedView {
  var name: String
  var tensor: TorchTensor
}

/// Keys under which programs keep the state dictionary of a model beside other things.
private let keysOfModels = [
  "model", "state_dict", "net", "model_state_dict", "netC", "weights", "model_state", "network",
  "params", "ema", "state_dict_ema", "model_ema",
]

/// The dictionary of tensors in a file, and the keys of all that there are, its own first.
private func stateDictionary(
  in file: TorchFile
) throws -> (dictionary: PickleValue, keys: [String]) {
  let contents = file.contents
  func isState(_ value: PickleValue) -> Bool {
    contents.pairs(value)?.contains { file.tensor($0.value) != nil } ?? false
  }
  let found = keysOfModels.compactMap { key in
    contents.entry(key, of: contents.root).flatMap { isState($0) ? (key, $0) : nil }
  }
  if let (_, value) = found.first { return (value, found.map(\.0)) }
  if isState(contents.root) { return (contents.root, []) }
  throw FileError.malformed(
    path: file.path,
    reason:
      "holds \(contents.kind(contents.root)) in which there is no state dictionary; it should "
      + "be one, or have one under \(keysOfModels.joined(separator: ", "))")
}

private func tensors(of dictionary: PickleValue, in file: TorchFile) throws -> [NamedView] {
  var seen: Set<String> = []
  return try (file.contents.pairs(dictionary) ?? []).map { key, value in
    guard let name = file.contents.text(key) else {
      throw FileError.malformed(
        path: file.path,
        reason: "the state dictionary has \(file.contents.kind(key)) for a name")
    }
    guard name == shortened(name, limit: 1000), !name.isEmpty else {
      throw FileError.malformed(
        path: file.path,
        reason: "the state dictionary has the unprintable name \(shortened(name))")
    }
    guard let tensor = file.tensor(value) else {
      throw FileError.malformed(
        path: file.path,
        reason: "\(shortened(name)) in the state dictionary is \(file.contents.kind(value)), not a "
          + "tensor")
    }
    guard seen.insert(name).inserted else {
      throw FileError.malformed(
        path: file.path, reason: "\(shortened(name)) is twice in the state dictionary")
    }
    return NamedView(name: name, tensor: tensor)
  }
}

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

/// Reads the state dictionary of a model out of a file of `torch.save`.
///
/// Taken is the dictionary of tensors that the file has under the first of the keys `model`,
/// `state_dict`, `net`, `model_state_dict` and `netC` (BackdoorBench and most checkpoints), or the
/// one that the file is (backdoor-toolbox, BackdoorBox). The prefix `module.` of `DataParallel` is
/// taken off where all names have it.
///
/// - Ranks: local.
/// - Returns: the tensors in the order of the file.
/// - Throws: `FileError` that names the file and what is wrong: see ``TorchFile``; no state
///   dictionary; an entry that is no tensor; a name that occurs twice; many tensors that share one
///   storage; float64 numbers that are no 32-bit ones, for what is read is never a rounded copy.
public func readTorchStateDictionary(_ path: String) throws -> [StateTensor] {
  let file = try TorchFile(path: path, purpose: .weights)
  let named = withoutPrefix(try tensors(of: stateDictionary(in: file), in: file))
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
  return try named.map { entry in
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
}

/// A tensor and the name that it has in a dictionary.
private struct NamedView {
  var name: String
  var tensor: TorchTensor
}

/// Keys under which programs keep the state dictionary of a model beside other things.
private let keysOfModels = ["model", "state_dict", "net", "model_state_dict", "netC"]

/// The dictionary of tensors in a file.
private func stateDictionary(in file: TorchFile) throws -> PickleValue {
  let contents = file.contents
  func isState(_ value: PickleValue) -> Bool {
    contents.pairs(value)?.contains { file.tensor($0.value) != nil } ?? false
  }
  for key in keysOfModels {
    if let value = contents.entry(key, of: contents.root), isState(value) { return value }
  }
  if isState(contents.root) { return contents.root }
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

private func withoutPrefix(_ tensors: [NamedView]) -> [NamedView] {
  let prefix = "module."
  guard tensors.allSatisfy({ $0.name.hasPrefix(prefix) }) else { return tensors }
  return tensors.map { NamedView(name: String($0.name.dropFirst(prefix.count)), tensor: $0.tensor) }
}

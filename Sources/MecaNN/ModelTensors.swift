import MecaCore
import MecaTensor

extension Model {
  /// Weights and running statistics under torchvision's names, in the order of its state dictionary.
  ///
  /// `num_batches_tracked` is there because PyTorch's strict loading asks for it; it is 0, nothing
  /// uses it.
  public func exportTensors() -> [NamedTensor] {
    plan.slots.map { tensor(of: $0, parameters: parameters.pointer) }
  }

  /// Any block laid out like `parameters` (a gradient, SGD's velocity) under the weights' names.
  package func exportParameters(_ block: UnsafePointer<Float>) -> [NamedTensor] {
    plan.slots.filter(\.isParameter).map { tensor(of: $0, parameters: block) }
  }

  /// Takes weights and running statistics over, and calls `weightsDidChange`.
  ///
  /// Counters may be absent, and are not looked at. Nothing changes if an error is thrown.
  /// - Throws: `TensorError` that names the tensor that is missing, unknown, repeated or of another
  ///   shape.
  public func importTensors(_ tensors: [NamedTensor]) throws {
    for (slot, tensor) in try matched(tensors, with: plan.slots) { store(tensor.values, in: slot) }
    weightsDidChange()
  }

  /// Takes over the weights and running statistics that models of a run start from, and calls
  /// `weightsDidChange`; a classifier that is not among them stays as it was drawn.
  ///
  /// - Throws: `TensorError`, as `importTensors`.
  public func start(from initial: InitialWeights) throws {
    let slots = plan.slots.filter { initial.hasClassifier || !isClassifier($0.name) }
    for (slot, tensor) in try matched(initial.tensors, with: slots) {
      store(tensor.values, in: slot)
    }
    weightsDidChange()
  }

  private func isClassifier(_ name: String) -> Bool {
    name.hasPrefix(configuration.architecture.classifier + ".")
  }

  /// SHA-256 over the values of `exportTensors` in their order, as hexadecimal digits.
  ///
  /// The same for all engines if the weights are.
  public func weightsDigest() -> String {
    var digest = SHA256Digest()
    for tensor in exportTensors() { digest.update(tensor.values) }
    return digest.hexadecimal()
  }

  /// The beginning of each tensor's SHA-256, in the order of `exportTensors`.
  package func tensorDigests() -> [(name: String, digest: UInt64)] {
    exportTensors().map { tensor in
      var digest = SHA256Digest()
      digest.update(tensor.values)
      return (tensor.name, digest.bytes().prefix(8).reduce(0) { $0 << 8 | UInt64($1) })
    }
  }

  /// Writes `values`, in canonical order, to a slot's place.
  func store(
    _ values: [Float], in slot: TensorSlot, parameters block: UnsafeMutablePointer<Float>? = nil
  ) {
    let block = block ?? parameters.pointer
    values.withUnsafeBufferPointer { source in
      guard let base = source.baseAddress else { return }
      switch slot.place {
      case .convolution(let index, let offset):
        plan.convolutions[index].importWeights(base, to: block + offset)
      case .parameters(let offset):
        (block + offset).update(from: base, count: source.count)
      case .statistics(let offset):
        (statistics.pointer + offset).update(from: base, count: source.count)
      case .batchCounter:
        break
      }
    }
  }

  private func tensor(of slot: TensorSlot, parameters block: UnsafePointer<Float>) -> NamedTensor {
    let count = slot.count
    let values = [Float](unsafeUninitializedCapacity: count) { target, initialised in
      let base = target.baseAddress!
      switch slot.place {
      case .convolution(let index, let offset):
        plan.convolutions[index].exportWeights(block + offset, to: base)
      case .parameters(let offset):
        base.update(from: block + offset, count: count)
      case .statistics(let offset):
        base.update(from: statistics.pointer + offset, count: count)
      case .batchCounter:
        base.update(repeating: 0, count: count)
      }
      initialised = count
    }
    return NamedTensor(
      name: slot.name, shape: slot.shape, values: values,
      kind: slot.isBatchCounter ? .int64 : .float32)
  }

  private func matched(
    _ tensors: [NamedTensor], with slots: [TensorSlot]
  ) throws -> [(TensorSlot, NamedTensor)] {
    var byName: [String: NamedTensor] = [:]
    for tensor in tensors where byName.updateValue(tensor, forKey: tensor.name) != nil {
      throw TensorError.repeated(name: tensor.name)
    }
    var pairs: [(TensorSlot, NamedTensor)] = []
    for slot in slots {
      guard let tensor = byName.removeValue(forKey: slot.name) else {
        if slot.isBatchCounter { continue }
        throw TensorError.missing(name: slot.name)
      }
      guard slot.isBatchCounter || tensor.shape == slot.shape else {
        throw TensorError.shape(name: slot.name, found: tensor.shape, expected: slot.shape)
      }
      pairs.append((slot, tensor))
    }
    if let unknown = byName.keys.min() { throw TensorError.unknown(name: unknown) }
    return pairs
  }
}

extension TensorSlot {
  /// Whether its values are weights, in the parameters.
  var isParameter: Bool {
    switch place {
    case .convolution, .parameters: true
    case .statistics, .batchCounter: false
    }
  }

  /// Whether it is PyTorch's counter.
  var isBatchCounter: Bool {
    if case .batchCounter = place { true } else { false }
  }
}

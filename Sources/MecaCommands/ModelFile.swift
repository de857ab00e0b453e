import MecaCore
import MecaNN
import MecaTorchFiles

/// Tensors and metadata of a model file, told apart by its first bytes: safetensors, or a file of
/// `torch.save`, which has no metadata and of which nothing is run.
///
/// - Ranks: local.
/// - Throws: `FileError`, as `readSafetensors` and `readTorchStateDictionary`.
func readModelFile(_ path: String) throws -> ([NamedTensor], [String: String]) {
  // A zip file, or a pickle of before PyTorch 1.6, whose error says how to save it again. The first
  // 8 bytes of safetensors are a length below 2³², so that their second half is 0.
  let isTorch = try MappedFile(path: path).withBytes { bytes in
    bytes.starts(with: [0x50, 0x4B, 3, 4])
      || bytes.first == 0x80 && !bytes.dropFirst(4).prefix(4).allSatisfy { $0 == 0 }
  }
  guard isTorch else {
    return try readSafetensors(path) { try StoredNetwork.requirePlausible($0, path: path) }
  }
  let dictionary = try readTorchStateDictionary(path)
  let tensors = try dictionary.tensors.map { tensor in
    guard !tensor.element.isInteger || tensor.name.hasSuffix(".num_batches_tracked") else {
      throw FileError.malformed(
        path: path,
        reason: "\(tensor.name): type \(tensor.element.rawValue), only floating-point numbers are "
          + "supported")
    }
    return NamedTensor(
      name: tensor.name, shape: tensor.shape, values: tensor.values,
      kind: tensor.element.isInteger ? .int64 : .float32)
  }
  guard let key = dictionary.key, !dictionary.otherKeys.isEmpty else { return (tensors, [:]) }
  let others = dictionary.otherKeys.joined(separator: ", ")
  return (tensors, [ModelOrigin.choice: "\(key) is taken; not used: \(others)"])
}

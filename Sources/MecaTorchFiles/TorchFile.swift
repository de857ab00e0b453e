import MecaCore

/// A file that `torch.save` has written, opened without running anything in it.
///
/// The file is a zip archive of uncompressed entries below one folder: `data.pkl`, a pickle that
/// says what there is, and `data/0`, `data/1`, …, the memory of the tensors. The pickle is taken
/// for plain values by ``PickleReader``; a file that asks for anything else is refused with a line
/// that names it. Tensors stay in the mapped file.
///
/// Opening checks the archive, the CRC-32 of the pickle and of every storage that it names, and
/// that every tensor lies within its storage.
///
/// - Ranks: local. Safe from any thread.
/// - Source: PyTorch's `torch/serialization.py`, since version 1.6.
public struct TorchFile: Sendable {
  /// What the file is wanted for; decides how the error lines tell to convert it.
  public enum Purpose: Sendable {
    /// The weights of a model.
    case weights
    /// Images, labels or indices.
    case data
    /// The result of an attack of BackdoorBench.
    case record
  }

  /// Path as given.
  public let path: String
  /// What the pickle describes.
  package let contents: PickleContents
  /// Bytes of all storages that the pickle names.
  let storedBytes: Int
  private let file: MappedFile
  /// First byte of each storage in the file.
  private let starts: [Int]

  /// Opens the file at `path`.
  ///
  /// - Throws: `FileError` that names the file, what was met, and how to convert it.
  public init(path: String, purpose: Purpose = .data) throws {
    self.path = path
    file = try MappedFile(path: path)
    try requireArchive(file, purpose)
    let archive = try ZipArchive(file)
    guard let pickle = archive.entries.first(where: { $0.name.hasSuffix("/data.pkl") }) else {
      throw FileError.malformed(
        path: path, reason: "is a zip file, but none of torch.save: it has no data.pkl")
    }
    let folder = pickle.name.dropLast("data.pkl".count)
    guard archive[folder + "constants.pkl"] == nil else {
      throw FileError.malformed(
        path: path,
        reason: "is a TorchScript program. \(conversion(of: path, for: purpose))")
    }
    if let order = archive[folder + "byteorder"] {
      guard archive.withBytes(of: order, { $0.elementsEqual("little".utf8) }) else {
        throw FileError.malformed(
          path: path, reason: "was saved on a big-endian machine; save it again on another")
      }
    }
    contents = try readPickle(pickle, of: archive, purpose)
    (starts, storedBytes) = try locateStorages(of: contents, folder: folder, in: archive)
  }

  /// The tensor that `value` is; nil if it is something else.
  package func tensor(_ value: PickleValue) -> TorchTensor? {
    guard case .tensor(let place) = value else { return nil }
    let view = contents.tensors[place]
    return TorchTensor(
      view, element: contents.storages[view.storage].element, file: file,
      start: starts[view.storage])
  }

  /// The integers that `value` holds: a list or tuple, a tensor or a NumPy array of any extents.
  ///
  /// Floating-point numbers are taken where they are whole.
  ///
  /// - Parameter name: what to call the value in the error.
  /// - Throws: `FileError.malformed` for anything else.
  package func integers(_ value: PickleValue, _ name: String) throws -> [Int] {
    let integers: [Int?]?
    switch value {
    case .list, .tuple: integers = contents.members(value)?.map(wholeNumber)
    case .tensor: integers = tensor(value)?.integers()
    case .array(let place):
      integers = contents.numbers(of: contents.arrays[place])?.map(wholeNumber)
    default: integers = nil
    }
    guard let integers, !integers.contains(nil) else {
      throw FileError.malformed(
        path: path, reason: "\(name) should be integers, and is \(contents.kind(value))")
    }
    return integers.compactMap { $0 }
  }
}

/// A value as a whole number; nil if it is none.
package func wholeNumber(_ value: PickleValue) -> Int? {
  switch value {
  case .integer(let integer): integer
  case .bool(let bool): bool ? 1 : 0
  case .float(let float): Int(exactly: float)
  default: nil
  }
}

/// Tells the zip files from what else goes by the same names.
private func requireArchive(_ file: MappedFile, _ purpose: TorchFile.Purpose) throws {
  // The first thing in a file of before version 1.6 is a number in a pickle of its own.
  let oldStart: [UInt8] = [
    0x80, 2, 0x8A, 10, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50, 0x19,
  ]
  let reason: String? = file.withBytes { bytes in
    if bytes.starts(with: [0x50, 0x4B, 3, 4]) { return nil }
    if bytes.starts(with: oldStart) {
      return "was saved in PyTorch's format of before version 1.6; \(resaving(file.path))"
    }
    if bytes.first == PickleOpcode.protocol.rawValue {
      return "is a plain pickle, not a file of torch.save. "
        + conversion(of: file.path, for: purpose, isPickle: true)
    }
    return "is no file of torch.save"
  }
  if let reason { throw FileError.malformed(path: file.path, reason: reason) }
}

/// Reads `data.pkl`.
private func readPickle(
  _ entry: ZipArchive.Entry, of archive: ZipArchive, _ purpose: TorchFile.Purpose
) throws -> PickleContents {
  let path = archive.file.path
  guard entry.range.count <= PickleReader.mostBytes else {
    throw FileError.malformed(
      path: path,
      reason: "its data.pkl has \(entry.range.count) bytes; \(PickleReader.mostBytes) at most are "
        + "read")
  }
  try archive.verify(entry)
  do {
    return try PickleReader.read(
      archive.withBytes(of: entry) { Array($0) }, allowsStorages: true)
  } catch let error as PickleError {
    throw FileError.malformed(
      path: path,
      reason: error.isForeign
        ? "data.pkl \(error). \(conversion(of: path, for: purpose))"
        : "data.pkl \(error)")
  }
}

/// First bytes of the storages, each of which must be there, undamaged and long enough.
private func locateStorages(
  of contents: PickleContents, folder: Substring, in archive: ZipArchive
) throws -> (starts: [Int], bytes: Int) {
  var verified: Set<String> = []
  var bytes = 0
  let starts = try contents.storages.map { storage in
    let name = "\(folder)data/\(storage.key)"
    guard let entry = archive[name] else {
      throw FileError.malformed(
        path: archive.file.path, reason: "the storage \(shortened(name)) is not in the file")
    }
    guard storage.count <= entry.range.count / storage.element.size else {
      throw FileError.malformed(
        path: archive.file.path,
        reason:
          "the storage \(shortened(name)) has \(entry.range.count) bytes, too few for \(storage.count) "
          + "elements of \(storage.element)")
    }
    if verified.insert(name).inserted {
      try archive.verify(entry)
      bytes += entry.range.count
    }
    return entry.range.lowerBound
  }
  return (starts, bytes)
}

/// How to bring an old file into the present format; loads nothing but plain values.
private func resaving(_ path: String) -> String {
  "save it again: python3 -c 'import sys, torch; p = sys.argv[1]; "
    + "torch.save(torch.load(p, map_location=\"cpu\", weights_only=True), p)' \(shellWord(path))"
}

/// How to get at the plain part of a file that holds more than that.
private func conversion(
  of path: String, for purpose: TorchFile.Purpose, isPickle: Bool = false
) -> String {
  let load =
    isPickle
    ? "import sys, pickle; p = sys.argv[1]; v = pickle.load(open(p, \"rb\"))"
    : "import sys, torch; p = sys.argv[1]; "
      + "v = torch.load(p, map_location=\"cpu\", weights_only=False)"
  let save =
    switch purpose {
    case .weights:
      "from safetensors.torch import save_file; "
        + "d = v if not isinstance(v, dict) else "
        + "next((v[k] for k in (\"model\", \"state_dict\", \"net\") if k in v), v); "
        + "d = d if isinstance(d, dict) else d.state_dict(); "
        + "save_file({k: t.contiguous() for k, t in d.items()}, p + \".safetensors\")"
    case .data:
      "import numpy; numpy.save(p + \".npy\", numpy.asarray(v))"
    case .record:
      "import os; os.rename(p, p + \".whole\"); "
        + "torch.save({k: v[k] for k in (\"num_classes\", \"clean_data\", \"bd_train\")}, p)"
    }
  return "Only where you trust who made the file, for loading it there runs what is in it: "
    + "python3 -c '\(load); \(save)' \(shellWord(path))"
}

/// A path as a shell takes it for one word without looking into it.
private func shellWord(_ path: String) -> String {
  let isPlain = path.utf8.allSatisfy {
    switch UInt8($0) {
    case UInt8(ascii: "a")...UInt8(ascii: "z"), UInt8(ascii: "A")...UInt8(ascii: "Z"),
      UInt8(ascii: "0")...UInt8(ascii: "9"):
      true
    default: "_-./=,@%+:".utf8.contains($0)
    }
  }
  if isPlain { return path }
  return "'"
    + path.unicodeScalars.map { $0 == "'" ? "'\\''" : String($0) }.joined()
    + "'"
}

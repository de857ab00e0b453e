import Glibc
import MecaCore
import MecaImages

/// What the two CIFAR archives look like on disk.
extension CIFARSet.Variant {
  /// Number of classes.
  var classCount: Int { self == .cifar10 ? 10 : 100 }

  /// Label bytes in front of each image.
  var labelBytes: Int { self == .cifar10 ? 1 : 2 }

  /// Bytes of one record.
  var recordLength: Int { labelBytes + 3072 }

  /// Folder that the official archive unpacks to.
  var archiveFolder: String { self == .cifar10 ? "cifar-10-batches-bin" : "cifar-100-binary" }

  /// Folder that the archive of the Python version unpacks to.
  var pythonFolder: String { self == .cifar10 ? "cifar-10-batches-py" : "cifar-100-python" }

  /// File with one class name a line.
  var classNamesFile: String { self == .cifar10 ? "batches.meta.txt" : "fine_label_names.txt" }

  /// Files of a split in the order of their samples.
  func fileNames(_ split: Split) -> [String] {
    switch (self, split) {
    case (.cifar10, .train): (1...5).map { "data_batch_\($0).bin" }
    case (.cifar10, .test): ["test_batch.bin"]
    case (.cifar100, .train): ["train.bin"]
    case (.cifar100, .test): ["test.bin"]
    }
  }

  /// The folder with the files: `folder` itself or the archive's folder inside it.
  func locate(in folder: String) throws -> String {
    guard isFolder(Array(folder.utf8)) else {
      throw FileError.missing(
        path: folder, hint: "the set's folder is the one with the \(rawValue) binary files")
    }
    let own = Split.allCases.flatMap(fileNames).contains { access(folder + "/" + $0, F_OK) == 0 }
    let python = folder + "/" + pythonFolder
    if !own, isFolder(Array(python.utf8)), !isFolder(Array((folder + "/" + archiveFolder).utf8)) {
      throw FileError.malformed(
        path: python,
        reason: "is the Python version of \(rawValue), as torchvision keeps it; the binary version "
          + "is read (\(archiveFolder), https://www.cs.toronto.edu/~kriz/cifar.html)")
    }
    let inner = folder + "/" + archiveFolder
    return !own && isFolder(Array(inner.utf8)) ? inner : folder
  }

  /// The error for a folder without a file of the split; knows the Python version by its names.
  func noFiles(in folder: String, _ split: Split) -> FileError {
    let names = fileNames(split)
    let pythonName = String(names[0].dropLast(".bin".count))
    if access(folder + "/" + pythonName, F_OK) == 0 {
      return .missing(
        path: folder + "/" + names[0],
        hint: "\(pythonName) belongs to the Python version; take the binary version of the archive")
    }
    let wanted = names.count == 1 ? names[0] : "\(names[0]) to \(names[names.count - 1])"
    return .missing(
      path: folder + "/" + names[0], hint: "the \(split.rawValue) split needs \(wanted)")
  }

  /// Checks the records of `file` and appends their labels until `limit` labels are there.
  ///
  /// - Throws: `FileError.malformed` for an empty file, a length that is no multiple of the record
  ///   length, or a label out of range, with the number of the record (from 0).
  func appendLabels(of file: MappedFile, to labels: inout [UInt8], limit: Int?) throws {
    guard file.count > 0 else {
      throw FileError.malformed(path: file.path, reason: "is empty")
    }
    guard file.count.isMultiple(of: recordLength) else {
      throw FileError.malformed(
        path: file.path,
        reason: "\(file.count) bytes are no multiple of the \(rawValue) record length "
          + "\(recordLength); the file is cut off or of another kind")
    }
    let records = file.count / recordLength
    let wanted = min(records, (limit ?? Int.max) - labels.count)
    try file.withBytes { bytes in
      for record in 0..<wanted {
        labels.append(try readLabel(bytes, record, path: file.path))
      }
    }
  }

  /// The checked label of one record.
  private func readLabel(
    _ bytes: UnsafeRawBufferPointer, _ record: Int, path: String
  ) throws -> UInt8 {
    let start = record * recordLength
    let label = bytes[start + labelBytes - 1]
    guard label < classCount else {
      throw FileError.malformed(
        path: path,
        reason: "record \(record) has label \(label), but \(rawValue) ends at \(classCount - 1)")
    }
    if labelBytes == 2, bytes[start] >= 20 {
      throw FileError.malformed(
        path: path,
        reason: "record \(record) has coarse label \(bytes[start]), but cifar100 ends at 19")
    }
    return label
  }

  /// Class names of the archive, or `class 0` and so on where the file is not there.
  ///
  /// - Throws: `FileError.malformed` if the file has another number of names.
  func readClassNames(in folder: String) throws -> [String] {
    let path = folder + "/" + classNamesFile
    guard access(path, F_OK) == 0 else { return (0..<classCount).map { "class \($0)" } }
    let text = try readText(at: path)
    let names = text.split(whereSeparator: \.isNewline).map(trimmed).filter { !$0.isEmpty }
    guard names.count == classCount else {
      throw FileError.malformed(
        path: path, reason: "has \(names.count) class names, \(rawValue) has \(classCount)")
    }
    return names
  }
}

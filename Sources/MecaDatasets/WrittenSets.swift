import MecaAttacks
import MecaCore
import MecaFormats
import MecaImages
import MecaMPI

/// Opens a set that `meca-dist poison` has written, whatever its format, with its truth, its
/// triggered test images and the attack that it was written with.
///
/// - Ranks: collective; the ranks share the pictures to look at.
/// - Throws: `RemoteFailure` on all ranks: the set is incomplete, record, manifest and files
///   contradict each other, or the kind is not the one under which such a set is read.
func openWritten(
  at path: String, _ configuration: DataConfiguration, communicator: Communicator, threads: Int
) throws -> OpenedSets {
  let folder = try communicator.collectively {
    let folder = try WrittenFolder(path: path)
    let name = folder.record.format.name
    guard configuration.name == name else {
      throw SettingError(
        setting: "dataset", value: configuration.name,
        allowed: "\(name): \(path) holds a written set of that format")
    }
    try requireOwnSize(configuration, folder)
    return folder
  }
  var watch = DataWatch()
  func open(_ part: SetPart) throws -> WrittenSet {
    let rows = folder.rows(
      of: part, trainLimit: configuration.place.trainLimit,
      testLimit: configuration.place.testLimit)
    if folder.record.format == .png {
      return try folder.pictures(
        part, rows: rows, watch: &watch, communicator: communicator, threads: threads)
    }
    let set = try communicator.collectively { try folder.recordSet(part, rows: rows) }
    if communicator.rank == 0 { watch.add([set]) }
    return set
  }
  let (training, test, triggered) = (try open(.train), try open(.test), try open(.triggered))
  return OpenedSets(
    training: training, test: test,
    triggered: folder.record.target.map {
      StoredTriggeredSet(
        base: triggered, target: $0, testIndices: triggered.testIndices,
        attack: folder.record.attack)
    }, attack: folder.record.attack)
}

extension SetFormat {
  /// The name of the format under which a written set of this one is read.
  fileprivate var name: String {
    switch self {
    case .png: FolderFormat.facts.name
    case .cifar10: CIFAR10Format.facts.name
    case .cifar100: CIFAR100Format.facts.name
    case .npy: NumpyFormat.facts.name
    }
  }
}

/// Refuses options that would change the images or the splits, which a written set fixes.
private func requireOwnSize(_ configuration: DataConfiguration, _ folder: WrittenFolder) throws {
  let shape = folder.record.facts.imageShape
  // What a stored model's run had is no wish.
  guard !configuration.place.isWhole else { return }
  for (name, value) in configuration.changedValues {
    if name == "image-size", case .integer(let size) = value,
      size == shape.height && size == shape.width
    {
      continue
    }
    throw SettingError(
      setting: name, value: value.text,
      allowed: "left out: images and splits of the written set in \(folder.path) are fixed "
        + "(\(shape.height)x\(shape.width) pixels); write it again with other ones")
  }
}

extension WrittenFolder {
  /// A part whose images are PNG files, each decoded once by some rank.
  ///
  /// - Ranks: collective.
  /// - Throws: `RemoteFailure` that names the line of a picture that is missing, broken, or of
  ///   another size.
  fileprivate func pictures(
    _ part: SetPart, rows: [ManifestRow], watch: inout DataWatch, communicator: Communicator,
    threads: Int
  ) throws -> WrittenSet {
    let facts = record.facts
    let files = ImageFileList(
      root: path, classNames: facts.classNames, paths: rows.map(\.path),
      labels: rows.map { part == .triggered ? $0.originalLabel : $0.label })
    try communicator.collectively {
      for index in communicator.share(of: 0..<rows.count) {
        try requireSize(of: index, in: files, row: rows[index])
      }
    }
    func images(_ digest: String?) -> ImageFileSet {
      ImageFileSet(
        name: facts.name, files: files, imageShape: facts.imageShape, fit: .stretch,
        meanAndDeviation: facts.meanAndDeviation, contentDigest: digest)
    }
    if communicator.rank == 0 { watch.add([images(nil)]) }
    let check = try checkImages(images(nil), communicator: communicator, threads: threads)
    try communicator.collectively {
      if let broken = check.broken.first { throw bad(rows[broken.index], broken.reason) }
    }
    return set(part, rows: rows, images: images(check.digest))
  }

  private func requireSize(of index: Int, in files: ImageFileList, row: ManifestRow) throws {
    let shape = record.facts.imageShape
    let found: ImageShape
    do {
      found = try ImageFileSet.size(of: index, in: files)
    } catch let error as FileError {
      if case .failed = error { throw error }
      throw bad(row, "\(error)")
    }
    guard found == shape else {
      throw bad(
        row,
        "\(row.path) has \(found.height)x\(found.width) pixels, the images of this set have "
          + "\(shape.height)x\(shape.width)")
    }
  }
}

import MecaAttacks
import MecaCore
import MecaData
import MecaMPI

/// Opens a set that `meca-dist poison` has written, whatever its format, with its truth, its
/// triggered test images and the attack that it was written with.
///
/// - Ranks: collective; the ranks share the pictures to look at.
/// - Throws: `RemoteFailure` on all ranks: the set is incomplete, record, manifest and files
///   contradict each other, or the kind is not the one under which such a set is read.
func openWritten(
  at path: String, _ configuration: DataConfiguration, communicator: Communicator
) throws -> OpenedSets {
  let folder = try communicator.collectively {
    let folder = try WrittenFolder(path: path)
    let kind = folder.record.format.kind
    guard configuration.dataset == kind else {
      throw UsageError.conflict(
        "--dataset \(configuration.dataset.rawValue): \(path) holds a written set that is read with "
          + "--dataset \(kind.rawValue)")
    }
    return folder
  }
  func open(_ part: SetPart) throws -> WrittenSet {
    let rows = folder.rows(
      of: part, trainLimit: configuration.trainLimit, testLimit: configuration.testLimit)
    return folder.record.format == .png
      ? try folder.pictures(part, rows: rows, communicator: communicator)
      : try communicator.collectively { try folder.recordSet(part, rows: rows) }
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
  /// The kind of data set under which a written set of this format is read.
  fileprivate var kind: DatasetKind {
    switch self {
    case .png: .folder
    case .cifar10: .cifar10
    case .cifar100: .cifar100
    case .npy: .npy
    }
  }
}

extension WrittenFolder {
  /// A part whose images are PNG files, each decoded once by some rank.
  ///
  /// - Ranks: collective.
  /// - Throws: `RemoteFailure` that names the line of a picture that is missing, broken, or of
  ///   another size.
  fileprivate func pictures(
    _ part: SetPart, rows: [ManifestRow], communicator: Communicator
  ) throws -> WrittenSet {
    let shape = record.facts.imageShape
    let images = ImageFileSet(
      name: record.facts.name,
      files: ImageFileList(
        root: path, classNames: record.facts.classNames, paths: rows.map(\.path),
        labels: rows.map(\.label)),
      imageShape: shape, fit: .stretch, meanAndDeviation: record.facts.meanAndDeviation)
    try communicator.collectively {
      for index in evenSplit(0..<rows.count, parts: communicator.size, part: communicator.rank) {
        let found: ImageShape
        do {
          found = try images.files.withBytes(of: index) { try decodeImage($0, path: $1).shape }
        } catch let error as FileError {
          if case .failed = error { throw error }
          throw bad(rows[index], "\(error)")
        }
        guard found == shape else {
          throw bad(
            rows[index],
            "\(rows[index].path) has \(found.height)x\(found.width) pixels, the images of "
              + "this set have \(shape.height)x\(shape.width)")
        }
      }
    }
    return set(part, rows: rows, images: images)
  }
}

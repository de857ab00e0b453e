import MecaCore
import MecaFormats
import MecaImages

/// The folder of a written set: its record and its manifest, read and held against each other.
public struct WrittenFolder: Sendable {
  /// The folder's path.
  public let path: String
  /// What `dataset.json` says.
  public let record: SetRecord
  /// What `manifest.csv` says.
  public let manifest: SetManifest
  private let files: SetFiles

  /// Reads record and manifest of the set in a folder; no image.
  ///
  /// - Ranks: local.
  /// - Throws: `FileError` that names file, line and reason.
  public init(path: String) throws {
    self.path = path
    record = try SetRecord(folder: path)
    manifest = try record.manifest(folder: path)
    let manifest = manifest
    let labels = SetPart.allCases.map { part in
      (part, manifest.rows(of: part).map { Self.label($0, in: part) })
    }
    files = SetFiles(
      format: record.format, facts: record.facts, labels: Dictionary(uniqueKeysWithValues: labels),
      classFolders: record.classFolders ?? classFolderNames(record.facts.classNames))
    for part in SetPart.allCases { try checkPaths(of: part) }
    try record.checkManifestDigest(folder: path)
  }

  /// The class by which the file of a row is told from others.
  private static func label(_ row: ManifestRow, in part: SetPart) -> Int32 {
    part == .triggered ? row.originalLabel : row.label
  }

  private func checkPaths(of part: SetPart) throws {
    for (position, row) in manifest.rows(of: part).enumerated() {
      let expected = files.path(
        of: position, in: part, number: row.index, label: Int(Self.label(row, in: part)))
      guard row.path == expected else {
        throw bad(row, "with its index and labels, the path must be \(expected)")
      }
    }
  }

  /// The rows of a part, or of its first samples.
  ///
  /// - Parameters:
  ///   - trainLimit: training samples at most.
  ///   - testLimit: test samples at most; of the triggered ones, those of these test samples.
  public func rows(of part: SetPart, trainLimit: Int?, testLimit: Int?) -> [ManifestRow] {
    let rows = manifest.rows(of: part)
    switch part {
    case .train: return Array(rows.prefix(trainLimit ?? Int.max))
    case .test: return Array(rows.prefix(testLimit ?? Int.max))
    case .triggered: return Array(rows.prefix { $0.index < testLimit ?? Int.max })
    }
  }

  /// A part whose images lie in records, with the labels of its files held against the manifest.
  ///
  /// - Throws: `FileError` that names the file, or the line of the manifest that contradicts it.
  public func recordSet(_ part: SetPart, rows: [ManifestRow]) throws -> WrittenSet {
    let images = try RecordSet(
      facts: record.facts, files: files.records(of: part), folder: path, limit: rows.count)
    for (position, row) in rows.enumerated() {
      guard let label = images.recordedLabel(at: position) else { break }
      guard label == Self.label(row, in: part) else {
        throw bad(
          row, "the class of \(row.path) is \(Self.label(row, in: part)) here, but \(label) there")
      }
    }
    if record.format == .npy { try checkLabelFile(of: part, rows: rows) }
    return set(part, rows: rows, images: images)
  }

  /// A part with images from wherever they are.
  public func set(_ part: SetPart, rows: [ManifestRow], images: any ImageSet) -> WrittenSet {
    WrittenSet(
      part: part, facts: record.facts, images: images, rows: rows,
      knowsTruth: record.target != nil)
  }

  /// Holds the labels of a NumPy file against the manifest.
  private func checkLabelFile(of part: SetPart, rows: [ManifestRow]) throws {
    guard !manifest.rows(of: part).isEmpty else { return }
    let file = path + "/\(part.rawValue)-labels.npy"
    let labels = try readNumpyLabels(file)
    let count = manifest.rows(of: part).count
    guard labels.count == count else {
      throw FileError.malformed(
        path: file, reason: "has \(labels.count) labels, \(SetManifest.fileName) has \(count)")
    }
    for (row, label) in zip(rows, labels) where label != Self.label(row, in: part) {
      throw bad(
        row,
        "the class of \(row.path) is \(Self.label(row, in: part)) here, but \(label) in "
          + "\(part.rawValue)-labels.npy")
    }
  }

  /// The error of a line of the manifest.
  public func bad(_ row: ManifestRow, _ reason: String) -> FileError {
    .malformed(path: path + "/" + SetManifest.fileName, reason: "line \(row.line): \(reason)")
  }
}

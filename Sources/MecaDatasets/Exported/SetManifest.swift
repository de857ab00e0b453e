import MecaCore
import MecaFormats
import MecaImages

/// What a manifest says of one image.
public struct ManifestRow: Sendable, Equatable {
  /// Number of the sample within its split; a triggered one has the number of its test sample.
  public var index: Int
  /// Where it lies: a file below the set's folder, or `FILE#RECORD`.
  public var path: String
  /// The label that a victim is given; of triggered test samples, the target.
  public var label: Int32
  /// The true label.
  public var originalLabel: Int32
  /// What the sample really is.
  public var role: SampleRole
  /// The line of the manifest that says so, from 1.
  public var line: Int

  /// All values.
  public init(
    index: Int, path: String, label: Int32, originalLabel: Int32, role: SampleRole, line: Int = 0
  ) {
    self.index = index
    self.path = path
    self.label = label
    self.originalLabel = originalLabel
    self.role = role
    self.line = line
  }
}

/// The list of a written set's samples, `manifest.csv`: one line an image.
///
/// Columns: index, path, label, original_label, role (`clean`, `poison`, `cover`), split (`train`,
/// `test`, `test-triggered`). Fields may be quoted as RFC 4180 has it, lines may end in CR LF.
public struct SetManifest: Sendable, Equatable {
  /// Name of the file in a set's folder.
  public static let fileName = "manifest.csv"
  /// The first line.
  public static let head = "index,path,label,original_label,role,split"

  /// The rows of each part by ascending index.
  public private(set) var rows: [SetPart: [ManifestRow]]

  /// A manifest of given rows, each part's in the order of its indices.
  public init(rows: [SetPart: [ManifestRow]]) { self.rows = rows }

  /// The rows of a part.
  public func rows(of part: SetPart) -> [ManifestRow] { rows[part] ?? [] }

  /// The whole file.
  public var text: String {
    var text = Self.head + "\n"
    for part in SetPart.allCases {
      for row in rows(of: part) {
        text += "\(row.index),\(csvField(row.path)),\(row.label),\(row.originalLabel),\(row.role),"
        text += part.rawValue + "\n"
      }
    }
    return text
  }

  /// Whether the file at `path` begins as a manifest does.
  public static func isManifest(_ path: String) -> Bool {
    guard let file = try? MappedFile(path: path) else { return false }
    return file.withBytes { $0.starts(with: head.utf8) }
  }

  /// Reads the manifest at `path` and checks every line by itself and against the others.
  ///
  /// Training and test indices must be 0 to n − 1, each once; a triggered sample's that of a test
  /// sample, each once at most, and its label the target. What is clean or cover has its true label.
  ///
  /// - Parameters:
  ///   - classCount: labels must be below it.
  ///   - target: class that the triggers lead to, where there are any.
  /// - Throws: `FileError` that names file, line and reason.
  public init(path: String, classCount: Int, target: Int?) throws {
    let reader = ManifestReader(path: path, classCount: classCount)
    rows = try MappedFile(path: path).withBytes { try reader.rows(of: $0) }
    for part in [SetPart.train, .test] { try reader.requireWhole(rows(of: part), part) }
    try reader.checkTriggered(rows(of: .triggered), tests: rows(of: .test).count, target: target)
  }
}

import MecaCore
import MecaDatasets
import MecaDefenses
import MecaImages

/// A list of samples that a person or another tool has made.
///
/// A comma-separated file whose head names `index` or `path` (as `suspects.csv` and `ranking.csv` do),
/// or a line a sample: an index or a path, and after a comma a label. Where there is a column `verdict`,
/// only lines with `suspect` count, so that deleting lines and changing that word both work.
struct SampleListFile {
  private let path: String
  private let rows: [[String]]
  private let columns: [String: Int]

  /// Reads the file.
  ///
  /// - Throws: `FileError`.
  init(_ path: String) throws {
    self.path = path
    let text = String(decoding: try readFile(at: path), as: UTF8.self)
    let marked = text.hasPrefix("\u{FEFF}") ? String(text.dropFirst()) : text
    guard let all = csvRows(marked) else {
      throw FileError.malformed(path: path, reason: "a quote is never closed")
    }
    let head = (all.first ?? []).map { $0.lowercased() }
    let isHead = head.contains("index") || head.contains("path")
    columns =
      isHead
      ? Dictionary(head.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
      : [:]
    rows = Array(isHead ? all.dropFirst() : all[...])
  }

  private func malformed(_ row: Int, _ reason: String) -> FileError {
    .malformed(path: path, reason: "entry \(row + 1): \(reason)")
  }

  private func field(_ row: [String], _ name: String) -> String? {
    guard let place = columns[name], place < row.count, !row[place].isEmpty else { return nil }
    return row[place]
  }

  /// The samples that are listed, with the label that stands with each, ascending.
  ///
  /// - Parameters:
  ///   - paths: of all training samples, in the order of their indices.
  ///   - classNames: the classes that labels may name; nil wants no labels.
  /// - Throws: `FileError` for lines that name no sample of the set, or none of its classes.
  func samples(
    among paths: [String], classNames: [String]?
  ) throws -> [(index: Int, label: Int?)] {
    // Names as lists show them, and as they are.
    var places: [String: Int] = [:]
    for (index, own) in paths.enumerated() {
      places[own] = index
      places[shown(own)] = index
    }
    var found: [Int: Int?] = [:]
    for (number, row) in rows.enumerated() {
      if let verdict = field(row, "verdict"), verdict != "suspect" { continue }
      let index = try index(row, number, places, paths)
      let label = try classNames.map { try self.label(row, number, $0) }
      if let before = found[index], before != label {
        throw malformed(number, "sample \(index) is there twice, with two labels")
      }
      found[index] = label
    }
    return found.sorted { $0.key < $1.key }.map { ($0.key, $0.value) }
  }

  /// A path without the quotes that a list may put around it.
  private func shown(_ path: String) -> String { csvRows(csvText(path))?.first?.first ?? path }

  private func index(
    _ row: [String], _ number: Int, _ places: [String: Int], _ paths: [String]
  ) throws -> Int {
    let text = columns.isEmpty ? row.first : field(row, "index")
    let name = columns.isEmpty ? row.first : field(row, "path")
    if let index = text.flatMap({ Int($0) }) {
      guard paths.indices.contains(index) else {
        throw malformed(number, "there is no sample \(index); the set has \(paths.count)")
      }
      let own = paths[index]
      if !columns.isEmpty, let name, name != own, name != shown(own) {
        throw malformed(
          number,
          "sample \(index) is \(printable(own)) here, not \(printable(name)): the list is of "
            + "another set, or of this one in another order")
      }
      return index
    }
    guard let name, let index = places[name] else {
      throw malformed(
        number,
        "no training sample is called \(printable(name ?? text ?? "")); names are those of "
          + "samples.csv in a run's folder")
    }
    return index
  }

  private func label(_ row: [String], _ number: Int, _ classNames: [String]) throws -> Int {
    // Beside a column for new labels, `label` is the given one.
    let column = columns["relabelled_as"] == nil ? "label" : "relabelled_as"
    let text = columns.isEmpty ? (row.count > 1 ? row[1] : nil) : field(row, column)
    guard let text else {
      throw malformed(number, "no new label: a column relabelled_as or label, or INDEX,LABEL")
    }
    do {
      return try ClassReference.written(text).number(among: classNames, setting: "relabel")
    } catch {
      throw malformed(number, "\(printable(text)) is no class of this set")
    }
  }
}

extension ResolvedDefense {
  /// The same with what its lists say, where it has some.
  ///
  /// - Ranks: local; every rank reads the files.
  /// - Throws: `FileError`.
  func readingLists(of data: TrainingData) throws -> ResolvedDefense {
    guard var listed = makeDefense() as? ListedSamples else { return self }
    let set = data.training
    let paths = (0..<set.count).map { set.path(at: $0) }
    if let file = listed.settings.exclude {
      listed.lists.excluded = try SampleListFile(file).samples(among: paths, classNames: nil)
        .map { Int32($0.index) }
    }
    if let file = listed.settings.relabel {
      let samples = try SampleListFile(file).samples(among: paths, classNames: set.classNames)
      listed.lists.relabelled = samples.map { Int32($0.index) }
      listed.lists.newLabels = samples.map { Int32($0.label ?? 0) }
    }
    return ResolvedDefense(listed)
  }
}

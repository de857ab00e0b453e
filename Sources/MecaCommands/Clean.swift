import ArgumentParser
import Foundation
import MecaCore
import MecaMPI
import MecaTraining

/// How a cleaned set is written.
enum CleanedForm: String, ExpressibleByArgument, CaseIterable {
  case links, copies, list
}

/// Writes a set without its suspects.
struct Clean: RankedCommand {
  static let configuration = CommandConfiguration(
    abstract: "Write the set of a run without its suspects: links, copies or a list.",
    discussion: """
      Takes RUN/samples.csv and RUN/suspects.csv, also an edited one: lines with another word than \
      suspect under verdict do not count. links and copies need a set of single files.
      """)

  @Argument(help: "Folder of a run.")
  var run: String

  @Option(help: "Folder to write, or the file of a list; must not be there yet.")
  var output: String

  @Option(name: .customLong("as"), help: "What to write: links, copies, list.")
  var form: CleanedForm = .links

  @Flag(help: "Keep suspects too, under the label that the defence gave them.")
  var relabelled = false

  @Option(help: "List of the suspects (default: suspects.csv of the run).")
  var suspects: String?

  @Option(help: "Folder of the set (default: where the run found it).")
  var data: String?

  func validate() throws {
    if output.isEmpty { throw ValidationError("--output: must name a folder or a file") }
  }

  func run(on communicator: Communicator) throws {
    try communicator.collectively {
      guard communicator.rank == 0 else { return }
      let folder = RunFolder(path: run)
      let set = try CleanedSet(
        samples: folder.samples, suspects: suspects ?? folder.suspects, relabelled: relabelled)
      try set.write(to: output, as: form, from: data ?? RunCircumstances(folder).dataPath ?? "")
      printLines(set.summary)
      printLines("written to \(output)")
    }
  }
}

/// The samples of a run that are kept, with the class of each.
struct CleanedSet {
  private var kept: [(index: Int, path: String, className: String, isMoved: Bool)] = []
  private var left = 0
  private var moved = 0

  /// Reads a run's lists.
  ///
  /// - Parameter relabelled: whether suspects with a new label are kept under it.
  /// - Throws: `FileError` for lists that are missing, damaged or of another set.
  init(samples: String, suspects: String, relabelled: Bool) throws {
    let all = try ListedRows(samples, columns: ["index", "path", "class", "split"])
    let found = try ListedRows(suspects, columns: ["index", "path", "verdict"])
    var newClasses: [Int: String?] = [:]
    for row in 0..<found.count where found[row, "verdict"] == "suspect" {
      guard let index = Int(found[row, "index"]) else {
        throw FileError.malformed(
          path: suspects, reason: "entry \(row + 1): \(printable(found[row, "index"])) is no index")
      }
      let name = found[row, "relabelled_class"]
      newClasses[index] = relabelled && !name.isEmpty ? name : .some(nil)
    }
    var seen: Set<Int> = []
    for row in 0..<all.count where all[row, "split"] == "train" {
      guard let index = Int(all[row, "index"]) else {
        throw FileError.malformed(path: samples, reason: "entry \(row + 1) has no index")
      }
      seen.insert(index)
      let path = all[row, "path"]
      guard let change = newClasses[index] else {
        kept.append((index, path, all[row, "class"], false))
        continue
      }
      if let name = change {
        kept.append((index, path, name, true))
        moved += 1
      } else {
        left += 1
      }
    }
    if let unknown = newClasses.keys.filter({ !seen.contains($0) }).min() {
      throw FileError.malformed(
        path: suspects, reason: "sample \(unknown) is none of \(samples): a list of another run")
    }
  }

  /// In a line.
  var summary: String {
    "\(kept.count) samples kept, \(left) left out"
      + (moved > 0 ? ", \(moved) of the kept under a new label" : "")
  }

  /// Writes the set, each file at its place below the set's folder; one under a new label where other
  /// files of that label are.
  ///
  /// - Parameter root: folder of the set.
  /// - Throws: `UsageError` where the samples are no files, or the place is taken; `FileError`.
  func write(to output: String, as form: CleanedForm, from root: String) throws {
    if access(output, F_OK) == 0 {
      throw UsageError.conflict("--output \(output): is there already; choose another place")
    }
    if form == .list {
      let lines = kept.map { "\($0.index),\(csvText($0.path)),\(csvText($0.className))\n" }
      return try writeWhole(Data(("index,path,class\n" + lines.joined()).utf8), to: output)
    }
    func source(_ path: String) -> String {
      URL(fileURLWithPath: path.hasPrefix("/") || root.isEmpty ? path : root + "/" + path).path
    }
    if let missing = kept.first(where: { access(source($0.path), R_OK) != 0 }) {
      throw UsageError.conflict(
        "--as \(form.rawValue): \(printable(source(missing.path))) is no file that can be read; say "
          + "where the set is with --data, or take --as list if it is no folder of images")
    }
    var folders: [String: String] = [:]
    for sample in kept where !sample.isMoved {
      folders[sample.className] = Self.folder(sample.path)
    }
    var names: Set<String> = []
    for sample in kept {
      let folder =
        sample.isMoved ? folders[sample.className] ?? sample.className : Self.folder(sample.path)
      let parts = folder.split(separator: "/")
      guard !parts.contains(where: { $0 == ".." || $0 == "." }) else {
        throw UsageError.conflict("\(printable(folder)) cannot be a folder here: take --as list")
      }
      let file = sample.path.split(separator: "/").last.map(String.init) ?? "\(sample.index)"
      let target = ([output] + parts.map(String.init)).joined(separator: "/")
      try createFolder(target)
      var place = target + "/" + file
      // A moved file may meet another of its name.
      if !names.insert(place).inserted { place = target + "/\(sample.index)-" + file }
      names.insert(place)
      do {
        if form == .links {
          try FileManager.default.createSymbolicLink(
            atPath: place, withDestinationPath: source(sample.path))
        } else {
          try FileManager.default.copyItem(atPath: source(sample.path), toPath: place)
        }
      } catch {
        throw FileError.failed(
          operation: "write", path: place, reason: (error as NSError).localizedDescription)
      }
    }
  }

  /// The folder of a file.
  private static func folder(_ path: String) -> String {
    path.split(separator: "/").dropLast().joined(separator: "/")
  }
}

/// What `run.json` says of where a run found its set.
private struct RunCircumstances {
  let dataPath: String?

  init(_ folder: RunFolder) {
    let record = try? JSONSerialization.jsonObject(with: Data(readFile(at: folder.run)))
    let plan = (record as? [String: Any])?["plan"] as? [String: Any]
    dataPath = (plan?["data"] as? [String: Any])?["path"] as? String
  }
}

/// A comma-separated file with a head, by the names of its columns.
struct ListedRows {
  private let rows: [[String]]
  private let places: [String: Int]

  /// Reads a file.
  ///
  /// - Parameter columns: those that must be there.
  init(_ path: String, columns: [String]) throws {
    guard let all = csvRows(String(decoding: try readFile(at: path), as: UTF8.self)),
      let head = all.first
    else { throw FileError.malformed(path: path, reason: "is no list of comma-separated lines") }
    let places = Dictionary(
      head.enumerated().map { ($1, $0) }, uniquingKeysWith: { first, _ in first })
    if let missing = columns.first(where: { places[$0] == nil }) {
      throw FileError.malformed(path: path, reason: "has no column \(missing)")
    }
    self.places = places
    rows = Array(all.dropFirst())
  }

  var count: Int { rows.count }

  /// A field; empty where there is none.
  subscript(row: Int, column: String) -> String {
    guard let place = places[column], place < rows[row].count else { return "" }
    return rows[row][place]
  }
}

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
  /// - Parameters:
  ///   - samples: `samples.csv` of the run.
  ///   - suspects: a list as `SampleListFile` takes it.
  ///   - relabelled: whether suspects are kept under their new labels.
  /// - Throws: `FileError` for lists that are missing, damaged or of another set.
  init(samples: String, suspects: String, relabelled: Bool) throws {
    func malformed(_ reason: String) -> FileError { .malformed(path: samples, reason: reason) }
    guard let rows = csvRows(String(decoding: try readFile(at: samples), as: UTF8.self)),
      rows.first == ["index", "path", "label", "class", "split"],
      rows.allSatisfy({ $0.count == 5 })
    else { throw malformed("is no list of a run's samples") }
    let training = rows.filter { $0[4] == "train" }
    var names: [Int: String] = [:]
    for row in rows.dropFirst() {
      guard let label = Int(row[2]), label >= 0 else { throw malformed("\(row[2]) is no label") }
      names[label] = row[3]
    }
    let classNames = (0...(names.keys.max() ?? 0)).map { names[$0] ?? "class \($0)" }
    let listed = try SampleListFile(suspects).samples(
      among: training.map { $0[1] }, classNames: relabelled ? classNames : nil)
    let suspected = Dictionary(uniqueKeysWithValues: listed.map { ($0.index, $0.label) })
    for (index, row) in training.enumerated() {
      if let change = suspected[index] {
        guard let label = change else {
          left += 1
          continue
        }
        kept.append((index, row[1], classNames[label], true))
        moved += 1
      } else {
        kept.append((index, row[1], row[3], false))
      }
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

import Foundation
import MecaCore
import MecaExport
import MecaTraining

/// The curves of a run for TensorBoard, which come from the lines of `metrics.jsonl` and from nothing
/// else: `events/STAGE` for each training, `events/models/NAME` for the figures of each model.
///
/// At its beginning it reads what earlier starts of the run have recorded and writes all of it anew, so
/// that a resumed run has every curve once, whole, whether or not they wrote events.
///
/// - Ranks: local; on rank 0 alone. A file that cannot be written costs one warning, not the run.
public final class TensorBoardLog {
  private let folder: RunFolder
  private weak var journal: Journal?
  private let start: Double
  private var files: [String: EventFile] = [:]
  private var hasComplained = false

  /// Writes what `metrics.jsonl` has so far; then ``note(_:)`` is to be told of each further line.
  public init(_ folder: RunFolder, journal: Journal) {
    self.folder = folder
    self.journal = journal
    start = Date.now.timeIntervalSince1970
    folder.removeEvents()
    let lines = (try? Data(contentsOf: URL(fileURLWithPath: folder.metrics))) ?? Data()
    for line in lines.split(separator: UInt8(ascii: "\n")) {
      // JSONSerialization would round numbers otherwise than they were written.
      if let line = try? JSONDecoder().decode([String: MetricValue].self, from: line),
        let point = CurvePoint(line)
      {
        add(point)
      }
    }
    files.values.forEach(synchronise)
  }

  /// Adds what a line of the metrics says, if it belongs to a curve.
  public func note(_ line: [String: MetricValue]) {
    guard let point = CurvePoint(line) else { return }
    synchronise(add(point))
  }

  @discardableResult
  private func add(_ point: CurvePoint) -> EventFile {
    let name = folderName(point.curve)
    let file =
      files[name]
      ?? EventFile(
        path: "\(folder.events)/\(name)/\(RunFolder.eventFilePrefix)\(Int(start)).meca-dist",
        time: start)
    files[name] = file
    file.add(point.scalars, step: point.step, time: point.time ?? start)
    return file
  }

  private func synchronise(_ file: EventFile) {
    do {
      if let end = file.path.lastIndex(of: "/") { try createFolder(String(file.path[..<end])) }
      try file.synchronise()
    } catch {
      if !hasComplained {
        hasComplained = true
        journal?.warn("\(error); the run goes on, events for TensorBoard are missing")
      }
    }
  }
}

/// A curve's name as a path of folders: whatever else a name has than letters, digits, spaces and some
/// marks becomes an underscore, and no part leads upwards.
///
/// Example: `meca/confirm findings/../a:b` becomes `meca/confirm findings/_/a_b`.
package func folderName(_ curve: String) -> String {
  curve.split(separator: "/").map { part in
    let kept = part.unicodeScalars.prefix(100).map { scalar -> Character in
      let isPlain = scalar.properties.isAlphabetic || scalar.properties.numericType != nil
      return isPlain || " -_.,()+".unicodeScalars.contains(scalar) ? Character(scalar) : "_"
    }
    return kept.allSatisfy { $0 == "." } ? "_" : String(kept)
  }.joined(separator: "/")
}

/// What one line of `metrics.jsonl` adds to a curve.
package struct CurvePoint {
  /// The stage of a training, or `models/` and a model's title.
  package var curve: String
  /// The epoch, from 1; 0 for a model.
  package var step: Int
  /// Seconds since 1970; nil where the line does not say.
  package var time: Double?
  /// Values by tag, sorted; see ``tag(of:)``.
  package var scalars: [(tag: String, value: Double)]

  /// The point of a line; nil where it has none.
  package init?(_ line: [String: MetricValue]) {
    var numbers: [String: Double] = [:]
    var texts: [String: String] = [:]
    for (name, value) in line {
      switch value {
      case .number(let number): numbers[name] = number
      case .integer(let number): numbers[name] = Double(number)
      case .text(let text): texts[name] = text
      case .numbers: break
      }
    }
    switch texts["event"] {
    case "epoch":
      guard let stage = texts["stage"], let epoch = numbers["epoch"].flatMap({ Int(exactly: $0) })
      else { return nil }
      (curve, step) = (stage, epoch)
    case "model":
      guard let model = texts["model"] else { return nil }
      (curve, step) = ("models/" + model, 0)
    default: return nil
    }
    time = texts["time"].flatMap {
      try? Date($0, strategy: Date.ISO8601FormatStyle(includingFractionalSeconds: true))
        .timeIntervalSince1970
    }
    scalars = numbers.filter { !Self.places.contains($0.key) && $0.value.isFinite }
      .map { (tag: Self.tag(of: $0.key), value: $0.value) }.sorted { $0.tag < $1.tag }
  }

  /// Numbers that say where a point is, and none of what was measured.
  private static let places: Set = ["epoch", "epochs", "step", "seconds"]

  /// The tag of a value: `exchange/…` for what ranks sent each other, `test/acc` for `test_acc`, and
  /// for a model's `acc` and `asr`, which are measured on test images too; `train/…` for all others.
  package static func tag(of name: String) -> String {
    if name.hasPrefix("reduce_") || name.hasPrefix("late_") { return "exchange/" + name }
    if name.hasPrefix("test_") { return "test/" + name.dropFirst("test_".count) }
    return (["acc", "asr"].contains(name) ? "test/" : "train/") + name
  }
}

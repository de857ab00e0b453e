import Foundation
import MecaCore
import MecaMPI

/// How a file of trace events begins, by which one of this program's is known.
private let traceStart = "{\"displayTimeUnit\":\"ms\",\"generator\":\"meca-dist\",\"traceEvents\":["

extension RunTrace {
  /// Makes sure, before anything is computed, that the file can be written: an empty trace is there
  /// then.
  ///
  /// - Ranks: local; rank 0 alone should call it.
  /// - Throws: `UsageError` where something else has that name, `FileError.failed`.
  public static func prepare(_ path: String) throws {
    var status = stat()
    if stat(path, &status) == 0 {
      let isFile = status.st_mode & S_IFMT == S_IFREG
      guard isFile, status.st_size == 0 || beginsLikeATrace(path) else {
        throw UsageError.conflict(
          "--trace \(path): is there and no trace of this program's; choose another name")
      }
    }
    try writeWhole(Data((traceStart + "]}\n").utf8), to: path)
  }

  private static func beginsLikeATrace(_ path: String) -> Bool {
    guard let file = FileHandle(forReadingAtPath: path) else { return false }
    defer { try? file.close() }
    let expected = Data(traceStart.utf8)
    return (try? file.read(upToCount: expected.count)) == expected
  }

  /// Writes the spans of all ranks, in the format of Chrome's trace events: a track a rank.
  ///
  /// - Ranks: collective; rank 0 writes.
  /// - Throws: `RemoteFailure` on all ranks with `FileError.failed`.
  public func write(to path: String, on communicator: Communicator) throws {
    let parts = try communicator.allGatherText(
      text(track: communicator.rank, "rank \(communicator.rank) on \(communicator.host)"))
    try communicator.collectively {
      guard communicator.rank == 0 else { return }
      try writeWhole(
        Data((traceStart + "\n" + parts.joined(separator: ",\n") + "\n]}\n").utf8), to: path)
    }
  }

  /// The events of one track, without the brackets around all of them.
  package func text(track: Int, _ name: String) -> String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    func line(_ event: TraceEvent) -> String {
      guard let data = try? encoder.encode(event) else {
        preconditionFailure("\(event) is no JSON")  // MetricValue knows no other values
      }
      return String(decoding: data, as: UTF8.self)
    }
    let rest = leftOut > 0 ? ", \(leftOut) spans left out for want of room" : ""
    var events = [
      TraceEvent(kind: "process_name", track: track, args: ["name": .text("meca-dist")]),
      TraceEvent(kind: "thread_name", track: track, args: ["name": .text(name + rest)]),
      TraceEvent(kind: "thread_sort_index", track: track, args: ["sort_index": .integer(track)]),
    ]
    // The longer of two that begin together holds the other.
    events += spans.sorted { ($0.begin, $1.end) < ($1.begin, $0.end) }.map {
      TraceEvent($0, track: track)
    }
    return events.map(line).joined(separator: ",\n")
  }
}

/// An event as the file has it; times in microseconds.
///
/// - Source: "Trace Event Format", Google; what Perfetto reads of it.
private struct TraceEvent: Encodable {
  var name: String
  var cat: String?
  var ph: String
  var ts: Double?
  var dur: Double?
  var pid = 1
  var tid: Int
  var args: [String: MetricValue]?

  /// What is said of a track.
  init(kind: String, track: Int, args: [String: MetricValue]) {
    (name, ph, tid, self.args) = (kind, "M", track + 1, args)
  }

  /// A span.
  init(_ span: RunTrace.Span, track: Int) {
    (name, cat, ph, tid) = (printable(span.name), span.kind.rawValue, "X", track + 1)
    ts = Self.microseconds(span.begin)
    dur = Self.microseconds(span.end) - Self.microseconds(span.begin)
    args = span.values.isEmpty ? nil : span.values
  }

  /// To the nearest thousandth.
  private static func microseconds(_ span: Duration) -> Double {
    (span / .nanoseconds(1)).rounded() / 1000
  }
}

import Foundation
import Logging
import MecaCore
import MecaDatasets

/// Progress for people (standard error) and metrics for programs (`metrics.jsonl`).
///
/// Only rank 0 writes; on other ranks every call does nothing.
public final class Journal {
  /// Messages for people.
  public let logger: Logger
  private let path: String?
  private var file: Int32?
  private let start = ContinuousClock.now
  private let isWriter: Bool
  /// Whether people want to read of ranks, exchanges and single epochs.
  public let isVerbose: Bool
  private var hasFailed = false
  /// Told of every line of the metrics, on the rank that writes them; also where there is no file.
  public var follower: (([String: MetricValue]) -> Void)?

  /// Opens the journal.
  ///
  /// A last line that a killed run left without its end is cut off.
  ///
  /// - Parameters:
  ///   - metricsPath: file to append JSON lines to; nil writes none.
  ///   - isWriter: whether this rank speaks.
  ///   - logger: where messages go.
  ///   - isVerbose: whether ``detail(_:)`` says anything.
  /// - Throws: `FileError.failed` if the file cannot be opened.
  public init(
    metricsPath: String?, isWriter: Bool, logger: Logger, isVerbose: Bool = false
  ) throws {
    self.isWriter = isWriter
    self.isVerbose = isVerbose
    self.logger = logger
    path = isWriter ? metricsPath : nil
    guard let path else {
      file = nil
      return
    }
    guard let descriptor = Self.opened(path) else {
      throw FileError.failed(
        operation: "write", path: path, reason: String(cString: strerror(errno)))
    }
    cutOffHalfLine(descriptor)
    file = descriptor
  }

  private static func opened(_ path: String) -> Int32? {
    let descriptor = open(path, O_RDWR | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
    return descriptor < 0 ? nil : descriptor
  }

  /// Goes on in a new file where somebody has taken the old one away and its folder is there (again).
  private func followVanishedFile() {
    var status = stat()
    guard let old = file, let path, fstat(old, &status) == 0, status.st_nlink == 0,
      let new = Self.opened(path)
    else { return }
    close(old)
    file = new
  }

  deinit { if let file { close(file) } }

  /// Throws away what earlier runs recorded in `metrics.jsonl`.
  public func forgetEarlierRuns() {
    // What cannot be cut off costs its reader the old lines.
    if let file { _ = ftruncate(file, 0) }
  }

  /// Seconds since this process began its journal.
  public var seconds: Double { (ContinuousClock.now - start) / .seconds(1) }

  /// A line for people.
  public func say(_ text: String) {
    if isWriter { logger.info("\(text)") }
  }

  /// A line for people who want to know more.
  public func detail(_ text: String) {
    if isVerbose { say(text) }
  }

  /// A warning for people; also kept in the metrics.
  public func warn(_ text: String) {
    guard isWriter else { return }
    logger.warning("\(text)")
    record("warning", ["text": .text(text)])
  }

  /// A JSON object on a line of its own in `metrics.jsonl`, with the seconds since this process began
  /// its journal and the time of day (UTC).
  ///
  /// A full disk costs the lines that find no room and one warning, not the run.
  public func record(_ event: String, _ values: [String: MetricValue]) {
    guard isWriter else { return }
    var object: [String: MetricValue] = values
    object["event"] = .text(event)
    object["seconds"] = .number((seconds * 1000).rounded() / 1000)
    object["time"] = .text(
      Date.now.formatted(Date.ISO8601FormatStyle(includingFractionalSeconds: true)))
    follower?(object)
    followVanishedFile()
    guard let file else { return }
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    guard var line = try? encoder.encode(object) else {
      preconditionFailure("\(object) is no JSON")  // MetricValue knows no other values
    }
    line.append(UInt8(ascii: "\n"))
    let written = line.withUnsafeBytes { write(file, $0.baseAddress, $0.count) }
    guard written != line.count else { return }
    let reason = written < 0 ? String(cString: strerror(errno)) : "no room left"
    cutOffHalfLine(file)
    if !hasFailed {
      hasFailed = true
      logger.warning("metrics.jsonl: \(reason); the run goes on, lines of the metrics are missing")
    }
  }
}

/// Shortens a file to its last whole line.
private func cutOffHalfLine(_ descriptor: Int32) {
  let end = lseek(descriptor, 0, SEEK_END)
  var length = end
  var byte: UInt8 = 0
  while length > 0, pread(descriptor, &byte, 1, length - 1) == 1, byte != UInt8(ascii: "\n") {
    length -= 1
  }
  // What cannot be cut off costs its reader one line.
  if length < end { _ = ftruncate(descriptor, length) }
}

/// A value of a metrics line.
public enum MetricValue: Codable, Sendable {
  /// A number; not-a-number and infinities become null.
  case number(Double)
  /// A whole number.
  case integer(Int)
  /// A text.
  case text(String)
  /// A list of numbers.
  case numbers([Double])

  /// Reads what was written, numbers to the last bit; null becomes not-a-number.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.singleValueContainer()
    if container.decodeNil() {
      self = .number(.nan)
    } else if let number = try? container.decode(Double.self) {
      self = .number(number)
    } else if let text = try? container.decode(String.self) {
      self = .text(text)
    } else {
      self = .numbers(try container.decode([Double?].self).map { $0 ?? .nan })
    }
  }

  /// Writes the value itself, without a name around it.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.singleValueContainer()
    switch self {
    case .number(let value) where value.isFinite: try container.encode(value)
    case .number: try container.encodeNil()
    case .integer(let value): try container.encode(value)
    case .text(let value): try container.encode(value)
    case .numbers(let values): try container.encode(values.map { $0.isFinite ? $0 : nil })
    }
  }
}

extension Journal {
  /// Says what opening the data has found.
  public func say(_ report: OpeningReport) {
    for note in report.notes {
      say("data: \(note)")
      record("note", ["text": .text(note)])
    }
    for warning in report.warnings { warn(warning) }
  }
}

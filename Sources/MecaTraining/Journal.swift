import Foundation
import Logging
import MecaCore

/// Progress for people (standard error) and metrics for programs (`metrics.jsonl`).
///
/// Only rank 0 writes; on other ranks every call does nothing.
public final class Journal {
  /// Messages for people.
  public let logger: Logger
  private let file: FileHandle?
  private let start: Date
  private let isWriter: Bool

  /// Opens the journal.
  ///
  /// - Parameters:
  ///   - metricsPath: file to append JSON lines to; nil writes none.
  ///   - isWriter: whether this rank speaks.
  ///   - logger: where messages go.
  /// - Throws: `FileError.failed` if the file cannot be opened.
  public init(metricsPath: String?, isWriter: Bool, logger: Logger) throws {
    self.isWriter = isWriter
    self.logger = logger
    start = Date()
    if let metricsPath, isWriter {
      let descriptor = open(metricsPath, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
      guard descriptor >= 0 else {
        throw FileError.failed(
          operation: "write", path: metricsPath, reason: String(cString: strerror(errno)))
      }
      file = FileHandle(fileDescriptor: descriptor, closeOnDealloc: true)
    } else {
      file = nil
    }
  }

  /// Seconds since this process began its journal.
  public var seconds: Double { Date().timeIntervalSince(start) }

  /// A line for people.
  public func say(_ text: String) {
    if isWriter { logger.info("\(text)") }
  }

  /// A warning for people; also kept in the metrics.
  public func warn(_ text: String) {
    guard isWriter else { return }
    logger.warning("\(text)")
    record("warning", ["text": .text(text)])
  }

  /// A JSON object on a line of its own in `metrics.jsonl`.
  ///
  /// A full disk costs the line and a warning, not the run.
  public func record(_ event: String, _ values: [String: MetricValue]) {
    guard let file else { return }
    var object: [String: MetricValue] = values
    object["event"] = .text(event)
    object["seconds"] = .number((seconds * 1000).rounded() / 1000)
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    do {
      var line = try encoder.encode(object)
      line.append(UInt8(ascii: "\n"))
      try file.write(contentsOf: line)
    } catch {
      logger.warning("metrics.jsonl: line not written: \(error)")
    }
  }
}

/// A value of a metrics line.
public enum MetricValue: Encodable, Sendable {
  /// A number; not-a-number and infinities become null.
  case number(Double)
  /// A whole number.
  case integer(Int)
  /// A text.
  case text(String)
  /// A list of numbers.
  case numbers([Double])

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

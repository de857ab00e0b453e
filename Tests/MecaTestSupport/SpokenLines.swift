import Logging

/// Collects what a journal says.
public final class SpokenLines: LogHandler, @unchecked Sendable {
  /// Level and message of each line.
  public var lines: [String] = []
  /// Everything is collected.
  public var logLevel: Logger.Level = .info
  /// None is used.
  public var metadata: Logger.Metadata = [:]

  /// Nothing said yet.
  public init() {}

  /// None is used.
  public subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  /// Takes a line.
  public func log(event: LogEvent) { lines.append("\(event.level): \(event.message)") }
}

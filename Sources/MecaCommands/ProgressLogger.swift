import Logging
import MecaCore

/// A logger that writes bare lines to standard error; warnings carry their level.
func progressLogger(quiet: Bool) -> Logger {
  var logger = Logger(label: "meca-dist") { _ in LineLogHandler() }
  logger.logLevel = quiet ? .warning : .info
  return logger
}

/// swift-log's back end: one line a message, nothing before it but the level of warnings.
struct LineLogHandler: LogHandler {
  var logLevel: Logger.Level = .info
  var metadata: Logger.Metadata = [:]

  subscript(metadataKey key: String) -> Logger.Metadata.Value? {
    get { metadata[key] }
    set { metadata[key] = newValue }
  }

  func log(event: LogEvent) {
    let prefix = event.level >= .warning ? "\(event.level): " : ""
    writeLine("\(prefix)\(event.message)")
  }
}

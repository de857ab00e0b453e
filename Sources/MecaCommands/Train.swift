import ArgumentParser
import Foundation
import Logging
import MecaAttacks
import MecaCore
import MecaDefenses
import MecaMPI
import MecaNN
import MecaReport
import MecaTraining

/// Trains a model by a defence and writes the run folder.
struct Train: RankedCommand {
  static let configuration = CommandConfiguration(
    abstract: "Train a clean model on a set that may be poisoned (the default command).")

  @OptionGroup var options: TrainOptions

  func run(on communicator: Communicator) throws {
    let plan = try communicator.collectively { try options.resolved() }
    if options.run.dryRun {
      try communicator.collectively {
        try plan.compute.validate(ranks: communicator.size)
        if communicator.rank == 0 { print(options.yaml(of: plan)) }
      }
      return
    }
    let folder = RunFolder(path: options.run.output)
    let journal = try openJournal(folder, communicator: communicator)
    let session = try TrainingSession(
      communicator: communicator, compute: plan.compute, journal: journal)
    let checkpoints = try openCheckpoints(plan, session: session, folder: folder)
    let data = try TrainingData(plan.data, attack: plan.attack, communicator: communicator)
    try writeRunRecord(plan, session: session, folder: folder)
    announce(plan, data: data, session: session)
    try TrainingRun(
      plan: plan, session: session, data: data, folder: folder, checkpoints: checkpoints
    ).execute()
  }

  /// Prepares the output folder on rank 0 and opens the log.
  private func openJournal(_ folder: RunFolder, communicator: Communicator) throws -> Journal {
    let isWriter = communicator.rank == 0
    return try communicator.collectively {
      if isWriter {
        try folder.prepare()
        if options.run.resume == .never {
          try? FileManager.default.removeItem(atPath: folder.metrics)
        }
      }
      return try Journal(
        metricsPath: folder.metrics, isWriter: isWriter,
        logger: progressLogger(quiet: options.run.quiet))
    }
  }

  /// The folder's checkpoints, of these settings on this kind of processor and libraries.
  private func openCheckpoints(
    _ plan: RunPlan, session: TrainingSession, folder: RunFolder
  ) throws -> CheckpointStore {
    let checkpoints = try CheckpointStore(
      folder: folder, runSettings: plan.basis(engineFingerprint: session.engine.fingerprint),
      resume: options.run.resume)
    try session.communicator.collectively {
      if session.communicator.rank == 0, options.run.resume == .must,
        !checkpoints.holdsAnything()
      {
        throw UsageError.conflict(
          "--resume must: \(folder.checkpoints) holds no checkpoint of these settings")
      }
    }
    return checkpoints
  }

  /// Says in the folder what is running; from here on it holds nothing of an earlier run's end.
  private func writeRunRecord(
    _ plan: RunPlan, session: TrainingSession, folder: RunFolder
  ) throws {
    let placements = try session.communicator.placements()
    for placement in placements { session.journal.say(placement.summary) }
    let record = RunRecord(
      version: MecaDist.configuration.version, plan: plan, ranks: session.communicator.size,
      placements: placements.map(\.summary), engine: session.engine.fingerprint)
    try session.communicator.collectively {
      guard session.communicator.rank == 0 else { return }
      try folder.removeResults()
      try writeJSON(record, to: folder.run)
    }
  }

  private func announce(_ plan: RunPlan, data: TrainingData, session: TrainingSession) {
    session.journal.say("engine: \(session.engine.fingerprint)")
    session.journal.say(
      "data: \(data.training.name), \(data.training.count) training and \(data.test.count) test "
        + "samples, \(data.classCount) classes")
    guard data.truthIsKnown else { return }
    let wanted = Int((plan.attack.poisonRate * Double(data.training.count)).rounded())
    session.journal.say(
      "attack: \(plan.attack.kind.rawValue), \(data.training.poisonCount) poisoned "
        + "(\(fixed(data.training.effectiveRate * 100, 2)) %), target class \(plan.attack.target)")
    if data.training.poisonCount < wanted {
      session.journal.warn(
        "\(wanted) poisoned samples were asked for, but only \(data.training.poisonCount) are "
          + "eligible for \(plan.attack.kind.rawValue)")
    }
  }
}

/// Circumstances of a run, for `run.json`.
struct RunRecord: Encodable {
  var version: String
  var plan: RunPlan
  var ranks: Int
  var placements: [String]
  var engine: String
}

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

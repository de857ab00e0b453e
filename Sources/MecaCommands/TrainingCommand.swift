import ArgumentParser
import Foundation
import MecaCore
import MecaDatasets
import MecaDefenses
import MecaImages
import MecaMPI
import MecaNN
import MecaReport
import MecaTensor
import MecaTraining

/// What a run is for.
enum RunGoal {
  /// The models of the defence, and those that they are compared with.
  case models
  /// The verdict alone.
  case verdict
}

/// From options to a run and its folder: the commands `train` and `detect`.
struct TrainingCommand {
  let options: TrainOptions
  let goal: RunGoal

  /// Opens what the options name, and runs.
  ///
  /// - Ranks: collective.
  func run(on communicator: Communicator) throws {
    let settled = try options.settled(on: communicator)
    try TrainingCommand(options: settled, goal: goal).train(on: communicator)
  }

  private func train(on communicator: Communicator) throws {
    var plan = try communicator.collectively {
      let plan = try options.resolved()
      if goal == .verdict, !plan.defense.facts.judgesSamples {
        throw JudgesNobody(defense: plan.defense.facts.name)
      }
      if options.run.probabilities, !plan.defense.makeDefense().offersProbabilities {
        throw UsageError.conflict(
          "--probabilities: --defense \(plan.defense.facts.name) with these settings asks no model about "
            + "samples that it has not learnt; take meca with --folds 2 or more")
      }
      return plan
    }
    let initial = try options.initial.open(on: communicator)
    plan.initial = initial?.record
    if options.run.dryRun {
      try communicator.collectively {
        try plan.compute.validate(ranks: communicator.size)
        if communicator.rank == 0 { print(options.yaml(of: plan)) }
      }
      try estimate(plan, on: communicator)
      return
    }
    let stopRequests = StopRequests.watched(
      deadline: try communicator.collectively {
        communicator.rank == 0
          ? try options.run.keptDeadline(now: Date().timeIntervalSince1970) : nil
      })
    // Nothing in the folder changes before everything that can be wrong has been looked at.
    try communicator.collectively {
      try plan.compute.validate(ranks: communicator.size)
      _ = try plan.compute.makeEngine()
    }
    let trace = try beginTrace(on: communicator)
    greet(plan, on: communicator)
    communicator.place.enter("opening the data")
    let opening = ContinuousClock.now
    let data = try TrainingData(
      plan.data, attack: plan.attack, communicator: communicator, threads: plan.compute.threads)
    trace?.add("open the data", .data, from: opening)
    plan = try communicator.collectively { try self.plan(for: data) }
    plan.initial = initial?.record
    let network = plan.network(for: data)
    try communicator.collectively { [plan] in
      if plan.defense.facts.needs.contains(.truth) && !data.truthIsKnown {
        throw UsageError.conflict(
          "--defense \(plan.defense.facts.name) must be told what each sample is, and nothing is "
            + "known of this set: add --attack to a clean one, or choose another defence "
            + "(meca-dist defenses)")
      }
      if plan.oracle && !data.truthIsKnown {
        throw UsageError.conflict(
          "--oracle trains on the truly clean samples, which are known only for an attack that this "
            + "program put in: add --attack, or leave --oracle out")
      }
      try plan.defense.makeDefense().check(data.given)
      try plan.recipe.augmentation.validate(imageShape: data.training.imageShape)
    }
    let reserve = try cleanReserve(plan, data: data, communicator: communicator)
    let folder = RunFolder(path: options.run.output, checkpoints: options.run.checkpoints)
    let (lock, journal) = try open(folder, communicator: communicator)
    defer { withExtendedLifetime(lock) {} }
    let session = try TrainingSession(
      communicator: communicator, compute: plan.compute, journal: journal,
      stopRequests: stopRequests)
    session.trace = trace

    let weights = try communicator.collectively {
      try initial?.weights(
        for: network, classNames: data.training.classNames, session: session)
    }
    let networks = [network] + plan.defense.makeDefense().networks(besides: network)
    try session.requireMemory(for: networks)
    let keeper = FileKeeper(
      spare: options.run.spareOutput ?? NSTemporaryDirectory(), journal: journal)
    let basis = plan.basis(
      dataDigest: data.digest, attack: data.attack, engineFingerprint: session.engine.fingerprint)
    let store = try StageStore(
      folder: folder.checkpoints, runSettings: basis, resume: options.run.resume,
      interval: .seconds(options.run.checkpointEvery * 60),
      mostBytes: Self.mostBytes(of: networks, samples: data.training.count),
      watch: data.watch.check,
      keeper: keeper)
    if options.run.resume == .must { try requireAnything(in: store, session: session) }
    let record = try begin(
      plan, identity: plan.identity(basis), networks: networks, data: data, session: session,
      folder: folder)
    if options.run.tensorboard { followForTensorBoard(journal, in: folder, communicator.rank) }
    announce(plan, data: data, session: session)
    if let initial, let weights {
      for line in initial.words(weights, for: network) { session.journal.say(line) }
    }
    if communicator.rank == 0, !options.run.quiet {
      session.report = progressReport(plan, data: data, reserve: reserve, network, journal)
    }
    defer { LiveLine.clear() }
    let run = TrainingRun(
      plan: plan, session: session, data: data, network: network, initial: weights,
      reserve: reserve,
      folder: folder, store: store, keeper: keeper, selfTest: options.run.selfTest,
      wantsProbabilities: options.run.probabilities, goal: goal,
      report: ReportWriter(
        emptyResult(plan, data: data, ranks: communicator.size), folder: folder, journal: journal,
        isWriter: communicator.rank == 0))
    let answer: DetectionAnswer?
    do {
      answer = try run.execute()
    } catch let failure as RemoteFailure {
      // The launcher may not pass the status on: mpirun that was told to end gives its own.
      if failure.exitCode == .requeue, communicator.rank == 0 {
        try? folder.askForRequeue(failure.message)
      }
      // All ranks have come here; what they fail of is told before a trace that cannot be written.
      do { try write(trace, on: communicator) } catch { journal.warn("\(error)") }
      throw failure
    }
    try write(trace, on: communicator)
    try communicator.collectively {
      // A folder that vanished and was made again lacks what was written at the start.
      if communicator.rank == 0, access(folder.run, F_OK) != 0 {
        try keeper.write(to: folder.run) { try writeJSON(record, to: $0) }
        try keeper.write(to: folder.samples) { try writeSamples(data, to: $0) }
      }
      try keeper.requireInPlace()
    }
    if let answer, options.run.failOn.includes(answer.grade) {
      try communicator.collectively {
        throw FailingVerdict(
          grade: answer.grade, option: options.run.failOn, output: options.run.output)
      }
    }
  }

  /// The plan, with what only the opened data tell: the attack they were stored with, who is on lists.
  ///
  /// - Ranks: local, and the same on every rank.
  private func plan(for data: TrainingData) throws -> RunPlan {
    var plan = try options.resolved(stored: data.attack.facts)
    plan.defense = try plan.defense.readingLists(of: data)
    return plan
  }

  /// Begins to note what every rank does, where that is wanted.
  ///
  /// - Ranks: collective.
  /// - Throws: `RemoteFailure` on all ranks where the file cannot be written.
  private func beginTrace(on communicator: Communicator) throws -> RunTrace? {
    guard let path = options.run.trace else { return nil }
    try communicator.collectively {
      if communicator.rank == 0 { try RunTrace.prepare(path) }
    }
    return try RunTrace(on: communicator)
  }

  private func write(_ trace: RunTrace?, on communicator: Communicator) throws {
    guard let trace, let path = options.run.trace else { return }
    try trace.write(to: path, on: communicator)
  }

  /// The first sign of life, from rank 0: what runs where, before anything is opened.
  ///
  /// - Ranks: local.
  private func greet(_ plan: RunPlan, on communicator: Communicator) {
    guard communicator.rank == 0 else { return }
    let logger = progressLogger(quiet: options.run.quiet)
    let (size, threads) = (communicator.size, plan.compute.threads)
    let hosts = Set(communicator.hosts).count
    let cores = allowedCores().count
    var words = "meca-dist \(MecaDist.configuration.version), defence \(plan.defense.facts.name): "
    words += size == 1 ? "1 rank" : "\(size) ranks"
    if threads > 1 { words += " x \(threads) threads" }
    words += " on " + (hosts == 1 ? communicator.host : "\(hosts) hosts")
    if cores > 0 { words += cores == 1 ? ", 1 core for rank 0" : ", \(cores) cores for rank 0" }
    words += ", kernels of \(plan.compute.engine.rawValue)"
    logger.info("\(words); results go to \(options.run.output)")
    if LiveLine.isPossible {
      logger.info("Ctrl-C saves what there is and ends; the same command goes on from there")
    }
  }

  /// Writes the curves of the metrics for TensorBoard too, from now on and what is there of them.
  ///
  /// - Ranks: local.
  private func followForTensorBoard(_ journal: Journal, in folder: RunFolder, _ rank: Int) {
    guard rank == 0 else { return }
    let log = TensorBoardLog(folder, journal: journal)
    journal.follower = { log.note($0) }
    journal.say("curves for TensorBoard: tensorboard --logdir \(folder.events)")
  }

  /// Tells people how far the run is.
  private func progressReport(
    _ plan: RunPlan, data: TrainingData, reserve: [Int32], _ network: NetworkConfiguration,
    _ journal: Journal
  ) -> ProgressReport {
    // Without a forecast there is no number of stages and no time left, but a run.
    let forecasts = try? RunForecasts(
      plan, goal, data: data, reserve: reserve, network: network,
      wantsProbabilities: options.run.probabilities)
    return ProgressReport(
      forecasts?.courses ?? [], isLive: LiveLine.isPossible,
      now: { journal.seconds }, say: journal.say)
  }

  /// Says what the run would take, if its data can be opened.
  ///
  /// - Ranks: collective.
  private func estimate(_ plan: RunPlan, on communicator: Communicator) throws {
    let journal = try Journal(
      metricsPath: nil, isWriter: communicator.rank == 0,
      logger: progressLogger(quiet: options.run.quiet))
    do {
      let data = try TrainingData(
        plan.data, attack: plan.attack, communicator: communicator, threads: plan.compute.threads)
      let plan = try communicator.collectively {
        let plan = try self.plan(for: data)
        try plan.defense.makeDefense().check(data.given)
        return plan
      }
      let estimate = try RunEstimate(
        plan, goal, data: data, reserve: cleanReserve(plan, data: data, communicator: communicator),
        wantsProbabilities: options.run.probabilities, communicator: communicator)
      for line in estimate.lines(
        folder: RunFolder(path: options.run.output, checkpoints: options.run.checkpoints))
      { journal.say(line) }
      warnOfFewSteps(plan, data: data, journal: journal)
      if options.run.measure {
        for line in try estimate.measured() { journal.say(line) }
      }
    } catch let failure as RemoteFailure {
      journal.say("no estimate: \(failure.message)")
    }
  }

  /// A result of which nothing is known but what the run is about.
  private func emptyResult(_ plan: RunPlan, data: TrainingData, ranks: Int) -> RunResult {
    var result = RunResult(
      defense: plan.defense.facts.name, weightsSHA256: "", seconds: 0, ranks: ranks,
      imagesPerSecond: 0)
    result.classNames = data.training.classNames
    result.target = data.triggered?.target
    return result
  }

  /// Bytes of a checkpoint that is read at most: some dozen states of its networks and some hundred
  /// numbers a sample; of the acts within a stage as many as were finished between two looks at the
  /// clock, so that half of the memory is allowed where that is more.
  private static func mostBytes(of networks: [NetworkConfiguration], samples: Int) -> Int {
    let floats = networks.map(\.floats.parameters).max() ?? 0
    return max((64 << 20) + 64 * 4 * floats + 4096 * samples, (availableMemory() ?? 0) / 2)
  }

  /// The samples that are known to be clean, for a defence that needs some.
  ///
  /// - Ranks: collective.
  /// - Throws: `RemoteFailure` on all ranks with `UsageError` where the truth is not known.
  private func cleanReserve(
    _ plan: RunPlan, data: TrainingData, communicator: Communicator
  ) throws -> [Int32] {
    guard plan.defense.facts.needs.contains(.cleanReserve) else { return [] }
    return try communicator.collectively {
      guard let truth = data.truth else {
        throw UsageError.conflict(
          "--defense \(plan.defense.facts.name) needs samples that are known to be clean, and "
            + "nothing is known of this set: add --attack to a clean one, or choose a defence "
            + "without a reserve (meca-dist defenses)")
      }
      let reserve = keyedReserve(
        truth, labels: data.labels, share: plan.cleanReserve,
        seed: StageKey("clean reserve").seed(of: plan.compute.seed))
      guard !reserve.isEmpty else {
        throw UsageError.conflict(
          "--clean-reserve \(plan.cleanReserve): no class has enough clean samples for that; take "
            + "a larger share")
      }
      return reserve
    }
  }

  /// Prepares the output folder on rank 0, keeps other runs out of it, and opens the log.
  private func open(
    _ folder: RunFolder, communicator: Communicator
  ) throws -> (RunFolderLock?, Journal) {
    let isWriter = communicator.rank == 0
    return try communicator.collectively {
      let lock = isWriter ? try folder.prepare(force: options.run.force) : nil
      let journal = try Journal(
        metricsPath: folder.metrics, isWriter: isWriter,
        logger: progressLogger(quiet: options.run.quiet), isVerbose: options.run.verbose)
      return (lock, journal)
    }
  }

  /// For `--resume must`: without a checkpoint there is nothing to continue.
  private func requireAnything(in store: StageStore, session: TrainingSession) throws {
    try session.communicator.collectively {
      guard session.communicator.rank == 0 else { return }
      switch store.holdings() {
      case .checkpoints: break
      case .nothing:
        throw UsageError.conflict(
          "--resume must: \(options.run.output) holds no checkpoint of these settings, this data "
            + "and this build")
      case .damagedAlone(let error):
        throw UsageError.conflict(
          "--resume must: no checkpoint is whole: \(error); start anew with --resume auto")
      }
    }
  }

  /// Says in the folder what is running; with `--resume never` its checkpoints go.
  ///
  /// Results of the same run stay until there are new ones, those of another are refused.
  private func begin(
    _ plan: RunPlan, identity: String, networks: [NetworkConfiguration], data: TrainingData,
    session: TrainingSession, folder: RunFolder
  ) throws -> RunRecord {
    let placements = try session.communicator.placements()
    let record = RunRecord(
      version: MecaDist.configuration.version, program: programDigest(), identity: identity,
      plan: plan,
      ranks: session.communicator.size, placements: placements.map(\.summary),
      engine: session.engine.fingerprint)
    try session.communicator.collectively {
      guard session.communicator.rank == 0 else { return }
      try folder.requireReplaceable(identity: identity, force: options.run.force)
      // With --force whatever is there is of no more use.
      if options.run.force { try folder.removeResults() }
      if options.run.resume == .never {
        session.journal.forgetEarlierRuns()
        folder.removeEvents()
        try folder.removeCheckpoints()
      }
      try folder.requireRoom(
        parameters: networks.first?.floats.parameters ?? 0, samples: data.training.count)
      try folder.removeRequeue()
      try writeJSON(record, to: folder.run)
      try writeSamples(data, to: folder.samples)
      if data.opening.leftOut.isEmpty {
        try folder.removeBadImages()
      } else {
        let text = data.opening.leftOut.map { $0 + "\n" }.joined()
        try writeWhole(Data(text.utf8), to: folder.badImages)
      }
    }
    for placement in placements { session.journal.detail(placement.summary) }
    return record
  }
}

/// Circumstances of a run, for `run.json`.
struct RunRecord: Encodable {
  var version: String
  /// SHA-256 of the program's file.
  var program: String
  /// What tells this run's results from others'.
  var identity: String
  var plan: RunPlan
  var ranks: Int
  var placements: [String]
  var engine: String
}

import ArgumentParser
import Foundation
import MecaCore
import MecaMPI
import MecaTraining

extension JobScheduler: ExpressibleByArgument {}

/// Prints a job script for a batch scheduler.
struct PrintScript: RankedCommand {
  static let configuration = CommandConfiguration(
    commandName: "script",
    abstract: "Print a job script for a batch scheduler, which resumes and queues itself again.",
    discussion: """
      The options of the run stand behind --:
      meca-dist script --scheduler slurm --nodes 4 -- --dataset cifar10 --data DATA --output runs/cifar
      """)

  @Option(help: "What the script is for: slurm, pbs, lsf, sge (Grid Engine), local (mpirun, ssh).")
  var scheduler: JobScheduler

  @Option(help: "Number of machines.")
  var nodes: Int = JobScript().nodes

  @Option(help: "Ranks of each machine.")
  var ranksPerNode: Int = JobScript().ranksPerNode

  @Option(help: "Compute threads of each rank, one a core.")
  var threads: Int = JobScript().threads

  @Option(help: "Longest time of the job, for example 4:00:00 or 90m.")
  var time: String = JobScript.clock(JobScript().limit)

  @Option(help: "Name of the job.")
  var name: String = JobScript().name

  @Option(
    help: ArgumentHelp(
      "Queue or partition; of Grid Engine the parallel environment (default: the scheduler's; of Grid Engine mpi)."
    ))
  var queue: String?

  @Option(help: "Account or project that the job is charged to.")
  var account: String?

  @Option(
    help: "Numbers of a job array, for example 1-3; %a in the run's options becomes the number.")
  var array: String?

  @Argument(parsing: .postTerminator, help: "Options of the run, behind --.")
  var options: [String] = []

  func run(on communicator: Communicator) throws {
    try communicator.collectively {
      let text = try text()
      if communicator.rank == 0 { print(text, terminator: "") }
    }
  }

  /// The script.
  ///
  /// - Throws: `SettingError` for what no job can be, `UsageError` for options that no run takes.
  func text() throws -> String {
    for (setting, value) in [
      ("nodes", nodes), ("ranks-per-node", ranksPerNode), ("threads", threads),
    ] where !(1...100_000).contains(value) {
      throw SettingError(setting: setting, value: "\(value)", allowed: "1 or more")
    }
    guard let limit = Deadline.moment(time, now: 0), (60...100 * 86400).contains(limit) else {
      throw SettingError(
        setting: "time", value: time, allowed: "a span of a minute or more, such as 4:00:00 or 90m")
    }
    // A line break in one of them would be a line of the script.
    for (setting, value) in [
      ("name", name), ("queue", queue), ("account", account), ("array", array),
    ] {
      guard let value else { continue }
      guard isPlainWord(value) else {
        throw SettingError(
          setting: setting, value: value, allowed: "letters, digits and _ . , : % + - alone")
      }
    }
    var job = JobScript()
    (job.nodes, job.ranksPerNode, job.threads) = (nodes, ranksPerNode, threads)
    (job.limit, job.name, job.queue) = (Int(limit), name, queue)
    (job.account, job.array, job.options) = (account, array, options)
    try check(job)
    return job.text(for: scheduler)
  }

  /// Finds what is wrong with the run's options now, and not after hours in a queue.
  private func check(_ job: JobScript) throws {
    // A file of settings may be on the cluster alone.
    guard !options.contains(where: { $0 == "--config" || $0.hasPrefix("--config=") }) else {
      return
    }
    let words = options.map { $0.replacing("%a", with: "1") }
    let train: Train
    do {
      guard let parsed = try MecaDist.parsed(["train"] + words) as? Train else { return }
      train = parsed
    } catch {
      throw UsageError.conflict(
        "options of the run: " + MecaDist.parsingMessage(for: error, of: ExpandedArguments(words)))
    }
    try train.options.resolved().compute.validate(ranks: job.ranks)
  }
}

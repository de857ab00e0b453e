import CSandbox
import Glibc
import MecaCore
import MecaMPI

/// The program that MecaMPI's tests start under `mpirun`; not installed, not for users.
///
/// It does many tasks in one start, in the given order; each is one argument of several words:
///
/// ```
/// collectives                   checks every collective against its expectation
/// reduce S N SEED THREADS BUCKET OVERLAP RANKS
///                               sums S made-up vectors, answers with their digest; with RANKS > 0
///                               as if a host had so many ranks, and with the bytes that it sends
/// shared FIRST LAST             what every rank is told when ranks FIRST to LAST throw together
/// placements                    where every rank runs
/// sleep                         processor time of waiting in both barriers
/// bench N REPETITIONS S BUCKET  times OrderedReducer and MPI_Allreduce
/// fail FIRST LAST               ranks FIRST to LAST throw in a shared section, which ends the run
/// fail-alone RANK               one rank throws outside, the others wait
/// abort RANK CODE               one rank aborts, the others wait
/// late RANK SECONDS             one rank works so long, the others wait
/// signal RANK NUMBER            one rank sends itself a signal after a second, the others wait
/// ```
/// `stopped start RANK` before the tasks stops that rank for good before MPI starts, `stopped end RANK`
/// when all tasks are done.
/// Rank 0 prints a line `TASK: ANSWER` for each. A task that fails on all ranks alike does not keep
/// the others from being done: the run goes on and ends with the first such error. With `restarted`
/// before the tasks, the same in a process that started itself anew. `confined COMMAND` becomes that
/// command, and may not touch the memory of other processes, as in many containers.
@main
enum Probe {
  static func main() {
    var tasks = Array(CommandLine.arguments.dropFirst())
    if tasks.first == "confined" { confine(Array(tasks.dropFirst())) }
    if tasks.first == "restarted" {
      tasks.removeFirst()
      if getenv("MECA_PROBE_RESTARTED") == nil {
        restart(adding: ["MECA_PROBE_RESTARTED": "1"])
        print("not restarted: \(String(cString: strerror(errno)))")
        exit(ExitCode.internalError.rawValue)
      }
    }
    var isStoppedAtEnd = false
    if tasks.first == "stopped" {
      let isMeant = getenv("OMPI_COMM_WORLD_RANK").map { String(cString: $0) } == tasks[2]
      if isMeant, tasks[1] == "start" { raise(SIGSTOP) }
      isStoppedAtEnd = isMeant && tasks[1] == "end"
      tasks.removeFirst(3)
    }
    let ranks: Communicator
    do { ranks = try Communicator.initialise() } catch {
      print(error)
      exit(ExitCode.inputOutput.rawValue)
    }
    do {
      try run(tasks, ranks)
      if isStoppedAtEnd {
        sleep(1)  // the others wait by then
        raise(SIGSTOP)
      }
      try ranks.finalise()
    } catch {
      ranks.end(with: error)
    }
  }

  /// Becomes `command` without the right to touch other processes.
  private static func confine(_ command: [String]) -> Never {
    if meca_forbid_foreign_memory() == 0 {
      var arguments = command.map { strdup($0) } + [nil]
      execvp(command[0], &arguments)
    }
    print("not confined: \(String(cString: strerror(errno)))")
    exit(ExitCode.internalError.rawValue)
  }

  private static func run(_ tasks: [String], _ ranks: Communicator) throws {
    var failure: RemoteFailure?
    for task in tasks {
      do {
        let answer = try answer(to: ProbeTask(task), ranks)
        if ranks.rank == 0 { print("\(task): \(answer)") }
      } catch let error as RemoteFailure {
        if ranks.rank == 0 { print("\(task): failed: \(error)") }
        failure = failure ?? error
      }
    }
    if let failure { throw failure }
  }

  private static func answer(to task: ProbeTask, _ ranks: Communicator) throws -> String {
    switch task.name {
    case "collectives":
      try checkCollectives(ranks)
      return "ok \(ranks.size)"
    case "reduce":
      return try digestOfSum(
        ReductionSetting(
          shards: task.number(1), elementCount: task.number(2), seed: UInt64(task.number(3)),
          threads: task.number(4), bucket: task.number(5), overlap: task.number(6) == 1,
          ranksOfHost: task.number(7)), ranks)
    case "shared": return try whatIsTold(ranks, failing: task.number(1)...task.number(2))
    case "placements": return try ranks.placements().map(\.summary).joined(separator: " | ")
    case "sleep": return try millisecondsOfWaiting(ranks)
    case "bench":
      return try costOfReductions(
        ranks, elementCount: task.number(1), repetitions: task.number(2), shards: task.number(3),
        bucket: task.number(4))
    case "fail": try fail(ranks, task.number(1)...task.number(2))
    case "fail-alone":
      if try ranks.rank == task.number(1) { throw ProbeError(text: "alone") }
      try ranks.barrier()
    case "abort":
      if try ranks.rank == task.number(1) { try ranks.abort(Int32(task.number(2))) }
      try ranks.barrier()
    case "late":
      ranks.place.enter("being late")
      if try ranks.rank == task.number(1) { try sleep(UInt32(task.number(2))) }
      try ranks.barrier()
    case "signal":
      ranks.place.enter("signalling")
      sleep(1)  // the watch has connected by then
      if try ranks.rank == task.number(1) { try raise(Int32(task.number(2))) }
      try ranks.barrier()
    default: throw ProbeError(text: "unknown task \(task.words)")
    }
    return "went on"
  }
}

/// One argument: a name and numbers.
private struct ProbeTask {
  let words: [Substring]
  var name: Substring? { words.first }

  init(_ text: String) { words = text.split(separator: " ") }

  func number(_ position: Int) throws -> Int {
    guard position < words.count, let value = Int(words[position]) else {
      throw ProbeError(text: "word \(position) of \(words) is no number")
    }
    return value
  }
}

/// Something that went wrong on purpose or against expectation.
struct ProbeError: ReportableError {
  let text: String
  var exitCode: ExitCode { .badData }
  var description: String { text }
}

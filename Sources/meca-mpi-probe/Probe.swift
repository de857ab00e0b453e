import Glibc
import MecaCore
import MecaMPI

/// The program that MecaMPI's tests start under `mpirun`; not installed, not for users.
///
/// ```
/// meca-mpi-probe collectives                     checks every collective against its expectation
/// meca-mpi-probe reduce S N SEED THREADS BUCKET OVERLAP
///                                                sums S made-up vectors, prints their digest
/// meca-mpi-probe fail FIRST LAST                 ranks FIRST to LAST throw in a shared section
/// meca-mpi-probe fail-alone RANK                 one rank throws outside, the others wait
/// meca-mpi-probe abort RANK CODE                 one rank aborts, the others wait
/// meca-mpi-probe sleep                           processor time of waiting in both barriers
/// meca-mpi-probe placements                      prints where every rank runs
/// meca-mpi-probe bench N REPETITIONS S BUCKET    times OrderedReducer and MPI_Allreduce
/// meca-mpi-probe restarted SUBCOMMAND …          the same in a process that started itself anew
/// ```
@main
enum Probe {
  static func main() {
    var arguments = Array(CommandLine.arguments.dropFirst())
    if arguments.first == "restarted" {
      arguments.removeFirst()
      if getenv("MECA_PROBE_RESTARTED") == nil {
        restart(adding: ["MECA_PROBE_RESTARTED": "1"])
        print("not restarted: \(String(cString: strerror(errno)))")
        exit(ExitCode.internalError.rawValue)
      }
    }
    let ranks: Communicator
    do { ranks = try Communicator.initialise() } catch {
      print(error)
      exit(ExitCode.inputOutput.rawValue)
    }
    do {
      try run(arguments, ranks)
      try ranks.finalise()
    } catch {
      ranks.end(with: error)
    }
  }

  static func run(_ arguments: [String], _ ranks: Communicator) throws {
    func number(_ position: Int) throws -> Int {
      guard position < arguments.count, let value = Int(arguments[position]) else {
        throw ProbeError(text: "argument \(position) of \(arguments) is no number")
      }
      return value
    }
    switch arguments.first {
    case "collectives": try checkCollectives(ranks)
    case "reduce":
      try reduce(
        ReductionSetting(
          shards: number(1), elementCount: number(2), seed: UInt64(number(3)), threads: number(4),
          bucket: number(5), overlap: number(6) == 1), ranks)
    case "fail": try fail(ranks, number(1)...number(2))
    case "fail-alone":
      if try ranks.rank == number(1) { throw ProbeError(text: "alone") }
      try ranks.barrier()
    case "abort":
      if try ranks.rank == number(1) { try ranks.abort(Int32(number(2))) }
      try ranks.barrier()
    case "sleep": try measureWaiting(ranks)
    case "placements":
      let all = try ranks.placements()
      if ranks.rank == 0 { for placement in all { print(placement.summary) } }
    case "bench":
      try measureReductions(
        ranks, elementCount: number(1), repetitions: number(2), shards: number(3),
        bucket: number(4))
    default:
      throw ProbeError(text: "unknown subcommand \(arguments)")
    }
  }

  static func fail(_ ranks: Communicator, _ failing: ClosedRange<Int>) throws {
    let sum = try ranks.collectively { ranks.rank + 1 }
    precondition(sum == ranks.rank + 1, "a section that succeeds must return its value")
    try ranks.collectively {
      if failing.contains(ranks.rank) { throw ProbeError(text: "no disk on rank \(ranks.rank)") }
    }
  }

  /// Rank 0 comes 400 ms late; prints the others' largest processor time in milliseconds.
  static func measureWaiting(_ ranks: Communicator) throws {
    for (name, wait) in [
      ("spinning", { try ranks.barrier() }), ("sleeping", { try ranks.sleepingBarrier() }),
    ] {
      try ranks.barrier()
      let start = clock()
      if ranks.rank == 0 { usleep(400_000) }
      try wait()
      var milliseconds = [Int64(clock() - start) * 1000 / Int64(CLOCKS_PER_SEC)]
      try ranks.allReduceMax(&milliseconds)
      if ranks.rank == 0 { print(name, milliseconds[0]) }
    }
  }
}

/// Something that went wrong on purpose or against expectation.
struct ProbeError: ReportableError {
  let text: String
  var exitCode: ExitCode { .badData }
  var description: String { text }
}

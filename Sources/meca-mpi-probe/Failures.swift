import Glibc
import MecaCore
import MecaMPI

/// Throws on the ranks `failing` inside a shared section, and with that on all ranks.
func fail(_ ranks: Communicator, _ failing: ClosedRange<Int>) throws {
  let sum = try ranks.collectively { ranks.rank + 1 }
  precondition(sum == ranks.rank + 1, "a section that succeeds must return its value")
  try ranks.collectively {
    if failing.contains(ranks.rank) { throw ProbeError(text: "no disk on rank \(ranks.rank)") }
  }
}

/// What every rank is told of a shared failure, the same on all of them: status and line.
///
/// The run goes on.
func whatIsTold(_ ranks: Communicator, failing: ClosedRange<Int>) throws -> String {
  var told = "nothing"
  do { try fail(ranks, failing) } catch let error as RemoteFailure {
    told = "status \(error.exitCode.rawValue), \(ranks.located(error))"
  }
  let all = Set(try ranks.allGatherText(told))
  try ranks.collectively {
    guard all.count == 1 else { throw ProbeError(text: "ranks are told different things: \(all)") }
  }
  return told
}

/// The largest processor time of the ranks that wait 400 ms for rank 0, in milliseconds, in the
/// barrier that turns its core and in the one that sleeps.
func millisecondsOfWaiting(_ ranks: Communicator) throws -> String {
  var texts: [String] = []
  for (name, wait) in [
    ("spinning", { try ranks.barrier() }), ("sleeping", { try ranks.sleepingBarrier() }),
  ] {
    try ranks.barrier()
    let start = clock()
    if ranks.rank == 0 { usleep(400_000) }
    try wait()
    var milliseconds = [Int64(clock() - start) * 1000 / Int64(CLOCKS_PER_SEC)]
    try ranks.allReduceMax(&milliseconds)
    texts.append("\(name) \(milliseconds[0])")
  }
  return texts.joined(separator: " ")
}

import Dispatch

/// Runs `work(0)` to `work(count − 1)`, each on a thread of its own, and waits for all of them.
///
/// - Ranks: local.
func runOnThreads(_ count: Int, _ work: (Int) -> Void) {
  if count == 1 {
    work(0)
  } else {
    DispatchQueue.concurrentPerform(iterations: count, execute: work)
  }
}

/// Cuts `range` into `parts` consecutive pieces whose lengths differ by one at most.
func evenSplit(_ range: Range<Int>, parts: Int, part: Int) -> Range<Int> {
  let lower = range.lowerBound + range.count * part / parts
  let upper = range.lowerBound + range.count * (part + 1) / parts
  return lower..<upper
}

import Dispatch

/// Runs `work(0)` to `work(count − 1)`, each on a thread of its own, and waits for all of them.
///
/// - Ranks: local.
func runOnThreads(_ count: Int, _ work: (Int) -> Void) {
  if count == 1 {
    work(0)
  } else {
    // Each iteration touches its own thread's state alone; the compiler cannot see that.
    withoutActuallyEscaping(work) { work in
      nonisolated(unsafe) let work = work
      DispatchQueue.concurrentPerform(iterations: count) { work($0) }
    }
  }
}

/// Cuts `range` into `parts` consecutive pieces whose lengths differ by one at most.
func evenSplit(_ range: Range<Int>, parts: Int, part: Int) -> Range<Int> {
  let lower = range.lowerBound + range.count * part / parts
  let upper = range.lowerBound + range.count * (part + 1) / parts
  return lower..<upper
}

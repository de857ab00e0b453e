import Dispatch
import Glibc

/// Runs `work(0)` to `work(count − 1)` side by side, as far as the process may use cores, and waits
/// for all of them.
///
/// - Ranks: local.
package func runOnThreads(_ count: Int, _ work: (Int) -> Void) {
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

/// Runs `work(0)` to `work(count − 1)` on other threads while the caller runs `meanwhile`, and waits
/// for all of them, also where `meanwhile` throws.
///
/// - Ranks: local.
package func runBeside(
  _ count: Int, _ work: (Int) -> Void, meanwhile: () throws -> Void
) rethrows {
  try withoutActuallyEscaping(work) { work in
    nonisolated(unsafe) let work = work
    let running = DispatchGroup()
    defer { running.wait() }
    for index in 0..<count { DispatchQueue.global().async(group: running) { work(index) } }
    try meanwhile()
  }
}

/// Runs `work` on a thread of its own beside everything else; nobody waits for its end.
///
/// - Ranks: local.
package func startThread(_ work: @escaping @Sendable () -> Void) {
  final class Box: Sendable {
    let work: @Sendable () -> Void
    init(_ work: @escaping @Sendable () -> Void) { self.work = work }
  }
  let box = Unmanaged.passRetained(Box(work))
  var thread = pthread_t()
  let code = pthread_create(
    &thread, nil,
    { box in
      Unmanaged<Box>.fromOpaque(box!).takeRetainedValue().work()
      return nil
    }, box.toOpaque())
  if code == 0 { pthread_detach(thread) } else { box.release() }
}

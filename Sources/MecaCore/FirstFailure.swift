import Synchronization

/// The first of the failures that threads meet.
package final class FirstFailure: Sendable {
  private let kept = Mutex<FileError?>(nil)

  /// Nothing noted yet.
  package init() {}

  /// The first that was noted.
  package var first: FileError? { kept.withLock { $0 } }

  /// Keeps `error` if it is the first.
  package func note(_ error: FileError) {
    kept.withLock { $0 = $0 ?? error }
  }
}

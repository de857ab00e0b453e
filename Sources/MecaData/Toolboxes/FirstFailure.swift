import MecaCore
import Synchronization

/// The first of the failures that threads meet.
final class FirstFailure: Sendable {
  private let kept = Mutex<FileError?>(nil)

  /// The first that was noted.
  var first: FileError? { kept.withLock { $0 } }

  /// Keeps `error` if it is the first.
  func note(_ error: FileError) {
    kept.withLock { $0 = $0 ?? error }
  }
}

import Glibc
import MecaCore
import SwiftProtobuf

/// A file of TensorBoard's events: the scalars of one training or model, step by step.
///
/// Steps only grow: who adds one that is there already takes it and all later ones back first, so that
/// what a resumed training repeats is not there twice. The content is kept, and the file brought to it
/// by ``synchronise()``; a file that has vanished is written again from its beginning.
///
/// - Ranks: local; rank 0 alone should have one.
public final class EventFile {
  /// The file's path; its folder must be there when it is written.
  public let path: String
  private var content: [UInt8]
  /// Where the record of each step begins.
  private var steps: [(step: Int, offset: Int)] = []
  /// How much of the content the file has.
  private var written = 0

  /// A file with the format's version alone, of which nothing is on the disk yet.
  ///
  /// - Parameter time: its beginning, seconds since 1970.
  public init(path: String, time: Double) {
    self.path = path
    content = []
    append(.with { ($0.wallTime, $0.fileVersion) = (time, "brain.Event:2") })
    // Readers that have another file of this folder in memory forget what it said.
    append(
      .with {
        $0.wallTime = time
        $0.sessionLog.status = .start
      })
  }

  /// Adds the scalars of a step in place of whatever there is from it on.
  ///
  /// - Parameters:
  ///   - scalars: values that are numbers, by tag.
  ///   - time: seconds since 1970.
  public func add(_ scalars: [(tag: String, value: Double)], step: Int, time: Double) {
    while let last = steps.last, last.step >= step {
      content.removeLast(content.count - last.offset)
      written = min(written, last.offset)
      steps.removeLast()
    }
    steps.append((step, content.count))
    append(
      .with {
        ($0.wallTime, $0.step) = (time, Int64(step))
        $0.summary.value = scalars.map { tag, value in
          .with { ($0.tag, $0.simpleValue) = (tag, Float(value)) }
        }
      })
  }

  private func append(_ event: Tensorboard_Event) {
    do {
      let bytes: [UInt8] = try event.serializedBytes()
      content += eventRecord(bytes)
    } catch {
      // Only required fields can be missing, and proto3 has none.
      preconditionFailure("\(error)")
    }
  }

  /// Writes what the file lacks.
  ///
  /// Where that fails the file keeps its whole records, and the next call tries again.
  ///
  /// - Throws: `FileError.failed` with the system's reason.
  public func synchronise() throws {
    func failure() -> FileError {
      .failed(operation: "write", path: path, reason: String(cString: strerror(errno)))
    }
    let descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw failure() }
    defer { close(descriptor) }
    var status = stat()
    if fstat(descriptor, &status) != 0 || status.st_size < written { written = 0 }
    // No file that cannot be cut off is one of ours: a device says so when it is written to.
    _ = ftruncate(descriptor, written)
    var done = written
    while done < content.count {
      let count = content.withUnsafeBytes {
        pwrite(descriptor, $0.baseAddress! + done, $0.count - done, done)
      }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else {
        let error = failure()
        _ = ftruncate(descriptor, written)
        throw error
      }
      done += count
    }
    written = done
  }
}

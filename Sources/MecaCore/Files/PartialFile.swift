import Glibc

/// A file that several processes fill at the same time, each its own places, before it gets its name.
///
/// One process creates it beside the target under a temporary name and at its full length, all open
/// it there and write, one gives it its name when all are done. Until then the target is untouched.
///
/// - Ranks: local; whoever uses it sees to the order of creating, opening and finishing.
public final class PartialFile {
  /// The name that the file will have.
  public let path: String
  private let temporary: String
  private let descriptor: Int32

  /// Opens the file that `create` has made.
  ///
  /// - Throws: `FileError.failed` with the system's reason.
  public init(path: String, temporary: String) throws {
    self.path = path
    self.temporary = temporary
    descriptor = open(temporary, O_WRONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw failure("write", path) }
  }

  deinit { close(descriptor) }

  /// Makes an empty file of `count` bytes beside `path`, if the file system has room for them.
  ///
  /// - Returns: its temporary name.
  /// - Throws: `FileError.failed` with the system's reason; nothing is left then.
  public static func create(beside path: String, count: Int) throws -> String {
    let temporary = try TemporaryFile(beside: path)
    defer { close(temporary.descriptor) }
    // A full disk is better found now than after hours; a quota shows when it is reached.
    if let room = freeRoom(at: temporary.path), room < count {
      errno = ENOSPC
      let error = failure("write \(count) bytes", path)
      unlink(temporary.path)
      throw error
    }
    guard ftruncate(temporary.descriptor, count) == 0 else {
      let error = failure("write \(count) bytes", path)
      unlink(temporary.path)
      throw error
    }
    return temporary.path
  }

  /// Writes bytes at their place.
  ///
  /// - Throws: `FileError.failed` with the system's reason.
  public func write(_ bytes: [UInt8], at offset: Int) throws {
    try bytes.withUnsafeBytes { buffer in
      var done = 0
      while done < buffer.count {
        let wrote = pwrite(
          descriptor, buffer.baseAddress! + done, buffer.count - done, offset + done)
        if wrote < 0 && errno == EINTR { continue }
        guard wrote > 0 else { throw failure("write", path) }
        done += wrote
      }
    }
  }

  /// Waits until what this process wrote is on the disk.
  ///
  /// - Throws: `FileError.failed` with the system's reason.
  public func synchronise() throws {
    guard fsync(descriptor) == 0 else { throw failure("write", path) }
  }

  /// Gives the finished file its name, in place of whatever had it.
  ///
  /// - Throws: `FileError.failed` with the system's reason.
  public static func finish(_ temporary: String, as path: String) throws {
    guard rename(temporary, path) == 0 else { throw failure("rename to", path) }
    synchroniseFolder(of: path)
  }

  /// Takes an unfinished file away.
  public static func discard(_ temporary: String) { unlink(temporary) }
}

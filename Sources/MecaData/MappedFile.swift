import Glibc
import MecaCore

/// A file's bytes, mapped read-only into memory: ranks of one host share the pages.
///
/// The file must not shrink while it is mapped; the kernel would end the process (SIGBUS).
public final class MappedFile: @unchecked Sendable {
  /// Path as given.
  public let path: String
  /// First byte; nil for an empty file.
  private let base: UnsafeRawPointer?
  /// Number of bytes.
  public let count: Int

  /// Maps the file at `path`.
  ///
  /// - Throws: `FileError.missing`, or `FileError.failed` with the system's reason.
  public convenience init(path: String) throws {
    // O_NONBLOCK: opening a pipe by mistake must fail below instead of waiting for a writer.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else {
      if errno == ENOENT || errno == ENOTDIR {
        throw FileError.missing(path: path, hint: "check the path")
      }
      throw Self.failure("open", path)
    }
    defer { close(descriptor) }
    try self.init(descriptor: descriptor, path: path)
  }

  /// Maps the file behind a descriptor, which the caller closes; `path` is its name in errors.
  ///
  /// - Throws: `FileError.failed` with the system's reason, `FileError.malformed` for what is no
  ///   regular file.
  init(descriptor: Int32, path: String) throws {
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw Self.failure("inspect", path) }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw FileError.malformed(path: path, reason: "is not a regular file")
    }
    let size = Int(status.st_size)
    self.path = path
    self.count = size
    // mmap refuses a length of 0.
    guard size > 0 else {
      base = nil
      return
    }
    guard let memory = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0),
      memory != MAP_FAILED
    else { throw Self.failure("map", path) }
    // Only advice: a refusal costs speed, nothing else.
    _ = madvise(memory, size, MADV_WILLNEED)
    base = UnsafeRawPointer(memory)
  }

  deinit {
    if let base { munmap(UnsafeMutableRawPointer(mutating: base), count) }
  }

  /// Runs `body` on all bytes, which stay mapped until it returns and must not leave it.
  ///
  /// Without the scope the compiler may unmap the file right after the bytes' address was taken.
  public func withBytes<Result>(
    _ body: (UnsafeRawBufferPointer) throws -> Result
  ) rethrows -> Result {
    try withExtendedLifetime(self) {
      try body(UnsafeRawBufferPointer(start: base, count: count))
    }
  }

  /// The error for the last system call that failed.
  private static func failure(_ operation: String, _ path: String) -> FileError {
    .failed(operation: operation, path: path, reason: String(cString: strerror(errno)))
  }
}

import CMecaFiles
import Glibc

/// A file's bytes, mapped read-only into memory: ranks of one host share the pages.
///
/// A file that shrinks while it is mapped ends the process at the next look at what is gone, with a
/// line that names it (`CMecaFiles`).
public final class MappedFile: @unchecked Sendable {
  /// Path as given.
  public let path: String
  /// First byte; nil for an empty file.
  private let base: UnsafeRawPointer?
  /// Number of bytes.
  public let count: Int
  private let note: Int32

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
      (base, note) = (nil, -1)
      return
    }
    guard let memory = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0),
      memory != MAP_FAILED
    else { throw Self.failure("map", path) }
    // Only advice: a refusal costs speed, nothing else.
    _ = madvise(memory, size, MADV_WILLNEED)
    base = UnsafeRawPointer(memory)
    note = meca_note_mapping(memory, size, printable(path))
  }

  deinit {
    meca_forget_mapping(note)
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

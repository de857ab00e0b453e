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
  /// - Throws: `FileError.missing`, `FileError.malformed` for what is no regular file, or
  ///   `FileError.failed` with the system's reason.
  public convenience init(path: String) throws {
    // An initialiser cannot end within a closure, which closes the file: so it gets a copy.
    let (descriptor, size) = try withRegularFile(Array(path.utf8), name: path) { descriptor, size in
      (dup(descriptor), size)
    }
    guard descriptor >= 0 else { throw readFailure(path) }
    defer { close(descriptor) }
    try self.init(descriptor: descriptor, size: size, path: path)
  }

  /// Maps the file of `size` bytes behind a descriptor, which the caller closes; `path` is its name in
  /// errors.
  ///
  /// - Throws: `FileError.failed` with the system's reason.
  init(descriptor: Int32, size: Int, path: String) throws {
    self.path = path
    self.count = size
    // mmap refuses a length of 0.
    guard size > 0 else {
      (base, note) = (nil, -1)
      return
    }
    guard let memory = mmap(nil, size, PROT_READ, MAP_PRIVATE, descriptor, 0),
      memory != MAP_FAILED
    else {
      throw FileError.failed(operation: "map", path: path, reason: String(cString: strerror(errno)))
    }
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
}

import Glibc
import MecaCore

/// Runs `body` on all bytes of a regular file.
///
/// Small files are read, which costs less than a mapping and cannot fault if somebody cuts the file
/// off meanwhile; large ones are mapped, so that a file's length allocates nothing.
///
/// - Throws: `FileError` with the system's reason, and what `body` throws.
func withFileBytes<Result>(
  _ path: String, _ body: (UnsafeRawBufferPointer) throws -> Result
) throws -> Result {
  // O_NONBLOCK: opening a pipe must not wait for a writer.
  let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
  guard descriptor >= 0 else {
    if errno == ENOENT || errno == ENOTDIR {
      throw FileError.missing(path: path, hint: "check the path")
    }
    throw readFailure(path)
  }
  defer { close(descriptor) }
  var status = stat()
  guard fstat(descriptor, &status) == 0 else { throw readFailure(path) }
  guard status.st_mode & S_IFMT == S_IFREG else {
    throw FileError.malformed(path: path, reason: "is not a regular file")
  }
  let size = Int(status.st_size)
  guard size <= 1 << 22 else { return try MappedFile(path: path).withBytes(body) }
  return try withUnsafeTemporaryAllocation(byteCount: size, alignment: 16) { buffer in
    var count = 0
    while count < size {
      let got = read(descriptor, buffer.baseAddress! + count, size - count)
      if got < 0 && errno == EINTR { continue }
      guard got >= 0 else { throw readFailure(path) }
      if got == 0 { break }
      count += got
    }
    return try body(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
  }
}

private func readFailure(_ path: String) -> FileError {
  .failed(operation: "read", path: path, reason: String(cString: strerror(errno)))
}

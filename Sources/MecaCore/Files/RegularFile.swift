import Glibc

/// Opens a regular file for reading, runs `body`, and closes it: the one way to a file's bytes.
///
/// - Parameters:
///   - path: the path's bytes, which need not be UTF-8.
///   - name: the path in errors.
///   - body: gets the descriptor and the file's size in bytes.
/// - Throws: `FileError.missing`, `FileError.malformed` for a folder, pipe or device,
///   `FileError.failed` with the system's reason, and what `body` throws.
func withRegularFile<Result>(
  _ path: some Collection<UInt8>, name: String,
  _ body: (_ descriptor: Int32, _ size: Int) throws -> Result
) throws -> Result {
  // O_NONBLOCK: opening a pipe must not wait for a writer.
  let descriptor = withCPath(path) { open($0, O_RDONLY | O_CLOEXEC | O_NONBLOCK) }
  guard descriptor >= 0 else {
    if errno == ENOENT || errno == ENOTDIR {
      throw FileError.missing(path: name, hint: "check the path")
    }
    throw readFailure(name)
  }
  defer { close(descriptor) }
  var status = stat()
  guard fstat(descriptor, &status) == 0 else { throw readFailure(name) }
  guard status.st_mode & S_IFMT == S_IFREG else {
    throw FileError.malformed(path: name, reason: "is not a regular file")
  }
  return try body(descriptor, Int(status.st_size))
}

/// Reads bytes from where a descriptor stands.
///
/// - Returns: how many there were: fewer than wanted where the file has become shorter.
/// - Throws: `FileError.failed` with the system's reason.
func readBytes(
  _ descriptor: Int32, into buffer: UnsafeMutableRawBufferPointer, name: String
) throws -> Int {
  var count = 0
  while count < buffer.count, let start = buffer.baseAddress {
    let got = read(descriptor, start + count, buffer.count - count)
    if got < 0 && errno == EINTR { continue }
    guard got >= 0 else { throw readFailure(name) }
    if got == 0 { break }
    count += got
  }
  return count
}

/// The error for the last system call on a file that is read.
func readFailure(_ name: String) -> FileError {
  .failed(operation: "read", path: name, reason: String(cString: strerror(errno)))
}

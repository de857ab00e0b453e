import Glibc

/// Runs `body` on all bytes of a regular file.
///
/// Small files are read, which costs less than a mapping and cannot fault if somebody cuts the file
/// off meanwhile; large ones are mapped, so that a file's length allocates nothing.
///
/// - Parameters:
///   - path: the path's bytes, which need not be UTF-8.
///   - name: the path in errors.
/// - Throws: `FileError` with the system's reason, and what `body` throws.
package func withFileBytes<Result>(
  _ path: some Collection<UInt8>, name: String, _ body: (UnsafeRawBufferPointer) throws -> Result
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
  let size = Int(status.st_size)
  guard size <= 1 << 22 else {
    return try MappedFile(descriptor: descriptor, path: name).withBytes(body)
  }
  return try withUnsafeTemporaryAllocation(byteCount: max(size, 1), alignment: 16) { buffer in
    guard let start = buffer.baseAddress else { preconditionFailure("no memory for \(size) bytes") }
    var count = 0
    while count < size {
      let got = read(descriptor, start + count, size - count)
      if got < 0 && errno == EINTR { continue }
      guard got >= 0 else { throw readFailure(name) }
      if got == 0 { break }
      count += got
    }
    return try body(UnsafeRawBufferPointer(rebasing: buffer[..<count]))
  }
}

private func readFailure(_ name: String) -> FileError {
  .failed(operation: "read", path: name, reason: String(cString: strerror(errno)))
}

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
  try withRegularFile(path, name: name) { descriptor, size in
    guard size <= 1 << 22 else {
      return try MappedFile(descriptor: descriptor, size: size, path: name).withBytes(body)
    }
    return try withUnsafeTemporaryAllocation(byteCount: max(size, 1), alignment: 16) { buffer in
      let file = UnsafeMutableRawBufferPointer(rebasing: buffer[..<size])
      let count = try readBytes(descriptor, into: file, name: name)
      return try body(UnsafeRawBufferPointer(rebasing: file[..<count]))
    }
  }
}

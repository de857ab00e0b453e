import Glibc

/// Writes a file so that readers see the old content or the new one, never a part.
///
/// Temporary file beside the target, fsync, rename, fsync of the folder.
///
/// - Throws: `FileError.failed` with the system's reason; the target is then untouched.
public func replaceFile(at path: String, with pieces: [UnsafeRawBufferPointer]) throws {
  let temporary = try TemporaryFile(beside: path)
  do {
    for piece in pieces { try writeAll(piece, to: temporary.descriptor, path: path) }
    guard fsync(temporary.descriptor) == 0 else { throw failure("write", path) }
  } catch {
    close(temporary.descriptor)
    unlink(temporary.path)
    throw error
  }
  guard close(temporary.descriptor) == 0, rename(temporary.path, path) == 0 else {
    let error = failure("rename to", path)
    unlink(temporary.path)
    throw error
  }
  synchroniseFolder(of: path)
}

/// Sees to it that a name given in the folder of `path` survives a power cut.
///
/// A file system without fsync on folders is no error.
func synchroniseFolder(of path: String) {
  let folder = path.lastIndex(of: "/").map { $0 == path.startIndex ? "/" : String(path[..<$0]) }
  let folderDescriptor = open(folder ?? ".", O_RDONLY | O_CLOEXEC)
  if folderDescriptor >= 0 {
    fsync(folderDescriptor)
    close(folderDescriptor)
  }
}

/// Writes one of many files that count only when something else says that all are there.
///
/// Straight under its name and without waiting for the disk.
///
/// - Throws: `FileError.failed` with the system's reason.
public func writeNew(_ bytes: [UInt8], to path: String) throws {
  let descriptor = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
  guard descriptor >= 0 else { throw failure("write", path) }
  do {
    try bytes.withUnsafeBytes { try writeAll($0, to: descriptor, path: path) }
  } catch {
    close(descriptor)
    throw error
  }
  // Some file systems say only here that a quota is used up.
  guard close(descriptor) == 0 else { throw failure("write", path) }
}

/// Finds out before long work whether `replaceFile` could write to `path`; nothing is left there.
///
/// - Throws: `FileError.failed` if a folder has that name or its folder cannot be written to.
public func requireReplaceable(_ path: String) throws {
  var status = stat()
  if stat(path, &status) == 0, status.st_mode & S_IFMT == S_IFDIR {
    throw FileError.failed(operation: "write", path: path, reason: "a folder has this name")
  }
  let temporary = try TemporaryFile(beside: path)
  close(temporary.descriptor)
  unlink(temporary.path)
}

/// Reads a whole file.
///
/// - Parameter limit: bytes at most.
/// - Throws: `FileError`: missing, no regular file, or failed, also for a longer file.
public func readFile(at path: String, limit: Int = .max) throws -> [UInt8] {
  try withRegularFile(Array(path.utf8), name: path) { descriptor, size in
    guard size <= limit else {
      throw FileError.failed(
        operation: "read", path: path, reason: "has \(size) bytes, \(limit) at most are read")
    }
    return try [UInt8](unsafeUninitializedCapacity: size) { buffer, count in
      let room = UnsafeMutableRawBufferPointer(
        rebasing: UnsafeMutableRawBufferPointer(buffer)[..<size])
      count = try readBytes(descriptor, into: room, name: path)
    }
  }
}

/// Bytes of a list or description at most: of names, of labels, of settings.
public let mostTextBytes = 64 << 20

/// Reads a file that lists or describes something.
///
/// - Throws: `FileError`: missing, no regular file, failed, longer than any such text, no UTF-8.
public func readText(at path: String) throws -> String {
  let size = try readStart(of: path, count: 0).size
  guard size <= mostTextBytes else {
    throw FileError.malformed(
      path: path, reason: "has \(size) bytes; such a text has \(mostTextBytes) at most")
  }
  var bytes = try readFile(at: path, limit: mostTextBytes)[...]
  // The mark that some editors put before everything.
  if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { bytes = bytes.dropFirst(3) }
  guard let text = String(validating: bytes, as: UTF8.self) else {
    throw FileError.malformed(path: path, reason: "is no text in UTF-8; save it as such")
  }
  return text
}

/// Reads the beginning of a regular file.
///
/// - Returns: its first `count` bytes, or all if it has fewer, and its size.
/// - Throws: `FileError`: missing, no regular file, or failed.
public func readStart(of path: String, count: Int) throws -> (bytes: [UInt8], size: Int) {
  try withRegularFile(Array(path.utf8), name: path) { descriptor, size in
    let bytes = try [UInt8](unsafeUninitializedCapacity: min(count, size)) { buffer, done in
      let room = UnsafeMutableRawBufferPointer(
        rebasing: UnsafeMutableRawBufferPointer(buffer)[..<min(count, size)])
      done = try readBytes(descriptor, into: room, name: path)
    }
    return (bytes, size)
  }
}

private func writeAll(
  _ bytes: UnsafeRawBufferPointer, to descriptor: Int32, path: String
) throws {
  var done = 0
  while done < bytes.count {
    let wrote = write(descriptor, bytes.baseAddress! + done, bytes.count - done)
    if wrote < 0 && errno == EINTR { continue }
    guard wrote > 0 else { throw failure("write", path) }
    done += wrote
  }
}

/// The error for the last system call that failed.
func failure(_ operation: String, _ path: String) -> FileError {
  .failed(operation: operation, path: path, reason: String(cString: strerror(errno)))
}

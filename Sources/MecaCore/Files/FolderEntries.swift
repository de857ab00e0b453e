import Glibc

/// One name in a folder.
package struct FolderEntry {
  /// The name's bytes.
  package var name: [UInt8]
  /// Whether it is a folder, or a symbolic link to one.
  package var isFolder: Bool

  /// Whether tools usually do not show it.
  package var isHidden: Bool { name.first == UInt8(ascii: ".") }
}

/// What is in the folder at `path`, sorted by the bytes of the names.
///
/// - Throws: `FileError` with the system's reason.
package func folderEntries(_ path: [UInt8]) throws -> [FolderEntry] {
  guard let stream = withCPath(path, { opendir($0) }) else {
    if errno == ENOENT || errno == ENOTDIR {
      throw FileError.missing(path: printable(path), hint: "must be a folder")
    }
    throw folderFailure(path)
  }
  defer { closedir(stream) }
  var entries: [FolderEntry] = []
  while true {
    errno = 0
    guard let entry = readdir(stream) else { break }
    let name = withUnsafePointer(to: &entry.pointee.d_name) {
      $0.withMemoryRebound(to: UInt8.self, capacity: 256) {
        Array(UnsafeBufferPointer(start: $0, count: strnlen($0, 256)))
      }
    }
    guard name != [0x2E] && name != [0x2E, 0x2E] else { continue }
    let kind = Int32(entry.pointee.d_type)
    // Links are followed; where a file system does not say what a name is, it is asked too.
    let isFolder =
      kind == Int32(DT_DIR)
      || (kind == Int32(DT_LNK) || kind == Int32(DT_UNKNOWN))
        && status(of: path + [0x2F] + name).map { $0.st_mode & S_IFMT == S_IFDIR } ?? false
    entries.append(FolderEntry(name: name, isFolder: isFolder))
  }
  guard errno == 0 else { throw folderFailure(path) }
  return entries.sorted { $0.name.lexicographicallyPrecedes($1.name) }
}

/// Whether `path` is a folder, or a link to one.
package func isFolder(_ path: [UInt8]) -> Bool {
  status(of: path).map { $0.st_mode & S_IFMT == S_IFDIR } ?? false
}

/// What the system says of a path, links followed; nil where there is nothing.
package func status(of path: [UInt8]) -> stat? {
  var status = stat()
  return withCPath(path, { stat($0, &status) }) == 0 ? status : nil
}

/// Runs `body` on a path as C wants it.
package func withCPath<Result>(
  _ path: some Collection<UInt8>, _ body: (UnsafePointer<CChar>) throws -> Result
) rethrows -> Result {
  let terminated = path.map { CChar(bitPattern: $0) } + [0]
  return try terminated.withUnsafeBufferPointer { buffer in
    guard let start = buffer.baseAddress else { preconditionFailure("an array without memory") }
    return try body(start)
  }
}

private func folderFailure(_ path: [UInt8]) -> FileError {
  .failed(
    operation: "read the folder", path: printable(path), reason: String(cString: strerror(errno)))
}

/// A name without links and relative parts.
package func realPath(_ path: String) -> String {
  guard let resolved = realpath(path, nil) else { return path }
  defer { free(resolved) }
  return String(cString: resolved)
}

import Glibc
import MecaCore

/// One name in a folder.
struct FolderEntry {
  /// The name's bytes.
  var name: [UInt8]
  /// Whether it is a folder, or a symbolic link to one.
  var isFolder: Bool

  /// Whether tools usually do not show it.
  var isHidden: Bool { name.first == UInt8(ascii: ".") }

  /// Whether the name ends like an image file's: `.jpg`, `.jpeg` or `.png` in any case.
  var isImage: Bool {
    guard let dot = name.lastIndex(of: UInt8(ascii: ".")) else { return false }
    let ending = name[(dot + 1)...].map { $0 | 0x20 }
    return ["jpg", "jpeg", "png"].contains { ending.elementsEqual($0.utf8) }
  }
}

/// What is in the folder at `path`, sorted by the bytes of the names.
///
/// - Throws: `FileError` with the system's reason.
func folderEntries(_ path: [UInt8]) throws -> [FolderEntry] {
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

/// Collects image files and counts what is passed over.
struct ImageWalk {
  /// Files without an image file's ending, and hidden ones.
  private(set) var ignored = 0

  /// The names of the folders in `folder` that are not hidden, sorted bytewise.
  mutating func folders(in folder: [UInt8]) throws -> [[UInt8]] {
    let entries = try folderEntries(folder)
    ignored += entries.filter { !$0.isFolder || $0.isHidden }.count
    return entries.filter { $0.isFolder && !$0.isHidden }.map(\.name)
  }

  /// The paths, relative to `folder`, of all image files in it and in the folders below, sorted
  /// bytewise; a folder that links lead to twice, or in a circle, counts once.
  mutating func images(below folder: [UInt8]) throws -> [[UInt8]] {
    var found: [[UInt8]] = []
    var seen: Set<FolderIdentity> = []
    var waiting: [[UInt8]] = [[]]
    while let inner = waiting.popLast() {
      let path = inner.isEmpty ? folder : folder + [0x2F] + inner
      guard let status = status(of: path), seen.insert(FolderIdentity(status)).inserted else {
        continue
      }
      var below: [[UInt8]] = []
      for entry in try folderEntries(path) {
        let name = inner.isEmpty ? entry.name : inner + [0x2F] + entry.name
        if entry.isHidden {
          ignored += 1
        } else if entry.isFolder {
          below.append(name)
        } else if entry.isImage {
          found.append(name)
        } else {
          ignored += 1
        }
      }
      waiting += below.reversed()
    }
    return found.sorted { $0.lexicographicallyPrecedes($1) }
  }
}

/// What makes a folder the same under several names.
private struct FolderIdentity: Hashable {
  var device: dev_t
  var number: ino_t

  init(_ status: stat) { (device, number) = (status.st_dev, status.st_ino) }
}

/// Whether `path` is a folder, or a link to one.
func isFolder(_ path: [UInt8]) -> Bool {
  status(of: path).map { $0.st_mode & S_IFMT == S_IFDIR } ?? false
}

/// What the system says of a path, links followed; nil where there is nothing.
func status(of path: [UInt8]) -> stat? {
  var status = stat()
  return withCPath(path, { stat($0, &status) }) == 0 ? status : nil
}

/// Runs `body` on a path as C wants it.
func withCPath<Result>(
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

import Foundation
import MecaCore
import MecaTraining

/// How a folder's file system takes what a run does to it.
package struct FolderProbe {
  package var path = ""
  /// Kind of the file system, where it is one with habits of its own.
  package var kind: String?
  /// Milliseconds to write a small file, bring it to the disk and give it its name; median.
  package var milliseconds = 0.0
  /// Whether two processes can keep each other out.
  package var hasLocks = true
  /// Bytes free.
  package var room: Int?
  /// Why nothing could be written.
  package var problem: String?

  /// Made up, for tests.
  package init() {}

  /// Tries out the nearest folder above `path` that is there.
  ///
  /// - Ranks: local; rank 0 alone should call it. Leaves nothing behind.
  package init(at path: String) {
    var folder = path
    while !folder.isEmpty, access(folder, F_OK) != 0 {
      folder = folder.lastIndex(of: "/").map { String(folder[..<$0]) } ?? "."
    }
    if folder.isEmpty { folder = "/" }
    self.path = folder
    kind = Self.kind(of: folder)
    room = freeRoom(at: folder)
    let file = "\(folder)/.meca-doctor-\(getpid())"
    defer { unlink(file) }
    var times: [Double] = []
    for _ in 0..<9 {
      let start = ContinuousClock.now
      do { try writeWhole(Data(count: 4096), to: file) } catch {
        problem = "\(error)"
        return
      }
      times.append((ContinuousClock.now - start) / .milliseconds(1))
    }
    milliseconds = times.sorted()[times.count / 2]
    hasLocks = Self.keepsOut(file)
  }

  /// Whether a lock that one descriptor holds is refused to another.
  private static func keepsOut(_ file: String) -> Bool {
    let (first, second) = (open(file, O_RDWR | O_CLOEXEC), open(file, O_RDWR | O_CLOEXEC))
    defer {
      close(first)
      close(second)
    }
    return flock(first, LOCK_EX | LOCK_NB) == 0 && flock(second, LOCK_EX | LOCK_NB) != 0
  }

  /// The type of the file system that is mounted there, if it is a network's or in memory.
  private static func kind(of folder: String) -> String? {
    guard let resolved = realpath(folder, nil) else { return nil }
    defer { free(resolved) }
    let path = String(cString: resolved)
    let mounts = (try? String(contentsOfFile: "/proc/self/mounts", encoding: .utf8)) ?? ""
    var best = (point: "", type: "")
    for line in mounts.split(separator: "\n") {
      let words = line.split(separator: " ")
      guard words.count > 2 else { continue }
      // Spaces are written as numbers.
      let point = words[1].replacing("\\040", with: " ")
      let isAbove = point == "/" || path == point || path.hasPrefix(point + "/")
      if isAbove, point.count >= best.point.count { best = (String(point), String(words[2])) }
    }
    let notable = [
      "nfs", "lustre", "gpfs", "beegfs", "ceph", "cifs", "smb", "tmpfs", "fuse", "afs", "pvfs",
      "orangefs", "9p",
    ]
    return notable.contains { best.type.hasPrefix($0) } ? best.type : nil
  }
}

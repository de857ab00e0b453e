import Glibc

/// Bytes that this user may still write to the file system of a file or folder.
///
/// Quotas are not counted.
///
/// - Returns: nil where the system does not tell.
/// - Ranks: local.
public func freeRoom(at path: String) -> Int? {
  var room = statvfs()
  guard statvfs(path, &room) == 0 else { return nil }
  return Int(
    clamping: UInt64(room.f_bavail).multipliedReportingOverflow(by: UInt64(room.f_frsize))
      .partialValue)
}

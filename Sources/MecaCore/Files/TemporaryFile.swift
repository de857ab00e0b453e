import Glibc

/// A new file beside a target that is to take the target's place.
///
/// Nobody can guess its name, and nobody's link is followed: in a folder that others may write to, a
/// link laid out beforehand would lead the writing elsewhere.
package struct TemporaryFile {
  /// Its name: `TARGET.SIXTEEN-HEXADECIMAL-DIGITS.tmp`.
  package let path: String
  /// Open for reading and writing; whoever made it closes it.
  package let descriptor: Int32

  /// Makes an empty file.
  ///
  /// - Throws: `FileError.failed` with the system's reason, for the target.
  package init(beside target: String) throws {
    for _ in 0..<100 {
      let number = UInt64.random(in: .min ... .max)
      let name = hexadecimal((0..<8).map { UInt8(truncatingIfNeeded: number >> (8 * UInt64($0))) })
      let path = "\(target).\(name).tmp"
      let descriptor = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0o644)
      if descriptor >= 0 {
        (self.path, self.descriptor) = (path, descriptor)
        return
      }
      guard errno == EEXIST else { break }
    }
    throw failure("write", target)
  }

  /// Whether a file of this name was made here, by a process that may be gone.
  package static func isName(_ name: some StringProtocol) -> Bool {
    let parts = name.split(separator: ".", omittingEmptySubsequences: false)
    guard parts.count >= 3, parts.last == "tmp" else { return false }
    let number = parts[parts.count - 2]
    return number.count == 16 && number.allSatisfy { $0.isHexDigit && !$0.isUppercase }
  }
}

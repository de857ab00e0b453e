import Foundation
import MecaCore
import MecaImages
import MecaTestSupport
import Testing

/// A folder tree of its own for one test; goes away with its owner.
final class ToolboxTree {
  let path: String

  /// An empty folder, or a copy of a folder in Fixtures.
  init(copyOf fixture: String? = nil) throws {
    path = NSTemporaryDirectory() + "meca-toolbox-" + UUID().uuidString
    if let fixture {
      try FileManager.default.copyItem(atPath: fixturePath(fixture), toPath: path)
    } else {
      try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// Writes a file, with the folders that it needs.
  @discardableResult func write(_ name: String, _ bytes: [UInt8]) throws -> String {
    let file = path + "/" + name
    try FileManager.default.createDirectory(
      atPath: (file as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
    try writeAnew(bytes, to: file)
    return file
  }

  /// Writes a picture whose pixels are `value` plus their number.
  func writePicture(_ name: String, _ value: Int, side: Int = 4) throws {
    try write(
      name,
      try encodePNG(
        picture(value, side: side), shape: ImageShape(channels: 3, height: side, width: side)))
  }

  func remove(_ name: String) throws {
    try FileManager.default.removeItem(atPath: path + "/" + name)
  }
}

/// The pixels of `ToolboxTree.writePicture`.
func picture(_ value: Int, side: Int = 4) -> [UInt8] {
  (0..<3 * side * side).map { UInt8(truncatingIfNeeded: value + $0) }
}

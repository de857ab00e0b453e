import Foundation
import MecaFormats
import MecaImages
import MecaTestSupport

/// A folder tree of image files for one test; goes away with its owner.
final class ImageFolder {
  let path: String

  init() throws {
    path = NSTemporaryDirectory() + "meca-images-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  /// Writes a file, in new folders if need be.
  @discardableResult
  func write(_ name: String, _ bytes: [UInt8]) throws -> String {
    let file = path + "/" + name
    try makeFolder((name as NSString).deletingLastPathComponent)
    try writeAnew(bytes, to: file)
    return file
  }

  func write(_ name: String, _ text: String) throws { try write(name, Array(text.utf8)) }

  /// Writes a PNG of one colour.
  func writePNG(
    _ name: String, _ colour: [UInt8] = [1, 2, 3], height: Int = 2, width: Int = 2
  ) throws {
    let shape = ImageShape(channels: 3, height: height, width: width)
    let pixels = colour.flatMap { [UInt8](repeating: $0, count: height * width) }
    try write(name, try encodePNG(pixels, shape: shape))
  }

  func makeFolder(_ name: String) throws {
    try FileManager.default.createDirectory(
      atPath: path + "/" + name, withIntermediateDirectories: true)
  }

  func link(_ name: String, to target: String) throws {
    try FileManager.default.createSymbolicLink(
      atPath: path + "/" + name, withDestinationPath: target)
  }
}

extension ImageFileList {
  /// Class and path of every sample.
  var entries: [String] {
    (0..<count).map { "\(classNames[Int(labels[$0])]): \(paths.text($0))" }
  }
}

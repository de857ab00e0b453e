import Glibc
import MecaCore

/// Collects image files, and counts what is passed over.
struct ImageWalk {
  /// Image files of kinds that are not read, by class folder and ending.
  private(set) var otherImages: [String: [String: Int]] = [:]
  /// Files that are no images, and hidden ones.
  private(set) var ignored = 0
  /// Image files beside class folders, which belong to no class.
  private(set) var loose = 0
  /// Folders that a run of this program has written.
  private(set) var runFolders: [String] = []
  /// Folders whose entries are counted already.
  private var counted: Set<[UInt8]> = []

  /// The names of the folders in `folder` that may hold images, sorted bytewise.
  ///
  /// Hidden folders do not count, nor do those that a run of this program has written: people start
  /// runs where their data lies.
  mutating func folders(in folder: [UInt8]) throws -> [[UInt8]] {
    let entries = try folderEntries(folder)
    let isFirst = counted.insert(folder).inserted
    if isFirst {
      let passedOver = entries.filter { !$0.isFolder || $0.isHidden }
      let images = passedOver.count { !$0.isFolder && !$0.isHidden && $0.isImage }
      ignored += passedOver.count - images
      loose += images
    }
    return entries.filter { $0.isFolder && !$0.isHidden }.map(\.name).filter { name in
      let path = folder + [0x2F] + name
      guard isRunFolder(path) else { return true }
      if isFirst { runFolders.append(printable(path)) }
      return false
    }
  }

  /// The same without counting, for a first look; empty where the system does not let us look.
  func peek(into folder: [UInt8]) -> [[UInt8]] {
    var walk = ImageWalk()
    return (try? walk.folders(in: folder)) ?? []
  }

  /// The paths, relative to `folder`, of all image files in it and in the folders below, sorted
  /// bytewise; a folder that links lead to twice, or in a circle, counts once.
  ///
  /// - Parameter className: what to call the folder in reports.
  mutating func images(below folder: [UInt8], className: String) throws -> [[UInt8]] {
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
        } else if let ending = entry.otherImageEnding {
          otherImages[className, default: [:]][ending, default: 0] += 1
        } else {
          ignored += 1
        }
      }
      waiting += below.reversed()
    }
    return found.sorted { $0.lexicographicallyPrecedes($1) }
  }

  /// What a person should know of what was passed over.
  var notes: [String] {
    let files =
      ignored == 0
      ? [] : ["\(ignored) names in the data folder are no image files, and are ignored"]
    return files
      + runFolders.map { "\($0) is the folder of a run of this program, and is ignored" }
  }

  /// What a person must know: images that are not read, by class and kind.
  var warnings: [String] {
    let beside =
      loose == 0
      ? [] : ["\(loose) image files lie beside the class folders, belong to none, and are left out"]
    guard !otherImages.isEmpty else { return beside }
    let total = otherImages.values.reduce(0) { $0 + $1.values.reduce(0, +) }
    let classes = otherImages.sorted { $0.key < $1.key }.map { name, kinds in
      "\(printable(name)): "
        + kinds.sorted { $0.key < $1.key }.map { "\($1) .\($0)" }.joined(separator: ", ")
    }
    let most = 8
    return beside + [
      "\(total) image files are of kinds that are not read, and are left out (\(imageEndings) are "
        + "read; convert them): " + classes.prefix(most).joined(separator: "; ")
        + (classes.count > most ? "; and \(classes.count - most) more classes" : "")
    ]
  }
}

/// Endings of the image files that are read, in words.
let imageEndings = ".jpg, .jpeg, .jpe, .jfif, .png, .webp"

/// Endings that are read.
private let readEndings: Set<String> = ["jpg", "jpeg", "jpe", "jfif", "png", "webp"]

/// Endings of other image files that people have.
private let otherEndings: Set<String> = [
  "bmp", "dib", "gif", "tif", "tiff", "ppm", "pgm", "pbm", "pnm", "jp2", "j2k", "jpx", "jxl",
  "avif", "heic", "heif", "ico", "svg", "psd", "tga", "dng", "cr2", "nef", "arw", "raw", "exr",
  "hdr",
]

/// Whether a run of this program has written the folder.
private func isRunFolder(_ path: [UInt8]) -> Bool {
  func holds(_ name: String) -> Bool { status(of: path + Array("/\(name)".utf8)) != nil }
  return holds("run.json") && holds("metrics.jsonl")
}

/// What makes a folder the same under several names.
private struct FolderIdentity: Hashable {
  var device: dev_t
  var number: ino_t

  init(_ status: stat) { (device, number) = (status.st_dev, status.st_ino) }
}

extension FolderEntry {
  private var ending: String? {
    name.lastIndex(of: UInt8(ascii: ".")).map {
      String(decoding: name[($0 + 1)...], as: UTF8.self).lowercased()
    }
  }

  /// Whether the name ends like that of an image file that is read.
  var isImage: Bool { ending.map(readEndings.contains) ?? false }

  /// The ending of an image file that is not read.
  var otherImageEnding: String? { ending.flatMap { otherEndings.contains($0) ? $0 : nil } }
}

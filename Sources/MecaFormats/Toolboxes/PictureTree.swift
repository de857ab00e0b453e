import MecaCore

/// The pictures of a folder tree LABEL/INDEX.png, as BackdoorBench keeps the samples it has changed.
struct PictureTree: Sendable {
  /// One changed sample.
  struct Picture: Sendable {
    /// Its number in the data set that was changed.
    var index: Int
    /// Its class in that data set.
    var label: Int
    /// Path of the file.
    var path: String
  }

  /// All pictures by ascending index.
  let pictures: [Picture]

  /// Lists the files of a tree; hidden names and files of other kinds are passed over.
  ///
  /// - Throws: `FileError` that names the folder or file: missing, not a number, a sample twice, no
  ///   picture at all.
  init(_ folder: String) throws {
    var found: [Picture] = []
    for (name, isFolder) in try names(in: folder) where isFolder {
      let inner = folder + "/" + name
      guard let label = number(name[...]) else {
        throw FileError.malformed(path: inner, reason: "is no class number; BackdoorBench has them")
      }
      for (file, _) in try names(in: inner) where file.hasSuffix(".png") {
        guard let index = number(file.dropLast(".png".count)) else {
          throw FileError.malformed(
            path: inner + "/" + file, reason: "is no sample number; BackdoorBench has NUMBER.png")
        }
        found.append(Picture(index: index, label: label, path: inner + "/" + file))
      }
    }
    guard !found.isEmpty else {
      throw FileError.malformed(path: folder, reason: "has no pictures CLASS/NUMBER.png")
    }
    found.sort { ($0.index, $0.path) < ($1.index, $1.path) }
    for (first, second) in zip(found, found.dropFirst()) where first.index == second.index {
      throw FileError.malformed(
        path: second.path, reason: "sample \(first.index) is in \(first.path) too")
    }
    pictures = found
  }
}

/// A number without a sign that fits 32 bits.
private func number(_ text: Substring) -> Int? {
  guard text.allSatisfy({ $0.isASCII && $0.isNumber }) else { return nil }
  return Int32(text).map(Int.init)
}

/// The names in a folder that are not hidden, and whether they are folders.
private func names(in folder: String) throws -> [(name: String, isFolder: Bool)] {
  try folderEntries(Array(folder.utf8)).filter { !$0.isHidden }.map {
    (String(decoding: $0.name, as: UTF8.self), $0.isFolder)
  }
}

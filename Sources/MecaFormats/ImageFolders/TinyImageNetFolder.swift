import MecaCore

/// Lists Tiny ImageNet in its original layout: the kind `tiny-imagenet`.
///
/// `wnids.txt` names the classes, `words.txt` says what they are called, `train/WNID/images` holds
/// the training images; the labels of `val/images`, the test set, are in `val/val_annotations.txt`.
/// A class that has no training folder is left out together with its test images, so that an
/// excerpt works, and a warning names it. Classes are in the order of their sorted WordNet numbers, the images of a class in
/// the order of the numbers in their names: `_2` before `_10`.
///
/// - Ranks: local; the same folder gives the same lists everywhere.
/// - Parameter folder: the folder with `wnids.txt`, or the one that the archive was unpacked in.
/// - Throws: `FileError` that names the file or folder: missing, or not of this layout.
/// - Source: Le and Yang 2015, "Tiny ImageNet visual recognition challenge".
public func listTinyImageNet(_ folder: String) throws -> ImageFileSplits {
  let home = tinyImageNetHome(of: folder)
  let root = Array(home.utf8)
  let numbers = try readNumbers(home + "/wnids.txt")
  var (walk, names, files) = (ImageWalk(), [String](), [[[UInt8]]]())
  for number in numbers {
    let inner = Array("train/\(number)".utf8)
    guard isFolder(root + [0x2F] + inner) else { continue }
    let own = try walk.images(below: root + [0x2F] + inner, className: number).sorted(
      by: naturalOrder)
    guard !own.isEmpty else {
      throw FileError.malformed(path: "\(home)/train/\(number)", reason: "holds no images")
    }
    names.append(number)
    files.append(own.map { inner + [0x2F] + $0 })
  }
  guard names.count > 1 else {
    throw FileError.malformed(
      path: home + "/train",
      reason: "has folders for \(names.count) of the \(numbers.count) classes of wnids.txt; two at "
        + "least are needed")
  }
  let classNames = try readWords(home + "/words.txt", of: names)
  var splits = ImageFileSplits(
    train: ImageFileList(root: home, classNames: classNames, files: files),
    test: ImageFileList(
      root: home, classNames: classNames,
      files: try readAnnotations(home + "/val/val_annotations.txt", of: names)))
  (splits.notes, splits.warnings) = (walk.notes, walk.warnings)
  func warn(_ names: [String], _ what: String) {
    guard !names.isEmpty else { return }
    splits.warnings.append(
      "left out: \(names.count) \(what) ("
        + names.prefix(6).map { printable($0) }.joined(separator: ", ")
        + (names.count > 6 ? " and \(names.count - 6) others)" : ")"))
  }
  let (taken, listed) = (Set(names), Set(numbers))
  warn(numbers.filter { !taken.contains($0) }, "classes of wnids.txt without a folder in train")
  let folders = try folderEntries(root + Array("/train".utf8)).filter {
    $0.isFolder && !$0.isHidden
  }
  warn(
    folders.map { String(decoding: $0.name, as: UTF8.self) }.filter { !listed.contains($0) },
    "folders of train that wnids.txt does not list")
  return splits
}

/// The folder with `wnids.txt`: `folder` itself, or the archive's folder in it.
func tinyImageNetHome(of folder: String) -> String {
  let inner = folder + "/tiny-imagenet-200"
  let isInner =
    status(of: Array((folder + "/wnids.txt").utf8)) == nil
    && status(of: Array((inner + "/wnids.txt").utf8)) != nil
  return isInner ? inner : folder
}

/// The WordNet numbers of `wnids.txt`, sorted; each is a class and names its folder.
private func readNumbers(_ path: String) throws -> [String] {
  let numbers = try textLines(path).sorted()
  if let number = numbers.first(where: { $0.contains("/") || $0.hasPrefix(".") }) {
    throw FileError.malformed(path: path, reason: "\(shortened(number)) is no class")
  }
  if let (number, _) = zip(numbers, numbers.dropFirst()).first(where: { $0 == $1 }) {
    throw FileError.malformed(path: path, reason: "names \(shortened(number)) twice")
  }
  return numbers
}

/// The class names of `words.txt`: the first of several words for a thing, unless two classes would
/// share it; without the file the WordNet numbers.
private func readWords(_ path: String, of numbers: [String]) throws -> [String] {
  guard status(of: Array(path.utf8)) != nil else { return numbers }
  let wanted = Set(numbers)
  var words: [String: String] = [:]
  for line in try textLines(path) {
    let fields = line.split(separator: "\t", maxSplits: 1)
    if fields.count == 2, wanted.contains(String(fields[0])) {
      words[String(fields[0])] = String(fields[1])
    }
  }
  func first(_ number: String) -> String {
    words[number]?.split(separator: ",").first.map(String.init) ?? number
  }
  let uses = Dictionary(numbers.map { (first($0), 1) }, uniquingKeysWith: +)
  return numbers.map { uses[first($0)] == 1 ? first($0) : words[$0] ?? $0 }
}

/// The test images of each class: lines of file name, WordNet number and a box, between tabs.
private func readAnnotations(_ path: String, of numbers: [String]) throws -> [[[UInt8]]] {
  let labels = Dictionary(uniqueKeysWithValues: numbers.enumerated().map { ($1, $0) })
  var files = [[[UInt8]]](repeating: [], count: numbers.count)
  for (place, line) in try textLines(path).enumerated() {
    let fields = line.split(separator: "\t")
    guard fields.count >= 2, !fields[0].contains("/") else {
      throw FileError.malformed(
        path: path, reason: "line \(place + 1) is no file name and class with a tab between them")
    }
    guard let label = labels[String(fields[1])] else { continue }
    files[label].append(Array("val/images/\(fields[0])".utf8))
  }
  guard files.contains(where: { !$0.isEmpty }) else {
    throw FileError.malformed(path: path, reason: "has no images of the classes in train")
  }
  return files.map { $0.sorted(by: naturalOrder) }
}

/// The lines of a text file that are not empty, without white space around them.
///
/// - Throws: `FileError.missing` with a word on the layout, `FileError.malformed` without lines.
func textLines(_ path: String) throws -> [String] {
  let text: String
  do {
    text = try readText(at: path)
  } catch FileError.missing {
    throw FileError.missing(
      path: path, hint: "the set's folder is the one with wnids.txt, train and val")
  }
  let lines = text.split(whereSeparator: \.isNewline).map(trimmed).filter { !$0.isEmpty }
  guard !lines.isEmpty else { throw FileError.malformed(path: path, reason: "is empty") }
  return lines
}

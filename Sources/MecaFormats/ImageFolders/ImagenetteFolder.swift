import MecaCore

/// WordNet numbers of Imagenette's classes and what they are called.
private let imagenetteNames = [
  "n01440764": "tench", "n02102040": "English springer", "n02979186": "cassette player",
  "n03000684": "chain saw", "n03028079": "church", "n03394916": "French horn",
  "n03417042": "garbage truck", "n03425413": "gas pump", "n03445777": "golf ball",
  "n03888257": "parachute",
]

/// Folders that Imagenette's archives unpack to, in the order in which they are looked for.
private let archiveFolders = [
  "imagenette2", "imagenette2-320", "imagenette2-160", "imagenette", "imagenette-320",
  "imagenette-160",
]

/// Lists Imagenette: the kind `imagenette`.
///
/// `train/WNID` and `val/WNID`, the test set; classes sorted by their WordNet numbers, files bytewise.
///
/// - Ranks: local; the same folder gives the same lists everywhere.
/// - Parameter folder: the folder with `train` and `val`, or the one that an archive was unpacked in.
/// - Throws: `FileError` that names the folder: missing, without images, or no class of Imagenette.
/// - Source: Howard 2019, https://github.com/fastai/imagenette.
public func listImagenette(_ folder: String) throws -> ImageFileSplits {
  func exists(_ path: String) -> Bool { isFolder(Array(path.utf8)) }
  let homes = ([folder] + archiveFolders.map { "\(folder)/\($0)" }).filter { exists($0 + "/train") }
  let home = homes.first ?? folder
  for part in ["train", "val"] where !exists("\(home)/\(part)") {
    throw FileError.missing(
      path: "\(home)/\(part)", hint: "the set's folder is the one with train and val")
  }
  var walk = ImageWalk()
  let training = try ClassTree(Array(home.utf8), Array("train".utf8), walk: &walk)
  try training.requireClasses()
  let names = try training.names.map { name in
    guard let known = imagenetteNames[String(decoding: name, as: UTF8.self)] else {
      throw FileError.malformed(
        path: training.path(name),
        reason: "is no class of Imagenette; --dataset folder takes folders of any name")
    }
    return known
  }
  var splits = ImageFileSplits(
    train: training.list(classNames: names),
    test: try ClassTree(Array(home.utf8), Array("val".utf8), walk: &walk).matched(
      to: training, classNames: names))
  (splits.notes, splits.warnings) = (walk.notes, walk.warnings)
  if homes.count > 1 {
    splits.warnings.append(
      "\(printable(home)) is taken; not used: "
        + homes.dropFirst().map { printable($0) }.joined(separator: ", "))
  }
  return splits
}

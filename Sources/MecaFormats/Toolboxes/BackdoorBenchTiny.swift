import MecaCore
import MecaImages

extension BackdoorBenchRecord {
  /// The record of an attack on Tiny ImageNet, in the numbers and classes of this program's set.
  ///
  /// BackdoorBench 2 reads Tiny ImageNet as torchvision's `ImageFolder`, with the test images moved
  /// into folders of their classes: classes are numbered in the order of their WordNet numbers,
  /// images class by class, 500 to a class in training, in the bytewise order of their names
  /// (`_10.JPEG` before `_2.JPEG`). Here they are found by their paths. Samples that the sets do not
  /// have get numbers beyond their end.
  ///
  /// - Parameters:
  ///   - folder: that of the clean set.
  ///   - training: its training images, with paths `train/WNID/images/WNID_NUMBER.JPEG`.
  ///   - test: its test images, with paths `val/images/NAME`.
  /// - Throws: `FileError` for a class or a number that Tiny ImageNet does not have.
  /// - Source: https://github.com/SCLBD/BackdoorBench, version 2:
  ///   `utils/aggregate_block/dataset_and_transform_generate.py`, which takes `dataset/Tiny.py`.
  public func renumbered(
    forTinyImageNet folder: String, training: any ImageSet, test: any ImageSet
  ) throws -> BackdoorBenchRecord {
    let home = tinyImageNetHome(of: folder)
    let numbers = try textLines(home + "/wnids.txt").sorted()
    let names = (0..<imagesOfAClass).map { "\($0).JPEG" }.sorted()
    let trainPlaces = places(of: training)
    let testPlaces = places(of: test)
    var classes: [String: Int] = [:]
    for index in 0..<training.count {
      let parts = training.path(at: index).split(separator: "/")
      if parts.count > 1 { classes[String(parts[1])] = training.label(at: index) }
    }
    func label(_ own: Int, _ path: String) throws -> Int {
      guard numbers.indices.contains(own), let label = classes[numbers[own]] else {
        throw FileError.malformed(
          path: path, reason: "class \(own) is not among those of \(home)/train")
      }
      return label
    }
    let testNames = try textLines(home + "/val/val_annotations.txt").map { line in
      let fields = line.split(separator: "\t").prefix(2).map(String.init)
      return (name: fields[0], number: fields.count > 1 ? fields[1] : "")
    }.sorted { ($0.number, $0.name) < ($1.number, $1.name) }.map(\.name)
    var record = self
    record.target = try target.map { try label($0, self.folder) }
    record.changes = try changes.map { change in
      var change = change
      let (own, number) = change.picture.index.quotientAndRemainder(dividingBy: imagesOfAClass)
      guard numbers.indices.contains(own) else { throw tooLarge(change.picture) }
      let path = "train/\(numbers[own])/images/\(numbers[own])_\(names[number])"
      change.picture.index = trainPlaces[path] ?? training.count + change.picture.index
      change.picture.label = try label(change.picture.label, change.picture.path)
      change.label = try label(change.label, change.picture.path)
      return change
    }.sorted { $0.picture.index < $1.picture.index }
    record.tests = try tests.map { picture in
      var picture = picture
      guard testNames.indices.contains(picture.index) else { throw tooLarge(picture) }
      picture.index =
        testPlaces["val/images/\(testNames[picture.index])"] ?? test.count + picture.index
      picture.label = try label(picture.label, picture.path)
      return picture
    }.sorted { $0.index < $1.index }
    return record
  }
}

/// Training images of a class of Tiny ImageNet.
private let imagesOfAClass = 500

private func places(of set: any ImageSet) -> [String: Int] {
  Dictionary((0..<set.count).map { (set.path(at: $0), $0) }) { first, _ in first }
}

private func tooLarge(_ picture: PictureTree.Picture) -> FileError {
  .malformed(
    path: picture.path,
    reason: "replaces sample \(picture.index), which Tiny ImageNet does not have")
}

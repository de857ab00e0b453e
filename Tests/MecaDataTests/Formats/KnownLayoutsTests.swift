import Foundation
import MecaCore
import MecaFormats
import MecaTestSupport
import Testing

/// Tiny ImageNet and Imagenette in their authors' layouts.
@Suite struct KnownLayoutsTests {
  /// Three classes in wnids.txt, of which two have images.
  private func tiny(_ prefix: String = "") throws -> ImageFolder {
    let folder = try ImageFolder()
    try folder.write(prefix + "wnids.txt", "n03\nn01\nn02\n")
    try folder.write(
      prefix + "words.txt",
      "n00\tother\nn01\tgoldfish, Carassius auratus\nn02\tbullfrog\r\nn03\tcow\n")
    for (number, count) in [("n01", 12), ("n03", 2)] {
      for index in 0..<count {
        try folder.write("\(prefix)train/\(number)/images/\(number)_\(index).JPEG", "x")
      }
      try folder.write("\(prefix)train/\(number)/\(number)_boxes.txt", "x")
    }
    try folder.write(
      prefix + "val/val_annotations.txt",
      "val_10.JPEG\tn03\t0\t0\t1\t1\nval_2.JPEG\tn01\t0\t0\t1\t1\nval_3.JPEG\tn02\t0\t0\t1\t1\n"
        + "val_1.JPEG\tn03\t0\t0\t1\t1\n")
    for index in [1, 2, 3, 10] { try folder.write("\(prefix)val/images/val_\(index).JPEG", "x") }
    return folder
  }

  @Test(arguments: ["", "tiny-imagenet-200/"])
  func tinyImageNetIsListedInItsNaturalOrder(prefix: String) throws {
    let folder = try tiny(prefix)
    let splits = try listTinyImageNet(folder.path)
    #expect(splits.train.classNames == ["goldfish", "cow"])
    #expect(splits.test.classNames == ["goldfish", "cow"])
    let train = splits.train.entries
    #expect(train.count == 14)
    #expect(
      train.prefix(4) == [
        "goldfish: train/n01/images/n01_0.JPEG", "cow: train/n03/images/n03_0.JPEG",
        "goldfish: train/n01/images/n01_1.JPEG", "cow: train/n03/images/n03_1.JPEG",
      ])
    // By number: 2 to 9 come before 10.
    #expect(
      train.dropFirst(4).map { $0 }
        == (2...11).map { "goldfish: train/n01/images/n01_\($0).JPEG" })
    #expect(
      splits.test.entries == [
        "goldfish: val/images/val_2.JPEG", "cow: val/images/val_1.JPEG",
        "cow: val/images/val_10.JPEG",
      ])
  }

  @Test func wordsThatTwoClassesShareAreKeptWhole() throws {
    let folder = try tiny()
    try folder.write("words.txt", "n01\tcrane, bird\nn03\tcrane\n")
    #expect(try listTinyImageNet(folder.path).train.classNames == ["crane, bird", "crane"])
    try FileManager.default.removeItem(atPath: folder.path + "/words.txt")
    #expect(try listTinyImageNet(folder.path).train.classNames == ["n01", "n03"])
  }

  /// The mark of some editors is no part of the first class; what is left out is named.
  @Test func whatATinyImageNetLeavesOutIsSaid() throws {
    let folder = try tiny()
    let whole = try listTinyImageNet(folder.path)
    let list = try String(contentsOfFile: folder.path + "/wnids.txt", encoding: .utf8)
    try folder.write("wnids.txt", "\u{feff}" + list)
    #expect(try listTinyImageNet(folder.path).train.entries == whole.train.entries)
    #expect(whole.warnings == ["left out: 1 classes of wnids.txt without a folder in train (n02)"])
    try folder.write("train/n77/images/n77_1.JPEG", "x")
    #expect(
      try listTinyImageNet(folder.path).warnings.last
        == "left out: 1 folders of train that wnids.txt does not list (n77)")
  }

  @Test func aDamagedTinyImageNetIsNamed() throws {
    func refusal(_ damage: (ImageFolder) throws -> Void) throws -> String {
      let folder = try tiny()
      try damage(folder)
      let error = #expect(throws: FileError.self) { try listTinyImageNet(folder.path) }
      return error?.description.replacing(folder.path, with: "") ?? ""
    }
    func without(_ name: String) -> (ImageFolder) throws -> Void {
      { try FileManager.default.removeItem(atPath: $0.path + "/" + name) }
    }
    let hint = "the set's folder is the one with wnids.txt, train and val"
    #expect(try refusal(without("wnids.txt")) == "/wnids.txt: not found; \(hint)")
    #expect(
      try refusal(without("val/val_annotations.txt"))
        == "/val/val_annotations.txt: not found; \(hint)")
    #expect(
      try refusal(without("train/n03"))
        == "/train: has folders for 1 of the 3 classes of wnids.txt; two at least are needed")
    #expect(
      try refusal { try $0.write("wnids.txt", "\n \n") } == "/wnids.txt: is empty")
    #expect(
      try refusal { try $0.write("wnids.txt", "n01\nn03\nn01\n") }
        == "/wnids.txt: names n01 twice")
    #expect(
      try refusal { try $0.write("wnids.txt", "n01\n../n03\n") } == "/wnids.txt: ../n03 is no class"
    )
    #expect(
      try refusal {
        try FileManager.default.removeItem(atPath: $0.path + "/train/n03/images")
      } == "/train/n03: holds no images")
    #expect(
      try refusal { try $0.write("val/val_annotations.txt", "val_1.JPEG\tn03\nval_2.JPEG n01\n") }
        == "/val/val_annotations.txt: line 2 is no file name and class with a tab between them")
    #expect(
      try refusal { try $0.write("val/val_annotations.txt", "../../x.JPEG\tn03\n") }
        == "/val/val_annotations.txt: line 1 is no file name and class with a tab between them")
    #expect(
      try refusal { try $0.write("val/val_annotations.txt", "val_1.JPEG\tn09\n") }
        == "/val/val_annotations.txt: has no images of the classes in train")
  }

  /// Damages the text files in many ways: an error that names one of them, or lists that agree.
  @Test func damagedTextFilesAreReadOrRefused() throws {
    let folder = try tiny()
    let names = ["wnids.txt", "words.txt", "val/val_annotations.txt"]
    let whole = try names.map {
      try Array(Data(contentsOf: URL(fileURLWithPath: folder.path + "/" + $0)))
    }
    var random = KeyedRandom(seed: 8, purpose: .test)
    var (reads, errors) = (0, 0)
    for round in 0..<casesOfTenThousand {
      let place = round % names.count
      var bytes = whole[place]
      switch random.integer(below: 4) {
      case 0: bytes.removeLast(random.integer(below: bytes.count + 1))
      case 1:
        // A piece once more, in another place.
        let from = random.integer(below: bytes.count)
        let piece = bytes[from..<min(bytes.count, from + 1 + random.integer(below: 20))]
        bytes.insert(contentsOf: Array(piece), at: random.integer(below: bytes.count + 1))
      default:
        for _ in 0...random.integer(below: 4) {
          bytes[random.integer(below: bytes.count)] ^= 1 << UInt8(random.integer(below: 8))
        }
      }
      try folder.write(names[place], bytes)
      do {
        let splits = try listTinyImageNet(folder.path)
        #expect(splits.train.classNames.count == 2)
        #expect(splits.test.classNames == splits.train.classNames)
        #expect(splits.train.entries.count == 14 && !splits.test.entries.isEmpty)
        reads += 1
      } catch let error as FileError {
        #expect(error.description.hasPrefix(folder.path + "/"))
        #expect(error.description.count < folder.path.count + 200, "\(error)")
        errors += 1
      }
      try folder.write(names[place], whole[place])
    }
    #expect(reads > share(1500) && errors > share(1500), "\(reads) reads, \(errors) errors")
  }

  @Test func numbersInNamesAreComparedAsNumbers() {
    let names = ["a", "a_2", "a_02", "a_10", "a_10b", "a_9999999999999999999999", "b", "2", "10"]
    let sorted = names.map { Array($0.utf8) }.sorted(by: naturalOrder)
    #expect(
      sorted.map { String(decoding: $0, as: UTF8.self) }
        == ["2", "10", "a", "a_02", "a_2", "a_10", "a_10b", "a_9999999999999999999999", "b"])
  }

  @Test(arguments: ["", "imagenette2-160/"])
  func imagenetteKnowsItsClasses(prefix: String) throws {
    let folder = try ImageFolder()
    for name in [
      "train/n03888257/n03888257_1.JPEG", "train/n01440764/ILSVRC2012_val_00000293.JPEG",
      "val/n01440764/n01440764_2.JPEG", "noisy_imagenette.csv",
    ] { try folder.write(prefix + name, "x") }
    let splits = try listImagenette(folder.path)
    #expect(
      splits.train.entries == [
        "tench: train/n01440764/ILSVRC2012_val_00000293.JPEG",
        "parachute: train/n03888257/n03888257_1.JPEG",
      ])
    #expect(splits.test.entries == ["tench: val/n01440764/n01440764_2.JPEG"])
    #expect(splits.warnings == [])
    try folder.makeFolder("imagenette-160/train")
    #expect(
      try listImagenette(folder.path).warnings.contains {
        $0.hasSuffix(" is taken; not used: \(folder.path)/imagenette-160")
      })
    try folder.write(prefix + "train/n02086240/1.JPEG", "x")
    let error = #expect(throws: FileError.self) { try listImagenette(folder.path) }
    #expect(error?.description.contains("n02086240: is no class of Imagenette") == true)
  }

  @Test func anImagenetteWithoutItsFoldersIsNamed() throws {
    let folder = try ImageFolder()
    try folder.makeFolder("train")
    let error = #expect(throws: FileError.self) { try listImagenette(folder.path) }
    #expect(
      error
        == .missing(
          path: folder.path + "/val", hint: "the set's folder is the one with train and val"))
  }
}

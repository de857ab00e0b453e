import MecaCore
import MecaFormats
import MecaTestSupport
import Testing

/// What folders of a set's folder are taken for.
@Suite struct SplitFoldersTests {
  private func folder(_ names: String...) throws -> ImageFolder {
    let folder = try ImageFolder()
    for name in names { try folder.write(name + "/1.png", "x") }
    return folder
  }

  private func list(
    _ folder: ImageFolder, _ choice: SplitChoice = .usualNames
  ) throws -> ImageFileSplits {
    try listClassFolders(
      folder.path, part: HeldOutPart(share: 0.5, seed: 1), splits: choice)
  }

  private func refusal(_ folder: ImageFolder, _ choice: SplitChoice = .usualNames) -> String {
    do {
      let lists = try list(folder, choice)
      return "\(lists.train.entries) and \(lists.test.entries)"
    } catch { return "\(error)".replacing(folder.path, with: "SET") }
  }

  @Test(arguments: [
    ("train", "test"), ("Train", "Test"), ("TRAIN", "VAL"), ("training", "validation"),
    ("train", "valid"), ("train", "dev"), ("training_set", "test_set"), ("Training data", "eval"),
    ("train-images", "val-images"), ("train_dataset", "test_dataset"), ("seg_train", "seg_test"),
    ("birds.train", "birds.valid"),
  ])
  func usualNamesAreSplits(train: String, test: String) throws {
    let lists = try list(try folder("\(train)/a", "\(train)/b", "\(test)/a", "\(test)/b"))
    #expect(lists.train.entries == ["a: \(train)/a/1.png", "b: \(train)/b/1.png"])
    #expect(lists.test.entries == ["a: \(test)/a/1.png", "b: \(test)/b/1.png"])
    #expect(lists.warnings == [] && lists.heldOut == nil)
  }

  @Test func whatIsNotUsedIsNamed() throws {
    let lists = try list(
      try folder("train/a", "train/b", "valid/a", "valid/b", "test/a", "test/b", "extra/a"))
    #expect(lists.test.entries == ["a: test/a/1.png", "b: test/b/1.png"])
    #expect(lists.warnings.count == 1)
    #expect(
      lists.warnings[0].hasSuffix(
        ": train is the training set, test the test set; not used: extra, valid"))
  }

  /// As in Tiny ImageNet when only its validation set was brought into folders.
  @Test func anUnlabelledTestFolderIsNotTaken() throws {
    let lists = try list(try folder("train/a", "train/b", "val/a", "val/b", "test/images"))
    #expect(lists.test.entries == ["a: val/a/1.png", "b: val/b/1.png"])
    #expect(lists.warnings.first?.contains("not used: test") == true)
  }

  @Test func twoFoldersForOnePartAreRefused() throws {
    let text = refusal(try folder("train/a", "train/b", "Training/a", "test/a"))
    #expect(text.hasPrefix("SET: holds Training, train, which are names for the same part"))
    #expect(
      refusal(try folder("val/a", "val/b", "test/a", "test/b"))
        == "SET: holds test, val, but no folder of training images (train)")
  }

  /// Whoever calls them otherwise must say what they are.
  @Test(arguments: [
    ["learn/a", "learn/b", "check/a", "check/b"], ["1/a", "1/b", "2/a", "2/b", "3/b"],
  ])
  func foldersWithTheSameFoldersAreNotGuessed(names: [String]) throws {
    let set = try ImageFolder()
    for name in names { for index in 0..<2 { try set.write("\(name)/\(index).png", "x") } }
    let text = refusal(set)
    #expect(text.hasPrefix("--splits is needed: the folders "), "\(text)")
    #expect(text.contains("hold the same folders (a, b): say TRAIN,TEST"), "\(text)")
    let (train, test) = (
      String(names[0].split(separator: "/")[0]), names[2].split(separator: "/")[0]
    )
    let chosen = try list(set, .folders(train: train, test: String(test)))
    #expect(chosen.train.classNames == ["a", "b"] && chosen.train.count == 4)
    #expect(chosen.test.entries.allSatisfy { $0.contains(": \(test)/") } && chosen.test.count == 4)
    #expect(chosen.warnings.count == (names.count > 4 ? 1 : 0))
    let classes = try list(set, SplitChoice.none)
    #expect(classes.train.classNames.contains(train) && !classes.train.classNames.contains("a"))
    let one = try list(set, .folders(train: train, test: nil))
    #expect(one.train.classNames == ["a", "b"] && one.heldOut != nil)
  }

  @Test func aChosenFolderMustBeThere() throws {
    #expect(
      refusal(try folder("train/a", "train/b"), .folders(train: "trian", test: nil))
        == "--splits trian: must be folders in SET, which holds train")
  }

  @Test func classesWithFoldersOfTheirOwnAreClasses() throws {
    // What is in them differs, so they are no splits; "train" holds images alone and is a class.
    let set = try folder("cat/indoor", "cat/outdoor", "train", "dog/young")
    for index in 2..<6 { try set.write("train/\(index).png", "x") }
    #expect(try list(set).train.classNames == ["cat", "dog", "train"])
  }

  @Test func aFolderInAFolderIsFound() throws {
    let lists = try list(
      try folder("seg_train/seg_train/a", "seg_train/seg_train/b", "seg_test/seg_test/a"))
    #expect(
      lists.train.entries == [
        "a: seg_train/seg_train/a/1.png", "b: seg_train/seg_train/b/1.png",
      ])
    #expect(lists.test.entries == ["a: seg_test/seg_test/a/1.png"])
  }

  /// People start runs where their data lies.
  @Test func runFoldersAreNoClasses() throws {
    let set = try folder("a", "b")
    for index in 2..<4 { for name in ["a", "b"] { try set.write("\(name)/\(index).png", "x") } }
    for name in ["run.json", "metrics.jsonl", "previews/1.png"] {
      try set.write("meca-run/" + name, "x")
    }
    let lists = try list(set)
    #expect(lists.train.classNames == ["a", "b"])
    #expect(
      lists.notes.contains {
        $0.hasSuffix("/meca-run is the folder of a run of this program, and is ignored")
      })
  }

  /// Splits whose classes are not quite the same, and splits without class folders.
  @Test func nearlySplitsAreNotGuessedEither() throws {
    let unequal = refusal(
      try folder("learn/a", "learn/b", "learn/c", "check/a", "check/b", "check/d"))
    #expect(
      unequal.contains("the folders check, learn in SET hold the same folders (a, b): say"),
      "\(unequal)")
    let flat = try folder("train", "test")
    for index in 2..<9 {
      try flat.write("train/\(index).png", "x")
      try flat.write("test/\(index).png", "x")
    }
    #expect(
      refusal(flat).contains("test, train in SET are names of splits, but hold no class folders"))
    #expect(try list(flat, .none).train.classNames == ["test", "train"])
  }

  @Test func imagesBesideTheClassesAreWarnedOf() throws {
    let set = try folder("train/a", "train/b", "test/a")
    for name in ["1.jpg", "2.png", "notes.txt"] { try set.write(name, "x") }
    let lists = try list(set)
    #expect(
      lists.warnings == [
        "2 image files lie beside the class folders, belong to none, and are left out"
      ])
    #expect(lists.notes.contains("1 names in the data folder are no image files, and are ignored"))
  }

  /// é as one character and as two: one name, two folders.
  @Test func twoClassesOfOneNameAreRefused() throws {
    let text = refusal(try folder("train/caf\u{e9}", "train/cafe\u{301}", "test/caf\u{e9}"))
    #expect(text.contains("is the second class folder of this name"), "\(text)")
  }

  @Test func aClassOfOtherKindsAloneSaysSo() throws {
    let set = try folder("train/a", "train/b", "test/a")
    try set.write("train/c/1.bmp", "x")
    #expect(refusal(set).contains("train/c: holds no image file (.jpg, .jpeg"))
    #expect(refusal(set).contains("), but 1 .bmp; add images"))
  }

  @Test func imagesOfOtherKindsAreCountedByClass() throws {
    let set = try folder("train/a", "train/b", "test/a")
    for name in [
      "train/a/2.bmp", "train/a/3.GIF", "train/b/4.tiff", "train/b/5.tif", "train/b/6.tif",
    ] { try set.write(name, "x") }
    for name in ["train/b/7.jfif", "train/b/8.webp", "train/b/9.JPE"] { try set.write(name, "x") }
    let lists = try list(set)
    #expect(lists.train.count == 5)
    #expect(
      lists.warnings == [
        "5 image files are of kinds that are not read, and are left out (.jpg, .jpeg, .jpe, .jfif, "
          + ".png, .webp are read; convert them): train/a: 1 .bmp, 1 .gif; train/b: 2 .tif, 1 .tiff"
      ])
  }

  @Test(arguments: [
    ("a,b,c", false), ("", false), ("a,", false), ("../x", false), ("a,a", false), ("a, b", true),
  ])
  func aChoiceIsOneOrTwoFolders(text: String, isOne: Bool) {
    #expect((SplitChoice(text) != nil) == isOne)
  }
}

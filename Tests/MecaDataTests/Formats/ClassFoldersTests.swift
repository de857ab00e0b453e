import Glibc
import MecaCore
import MecaFormats
import MecaImages
import Testing

@Suite struct ClassFoldersTests {
  private func list(
    _ folder: ImageFolder, testShare: Double? = nil, splits: SplitChoice = .usualNames
  ) throws -> ImageFileSplits {
    try listClassFolders(
      folder.path, part: HeldOutPart(share: testShare ?? 0.2, seed: 1),
      testShareIsGiven: testShare != nil, splits: splits)
  }

  /// The whole error, with the folder's own path left out.
  private func refusal(_ folder: ImageFolder, testShare: Double? = nil) -> String {
    do {
      let splits = try list(folder, testShare: testShare)
      return "\(splits.train.count) and \(splits.test.count) files"
    } catch {
      return "\(error)".replacing(folder.path, with: "")
    }
  }

  @Test func aSplitOfItsOwnIsTaken() throws {
    let folder = try ImageFolder()
    for name in [
      "train/b/2.png", "train/b/10.PNG", "train/a/z.jpg", "train/a/inner/deep/y.JPeG",
      "train/a/x.jpeg", "train/a/.hidden.png", "train/a/notes.txt", "train/a/png",
      "train/.cache/x.png", "train/loose.png", "test/b/1.png", "test/a/1.png", "test/a/0.png",
    ] { try folder.write(name, "x") }
    let splits = try list(folder)
    // Bytewise, in turn: capital letters come first, and 10 before 2.
    #expect(
      splits.train.entries == [
        "a: train/a/inner/deep/y.JPeG", "b: train/b/10.PNG", "a: train/a/x.jpeg",
        "b: train/b/2.png", "a: train/a/z.jpg",
      ])
    #expect(splits.test.entries == ["a: test/a/0.png", "b: test/b/1.png", "a: test/a/1.png"])
    #expect(
      splits.notes == ["4 names in the data folder are no image files, and are ignored"])
    #expect(
      splits.warnings == [
        "1 image files lie beside the class folders, belong to none, and are left out"
      ])
    #expect(
      refusal(folder, testShare: 0.5)
        == "--test-share 0.5: must be left out: /test holds the test images")
  }

  @Test func samplesComeClassByClassInTurn() throws {
    let folder = try ImageFolder()
    for (name, size) in [("a", 4), ("b", 1), ("c", 3)] {
      for index in 0..<size { try folder.write("train/\(name)/\(index).png", "x") }
    }
    try folder.write("test/a/0.png", "x")
    let train = try list(folder).train
    #expect(train.labels == [0, 1, 2, 0, 2, 0, 2, 0])
    #expect(train.prefix(4).entries == Array(train.entries.prefix(4)))
    #expect(train.prefix(100).entries == train.entries && train.prefix(nil).count == 8)
    let left = train.without([0, 3])
    #expect(left.labels == [1, 2, 2, 0, 2, 0])
    #expect(left.entries[0] == "b: train/b/0.png" && left.entries[3] == "a: train/a/2.png")
  }

  @Test func whatIsMissingIsNamed() throws {
    let missing = "/no/such/folder"
    #expect(
      throws: FileError.missing(
        path: missing, hint: "the set's folder is the one with class folders")
    ) { try listClassFolders(missing, part: HeldOutPart(share: 0.2, seed: 1)) }

    let folder = try ImageFolder()
    let advice =
      "; images must lie in FOLDER/CLASS/ or FOLDER/train/CLASS/, for two classes or more"
    try folder.write("loose.png", "x")
    #expect(refusal(folder) == ": holds no class folder" + advice)
    try folder.write("cat/1.png", "x")
    #expect(refusal(folder) == ": holds one class folder alone" + advice)
    try folder.makeFolder("dog")
    #expect(
      refusal(folder)
        == "/dog: holds no image file (.jpg, .jpeg, .jpe, .jfif, .png, .webp); add images of this "
        + "class, or remove the folder"
    )
    try folder.write("dog/1.png", "x")
    #expect(
      refusal(folder)
        == ": has too few images of each class to hold out a test set; add some, or a test "
        + "folder")

    let split = try ImageFolder()
    for name in ["train/cat/1.png", "train/dog/1.png", "test/cow/1.png"] {
      try split.write(name, "x")
    }
    #expect(
      refusal(split)
        == "/test/cow: is a class that /train does not have; remove it, or add its images there")
    let empty = try ImageFolder()
    for name in ["train/cat/1.png", "train/dog/1.png"] { try empty.write(name, "x") }
    try empty.makeFolder("test/cat")
    #expect(refusal(empty) == "/test: holds no image file (.jpg, .jpeg, .jpe, .jfif, .png, .webp)")
  }

  @Test func linksAreFollowedButNotInCircles() throws {
    let (folder, other) = (try ImageFolder(), try ImageFolder())
    try other.write("more/3.png", "x")
    for name in ["train/a/1.png", "train/b/1.png", "test/a/1.png"] { try folder.write(name, "x") }
    try folder.link("train/a/2.png", to: "1.png")
    try folder.link("train/a/more", to: other.path + "/more")
    try folder.link("train/a/twice", to: other.path + "/more")
    try folder.link("train/a/circle", to: "..")
    try folder.link("train/a/self", to: "../a")
    try folder.link("train/a/gone.png", to: "/no/such/file.png")
    try folder.link("train/c", to: "b")
    #expect(
      try list(folder).train.entries == [
        "a: train/a/1.png", "b: train/b/1.png", "c: train/c/1.png", "a: train/a/2.png",
        "a: train/a/circle/b/1.png", "a: train/a/gone.png", "a: train/a/more/3.png",
      ])
  }

  @Test func namesMayBeAnything() throws {
    let folder = try ImageFolder()
    for name in [
      "猫/写真 1.png", "Ünïcode/ä.png", "a b\t\"c\"/x\ny.png", "-rf/--help.png", "..a/b.png",
    ] { try folder.writePNG("train/" + name) }
    // A name that is no UTF-8: 0xE9 is é in Latin 1.
    try folder.makeFolder("train/latin")
    let odd = Array((folder.path + "/train/latin/").utf8) + [0xE9] + Array(".png".utf8) + [0]
    let file = odd.withUnsafeBufferPointer { bytes in
      bytes.withMemoryRebound(to: CChar.self) { fopen($0.baseAddress, "wb") }
    }
    let stream = try #require(file)
    let bytes = try encodePNG([9, 8, 7], shape: ImageShape(channels: 3, height: 1, width: 1))
    #expect(fwrite(bytes, 1, bytes.count, stream) == bytes.count && fclose(stream) == 0)
    try folder.writePNG("test/猫/2.png")
    let splits = try list(folder)
    #expect(splits.train.classNames == ["-rf", "a b\t\"c\"", "latin", "Ünïcode", "猫"])
    let sizes = try (0..<5).map { try ImageFileSet.size(of: $0, in: splits.train) }
    #expect(sizes.map(\.width) == [2, 2, 1, 2, 2])
    #expect(splits.train.paths.text(2) == "train/latin/\u{FFFD}.png")
  }

  /// A pipe among the images must not make anybody wait.
  @Test func aPipeIsNoImage() throws {
    let folder = try ImageFolder()
    for name in ["train/a/1.png", "train/b/1.png", "test/a/1.png"] { try folder.writePNG(name) }
    #expect(mkfifo(folder.path + "/train/b/0.png", 0o600) == 0)
    let train = try list(folder).train
    #expect(train.entries[1] == "b: train/b/0.png")
    #expect(
      throws: FileError.malformed(
        path: folder.path + "/train/b/0.png", reason: "is not a regular file")
    ) { try ImageFileSet.size(of: 1, in: train) }
  }
}

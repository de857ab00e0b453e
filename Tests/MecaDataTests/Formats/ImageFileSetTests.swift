import Foundation
import MecaCore
import MecaFormats
import MecaImages
import Testing

@Suite struct ImageFileSetTests {
  private func open(
    _ folder: ImageFolder, size: Int = 2, fit: ImageFit = .cover
  ) throws -> ImageFileSet {
    ImageFileSet(
      name: "folder",
      files: try listClassFolders(folder.path, part: HeldOutPart(share: 0.2, seed: 1)).train,
      imageShape: ImageShape(channels: 3, height: size, width: size), fit: fit,
      meanAndDeviation: ([0, 0, 0], [1, 1, 1]))
  }

  private func folder() throws -> ImageFolder {
    let folder = try ImageFolder()
    try folder.writePNG("train/a/1.png", [10, 20, 30])
    try folder.writePNG("train/b/1.png", [1, 2, 3], height: 6, width: 3)
    try folder.write("train/b/2.jpg", JPEGSample.all[1].file)
    try folder.writePNG("test/a/1.png")
    return folder
  }

  @Test func imagesAreDecodedAndBroughtToSize() throws {
    let folder = try folder()
    defer { withExtendedLifetime(folder) {} }
    let set = try open(folder)
    #expect(set.count == 3 && set.labels == [0, 1, 1] && set.classNames == ["a", "b"])
    #expect(set.path(at: 1) == "train/b/1.png")
    #expect(try set.image(at: 0) == [10, 10, 10, 10, 20, 20, 20, 20, 30, 30, 30, 30])
    #expect(try set.image(at: 1) == [1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3])
    #expect(set.contentDigest == nil)
  }

  /// An image of the wanted size is the file's own, byte for byte.
  @Test func theWantedSizeIsNotTouched() throws {
    let folder = try folder()
    var png = HandMadePNG(width: 3, height: 3, samples: [])
    png.samples = (0..<27).map { $0 * 7 }
    try folder.write("train/a/1.png", png.file)
    for fit in ImageFit.allCases {
      let expected = (0..<3).flatMap { channel in
        (0..<9).map { UInt8(png.samples[3 * $0 + channel]) }
      }
      #expect(try open(folder, size: 3, fit: fit).image(at: 0) == expected)
    }
  }

  @Test func whatGoesBadLaterIsNamed() throws {
    let folder = try folder()
    let set = try open(folder)
    _ = try set.image(at: 2)
    try folder.write("train/b/2.jpg", Array(JPEGSample.all[1].file.prefix(200)))
    let damaged = #expect(throws: FileError.self) { try set.image(at: 2) }
    guard case .malformed(folder.path + "/train/b/2.jpg", _)? = damaged else {
      Issue.record("\(String(describing: damaged))")
      return
    }
    try FileManager.default.removeItem(atPath: folder.path + "/train/a/1.png")
    let gone = #expect(throws: FileError.self) { try set.image(at: 0) }
    guard case .missing(folder.path + "/train/a/1.png", _)? = gone else {
      Issue.record("\(String(describing: gone))")
      return
    }
    try folder.writePNG("train/a/1.png", [10, 20, 30])
    #expect(try set.image(at: 0).last == 30)
  }

  @Test func manyThreadsReadAtOnce() throws {
    let folder = try folder()
    defer { withExtendedLifetime(folder) {} }
    let set = try open(folder, size: 8)
    let expected = try (0..<3).map { try set.image(at: $0) }
    DispatchQueue.concurrentPerform(iterations: 60) { turn in
      #expect((try? set.image(at: turn % 3)) == expected[turn % 3])
    }
  }

  @Test func filesOfDifferentNamesHaveDifferentDigests() throws {
    let folder = try folder()
    func digest(sizes: Bool) throws -> String {
      var digest = SHA256Digest()
      try open(folder).files.update(&digest, sizes: sizes)
      return digest.hexadecimal()
    }
    let (names, lengths) = (try digest(sizes: false), try digest(sizes: true))
    #expect(names != lengths)
    try folder.write("train/a/1.png", "longer than a PNG header, and something else")
    #expect(try digest(sizes: false) == names)
    #expect(try digest(sizes: true) != lengths)
    try FileManager.default.moveItem(
      atPath: folder.path + "/train/a/1.png", toPath: folder.path + "/train/a/2.png")
    #expect(try digest(sizes: false) != names)
  }
}

/// The excerpt of Tiny ImageNet beside the project, unpacked, where it is there.
@Suite struct RealTinyImageNetTests {
  /// `MECA_DATA`, or `../shared/data` beside the project.
  static let archive: String? = {
    let folder =
      ProcessInfo.processInfo.environment["MECA_DATA"]
      ?? URL(fileURLWithPath: #filePath).deletingLastPathComponent().path + "/../../../shared/data"
    let path = folder + "/tiny-imagenet-20.tar"
    return FileManager.default.fileExists(atPath: path) ? path : nil
  }()

  @Test(.enabled(if: archive != nil, "no tiny-imagenet-20.tar in ../shared/data or MECA_DATA"))
  func everyImageDecodes() throws {
    let folder = try ImageFolder()
    let tar = Process()
    tar.executableURL = URL(fileURLWithPath: "/bin/tar")
    tar.arguments = ["xf", try #require(Self.archive), "-C", folder.path]
    try tar.run()
    tar.waitUntilExit()
    try #require(tar.terminationStatus == 0)
    let splits = try listTinyImageNet(folder.path + "/tiny-imagenet-20")
    #expect(splits.train.count == 5000 && splits.test.count == 1000)
    #expect(splits.train.classNames.count == 20 && splits.train.classNames[0] == "goldfish")
    #expect(splits.train.labels.prefix(40) == (0..<40).map { Int32($0 % 20) }[...])
    let set = ImageFileSet(
      name: "tiny-imagenet", files: splits.train,
      imageShape: ImageShape(channels: 3, height: 64, width: 64), fit: .cover,
      meanAndDeviation: ([0, 0, 0], [1, 1, 1]))
    for index in stride(from: 0, to: set.count, by: 25) { _ = try set.image(at: index) }
    // The first image as Pillow decodes it.
    var digest = SHA256Digest()
    digest.update(try set.image(at: 0))
    #expect(set.path(at: 0) == "train/n01443537/images/n01443537_0.JPEG")
    #expect(
      digest.hexadecimal() == "723eea6071b66dd59ff0e98bcae63f8052d02b194aa634c178dcb190e4ffd020")
  }
}

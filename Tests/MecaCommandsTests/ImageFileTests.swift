import Foundation
import MecaCore
import MecaImages
import MecaTestSupport
import Testing

extension ProgramTests {
  /// Runs on folders of image files.
  @Suite struct ImageFileTests {
    /// Three classes of noisy coloured images; rows and columns differ from image to image unless
    /// `size` says otherwise.
    static func images(
      train: Int = 20, test: Int? = 5, size: (Int, Int)? = nil
    ) throws -> TestFolder {
      let folder = try TestFolder()
      for (split, count) in [(test == nil ? "" : "train/", train), ("test/", test ?? 0)] {
        for (label, name) in ["blue", "green", "red"].enumerated() {
          for index in 0..<count {
            var random = KeyedRandom(seed: UInt64(split.count), purpose: .test, label, index)
            let shape = ImageShape(
              channels: 3, height: size?.0 ?? 10 + random.integer(below: 8),
              width: size?.1 ?? 10 + random.integer(below: 8))
            let plane = shape.height * shape.width
            let pixels = (0..<shape.byteCount).map { place in
              UInt8((place / plane == 2 - label ? 130 : 0) + random.integer(below: 120))
            }
            try folder.write(
              "set/\(split)\(name)/\(index).png", Data(try encodePNG(pixels, shape: shape)))
          }
        }
      }
      return folder
    }

    /// A training run of a second without a defence.
    static func arguments(_ folder: TestFolder, run: String = "run") -> [String] {
      [
        "--dataset", "folder", "--data", folder.path + "/set", "--width", "4", "--batch", "16",
        "--epochs", "1", "--defense", "none", "--output", folder.path + "/" + run,
      ]
    }

    static func weights(
      ranks: Int, _ folder: TestFolder, _ more: [String] = []
    ) throws -> String {
      let run = UUID().uuidString
      let outcome = try meca(ranks: ranks, arguments(folder, run: run) + more)
      #expect(outcome.status == 0, "\(outcome.errors)")
      let json = try JSONSerialization.jsonObject(
        with: try folder.bytes(run + "/result.json"))
      return try #require((json as? [String: Any])?["weights_sha256"] as? String)
    }

    /// The figures of the only model of the run in `run`.
    static func undefended(_ folder: TestFolder) throws -> [String: Any] {
      let json = try JSONSerialization.jsonObject(with: try folder.bytes("run/result.json"))
      return try #require((json as? [String: Any])?["no_defense"] as? [String: Any])
    }

    @Test func ranksAndThreadsDoNotChangeTheResult() throws {
      let folder = try Self.images()
      let size = ["--image-size", "16", "--attack", "badnets", "--poison-rate", "0.2"]
      let alone = try Self.weights(ranks: 1, folder, size)
      #expect(try Self.weights(ranks: 3, folder, size) == alone)
      #expect(try Self.weights(ranks: 2, folder, size + ["--threads", "2"]) == alone)
      // The other ways of bringing images to size give other images.
      #expect(try Self.weights(ranks: 2, folder, size + ["--image-fit", "margin"]) != alone)
      #expect(try Self.weights(ranks: 2, folder, size + ["--image-fit", "stretch"]) != alone)
    }

    /// All of one size, which is no square; no test folder.
    @Test func aFolderOfOneSizeNeedsNoOptions() throws {
      let folder = try Self.images(train: 12, test: nil, size: (12, 9))
      let run = Self.arguments(folder)
      let outcome = try meca(ranks: 3, run)
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(outcome.errors.contains("data: folder, 29 training and 7 test samples, 3 classes\n"))
      #expect(
        outcome.errors.contains("data: 7 of 36 images are held out as the test set, by their names")
      )
      let expected = try Self.undefended(folder)
      let evaluated = try meca([
        "evaluate", "--weights", folder.path + "/run/model.safetensors", "--data",
        folder.path + "/set", "--json",
      ])
      #expect(evaluated.status == 0, "\(evaluated.errors)")
      let figures = try JSONSerialization.jsonObject(with: Data(evaluated.output.utf8))
      #expect((figures as? [String: Any])?["acc"] as? Double == expected["acc"] as? Double)
    }

    /// A stored model brings images to its own size, in the way of its run, and holds out the same.
    @Test func aStoredModelKnowsSizeAndShare() throws {
      let folder = try Self.images(test: nil)
      let outcome = try meca(
        Self.arguments(folder)
          + [
            "--image-size", "14", "--image-fit", "stretch", "--test-share", "0.4", "--data-seed",
            "9",
          ])
      #expect(outcome.status == 0, "\(outcome.errors)")
      let expected = try Self.undefended(folder)
      let evaluated = try meca(
        ranks: 2,
        [
          "evaluate", "--weights", folder.path + "/run/model.safetensors", "--data",
          folder.path + "/set", "--json",
        ])
      #expect(evaluated.status == 0, "\(evaluated.errors)")
      let figures = try #require(
        try JSONSerialization.jsonObject(with: Data(evaluated.output.utf8)) as? [String: Any])
      #expect(figures["acc"] as? Double == expected["acc"] as? Double)
      #expect(figures["acc_per_class"] as? NSArray == expected["acc_per_class"] as? NSArray)
      // Where another folder has test images, nothing is held out.
      let split = try Self.images(test: 3)
      let other = try meca([
        "evaluate", "--weights", folder.path + "/run/model.safetensors", "--data",
        split.path + "/set", "--json",
      ])
      #expect(other.status == 0 && other.output.contains("acc"), "\(other.errors)")
    }

    @Test func aBrokenImageStopsTheRun() throws {
      let folder = try Self.images(train: 4, test: 2, size: (8, 8))
      let whole = try folder.bytes("set/train/red/0.png")
      try folder.write("set/train/red/2.png", whole.dropLast(20))
      try folder.write("set/test/blue/0.png", Data())
      try expectFailure(
        Self.arguments(folder), status: 65,
        [
          "set/train/red/2.png: broken PNG file: ends too early",
          "(this and 1 other image of 18 cannot be read: repair or remove them, or leave them out "
            + "with --on-bad-image skip)",
        ], ranks: [3], in: folder)
      // A folder that is not of one size is found before, a broken header not.
      try folder.write("set/train/red/2.png", Data("GIF89a".utf8))
      try folder.write("set/test/blue/0.png", whole)
      try expectFailure(
        Self.arguments(folder), status: 65,
        ["2.png: is a GIF image, not JPEG, PNG or WebP; convert it (this image of 18"],
        fullRanks: [2],
        in: folder)
    }

    @Test func brokenImagesCanBeLeftOut() throws {
      let folder = try Self.images(train: 9, test: 3, size: (8, 8))
      let whole = try folder.bytes("set/train/red/0.png")
      // The last sample, so that leaving it out keeps the order of the others.
      let last = try folder.write("set/train/red/a\nb.png", whole.prefix(40))
      let test = try folder.write("set/test/red/x.jpg", Data())
      let skip = ["--on-bad-image", "skip"]
      let alone = try Self.weights(ranks: 1, folder, skip)
      #expect(try Self.weights(ranks: 3, folder, skip) == alone)
      let outcome = try meca(ranks: 2, Self.arguments(folder) + skip)
      #expect(outcome.status == 0)
      let names = [last, test].map { $0.replacingOccurrences(of: "\n", with: "?") }
      let lines = ["\(names[0]): broken PNG file: ends too early", "\(names[1]): is empty"]
      #expect(
        outcome.errors.contains(
          "warning: 2 of 38 images cannot be decoded and are left out: "
            + lines.joined(separator: "; ") + "\n"), "\(outcome.errors)")
      #expect(outcome.errors.contains("data: folder, 27 training and 9 test samples"))
      #expect(
        String(decoding: try folder.bytes("run/bad-images.txt"), as: UTF8.self)
          == lines.map { $0 + "\n" }.joined())

      for file in [last, test] { try FileManager.default.removeItem(atPath: file) }
      #expect(try Self.weights(ranks: 2, folder) == alone)
      let mended = try meca(Self.arguments(folder) + ["--force"])
      #expect(mended.status == 0 && !folder.has("run/bad-images.txt"), "\(mended.errors)")
    }

    @Test func aClassWithoutGoodImagesIsSaid() throws {
      let folder = try Self.images(train: 1, test: 1, size: (8, 8))
      try folder.write("set/train/green/0.png", Data())
      try expectFailure(
        Self.arguments(folder) + ["--on-bad-image", "skip"], status: 65,
        ["set: no training image of class green can be decoded"], fullRanks: [3], in: folder)
    }

    @Test func differentSizesAreSaid() throws {
      let folder = try Self.images(train: 2, test: 1, size: (8, 8))
      for (name, height, width) in [("train/red/b", 20, 30), ("test/blue/a", 4, 6)] {
        let shape = ImageShape(channels: 3, height: height, width: width)
        let file = try encodePNG([UInt8](repeating: 0, count: shape.byteCount), shape: shape)
        try folder.write("set/\(name).png", Data(file))
      }
      try expectFailure(
        Self.arguments(folder), status: 64,
        [
          "of different sizes, from 6x4 (test/blue/a.png) to 30x20 (train/red/b.png)",
          "--image-size",
        ], in: folder)
    }

    @Test(arguments: [
      (["--dataset", "shapes", "--image-size", "8"], "--image-size: is a setting of"),
      (
        ["--dataset", "cifar10", "--data", "x", "--image-fit", "cover"],
        "--image-fit: is a setting of"
      ),
      (["--on-bad-image", "skip"], "--on-bad-image: is a setting of"),
      (
        ["--dataset", "imagenette", "--data", "x", "--test-share", "0.5"],
        "--test-share: is a setting of folder"
      ),
      (
        ["--dataset", "folder", "--data", "x", "--test-share", "1"],
        "--test-share 1: must be more than 0"
      ),
      (["--dataset", "folder", "--data", "x", "--image-size", "1025"], "from 1 to 1024"),
      (["--dataset", "folder"], "--data is needed: for --dataset folder, name the folder with"),
      (["--dataset", "tiny-imagenet"], "--data is needed: for --dataset tiny-imagenet, name"),
      (["--dataset", "imagenette"], "--data is needed: for --dataset imagenette, name the"),
    ])
    func misuseIsSaid(arguments: [String], part: String) throws {
      try expectFailure(
        ["--width", "4"] + arguments, status: 64, [part], fullRanks: [0])
    }

    @Test(arguments: [
      (
        ["--dataset", "folder"],
        "/no/such: not found; the set's folder is the one with class folders"
      ),
      (["--dataset", "tiny-imagenet"], "/no/such/wnids.txt: not found; the set's folder is"),
      (["--dataset", "imagenette"], "/no/such/train: not found; the set's folder is"),
    ])
    func missingFoldersAreSaid(arguments: [String], part: String) throws {
      try expectFailure(
        ["--width", "4", "--data", "/no/such"] + arguments, status: 65, [part], fullRanks: [2])
    }

    @Test func ranksWithDifferentFilesAreSaid() throws {
      let here = try Self.images(train: 2, test: 1, size: (8, 8))
      for (name, bytes) in [
        // Another name, and another length of a file that is otherwise alike.
        ("set/train/red/9.png", try here.bytes("set/train/red/0.png")),
        ("set/train/red/1.png", try here.bytes("set/train/red/1.png") + Data([0])),
      ] {
        let elsewhere = try Self.images(train: 2, test: 1, size: (8, 8))
        try elsewhere.write(name, bytes)
        let own =
          [try program(), "--dataset", "folder", "--data", "set", "--output", here.path + "/run"]
        let outcome = try runProgram(
          ["mpirun", "--oversubscribe", "-n", "2", "-wdir", here.path] + own
            + [":", "-n", "1", "-wdir", elsewhere.path] + own, environment: rootMayRunMPI,
          timeout: soon)
        expectOneLine(
          outcome, status: 65, ["set: rank 2 finds other images or labels"])
      }
    }

    @Test func theBenchmarkReadsFiles() throws {
      let folder = try Self.images(train: 6, test: 1)
      let outcome = try meca(
        ranks: 2,
        [
          "bench", "--dataset", "folder", "--data", folder.path + "/set", "--image-size", "12",
          "--samples", "8", "--repeats", "1", "--width", "4", "--batch", "16", "--modes", "eval",
          "--json",
        ], timeout: 60)
      #expect(outcome.status == 0, "\(outcome.errors)")
      let figures = try #require(
        try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
      #expect(figures["samples"] as? Int == 8)
      #expect(try #require(figures["load"] as? Double) > 0)
    }
  }
}

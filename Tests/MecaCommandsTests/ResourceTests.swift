import Foundation
import MecaFormats
import MecaImages
import MecaTestSupport
import Testing

extension ProgramTests {
  /// Files that are small, or hardly there, and ask for more than a machine has: each is refused with
  /// one line, in little time and memory.
  @Suite struct ResourceTests {
    /// A file or folder, and what is started on it.
    struct Bomb: Sendable, CustomTestStringConvertible {
      let name: String
      /// What the error must name.
      let file: String
      /// Makes it in a folder.
      let make: @Sendable (TestFolder) throws -> Void
      /// The command line.
      let command: @Sendable (TestFolder) -> [String]

      var testDescription: String { name }

      /// A file of a model.
      static func model(
        _ name: String, _ ending: String = "safetensors",
        _ make: @escaping @Sendable (TestFolder, String) throws -> Void
      ) -> Bomb {
        let file = "model." + ending
        return Bomb(name: "\(ending): \(name)", file: file) {
          try make($0, file)
        } command: {
          ["evaluate", "--weights", $0.path + "/" + file, "--dataset", "shapes", "--stem", "small"]
        }
      }

      /// A data set.
      static func set(
        _ dataset: String, _ name: String, in file: String, data: String = "/set",
        _ more: [String] = [],
        _ make: @escaping @Sendable (TestFolder) throws -> Void
      ) -> Bomb {
        Bomb(name: "\(dataset): \(name)", file: file, make: make) {
          ["--dataset", dataset, "--data", $0.path + data] + more
            + tinyModel + ["--defense", "none", "--output", $0.path + "/run"]
        }
      }
    }

    /// A file of 20 GB without blocks, that begins with some bytes.
    private static func sparse(
      _ folder: TestFolder, _ name: String, _ first: [UInt8] = [], size: Int = 20_000_000_000
    ) throws {
      let path = try folder.write(name, Data(first))
      try #require(truncate(path, size) == 0)
    }

    /// A safetensors file of a header and no data.
    private static func safetensors(_ folder: TestFolder, _ name: String, _ header: String) throws {
      try folder.write(name, Data(little(UInt64(header.utf8.count)) + Array(header.utf8)))
    }

    private static let models: [Bomb] = [
      .model("20 GB of nothing") { try sparse($0, $1) },
      .model("a header of 20 GB") { try sparse($0, $1, little(UInt64(19_999_999_992))) },
      .model("a header of 2^63 bytes") {
        try $0.write($1, Data(little(UInt64(1) << 63) + [UInt8](repeating: 0, count: 64)))
      },
      .model("a header of 90 MB") { folder, name in
        let entry = "\"t\":{\"dtype\":\"F32\",\"shape\":[0],\"data_offsets\":[0,0]},"
        let text = "{" + String(repeating: entry, count: 90_000_000 / entry.utf8.count)
        try safetensors(folder, name, text.dropLast() + "}")
      },
      .model("a million dimensions") { folder, name in
        let shape = String(repeating: "1,", count: 1_000_000).dropLast()
        try safetensors(
          folder, name, "{\"t\":{\"dtype\":\"F32\",\"shape\":[\(shape)],\"data_offsets\":[0,0]}}")
      },
      .model("a shape of 2^66 elements") {
        try safetensors(
          $0, $1,
          "{\"t\":{\"dtype\":\"F32\",\"shape\":[4194304,4194304,4194304],\"data_offsets\":[0,0]}}")
      },
      .model("brackets in brackets") {
        try safetensors($0, $1, String(repeating: "[", count: 5_000_000))
      },
      .model("20 GB of nothing", "pt") { try sparse($0, $1) },
      .model("20 GB that begin as a zip file", "pt") { try sparse($0, $1, torchList([1])) },
      .model("a value that holds the one before it twice, 60 times", "pt") { folder, name in
        let doubled = (0..<60).flatMap { place -> [UInt8] in
          Pickle.emptyList + Pickle.mark + Pickle.get(UInt8(place)) + Pickle.get(UInt8(place))
            + Pickle.appends + Pickle.put(UInt8(place + 1))
        }
        try folder.write(name, Data(torchBytes(Pickle.emptyList + Pickle.put(0) + doubled)))
      },
      .model("a storage of 2^40 elements", "pt") {
        try $0.write(
          $1,
          Data(
            torchBytes(
              Pickle.tensor(Pickle.storage(count: 1 << 40), shape: [1 << 40], strides: [1]))))
      },
      .model("one element seen 2^40 times", "pt") { folder, name in
        let value = Pickle.tensor(Pickle.storage(count: 1), shape: [1 << 40], strides: [0])
        try folder.write(
          name,
          Data(
            torchBytes(
              Pickle.emptyDictionary + Pickle.text("conv1.weight") + value + Pickle.setItem,
              storages: [[0, 0, 0, 0]])))
      },
      .model("a list in a list, a million deep", "pt") {
        try $0.write(
          $1,
          Data(
            torchBytes(
              [UInt8](repeating: Pickle.emptyList[0], count: 1_000_000)
                + [UInt8](repeating: Pickle.append[0], count: 999_999))))
      },
      .model("an entry that claims 2^40 bytes", "pt") {
        var plan = ZipPlan.torch(Pickle.whole(Pickle.emptyDictionary))
        plan.entries[0].claimedSize = 1 << 40
        plan.entries[0].isLong = true
        try $0.write($1, Data(plan.bytes))
      },
    ]

    private static func arrays(_ folder: TestFolder, images: [UInt8], labels: [UInt8]? = nil) throws
    {
      for part in ["train", "test"] {
        try folder.write("set/\(part)-images.npy", Data(images))
        try folder.write(
          "set/\(part)-labels.npy",
          Data(labels ?? NumpyHeader(element: .uint8, shape: [2]).bytes + [0, 1]))
      }
    }

    /// Four good images of two classes.
    private static func pictures(_ folder: TestFolder) throws {
      let shape = ImageShape(channels: 3, height: 4, width: 4)
      let png = Data(try encodePNG([UInt8](repeating: 9, count: shape.byteCount), shape: shape))
      for name in ["train/a/1", "train/b/1", "test/a/1", "test/b/1"] {
        try folder.write("set/\(name).png", png)
      }
    }

    private static let sets: [Bomb] = [
      .set("npy", "an array of 20 GB of nothing", in: "train-images.npy") { folder in
        try arrays(folder, images: [])
        let header = NumpyHeader(element: .uint8, shape: [6_510_416, 3, 32, 32]).bytes
        try sparse(
          folder, "set/train-images.npy", header, size: header.count + 6_510_416 * 3072)
      },
      .set("npy", "an array of 2^60 elements", in: "train-images.npy") {
        try arrays(
          $0, images: NumpyHeader(element: .uint8, shape: [1 << 28, 3, 1 << 16, 1 << 16]).bytes)
      },
      .set("npy", "a header of 4 GB", in: "train-images.npy") {
        try arrays($0, images: [0x93] + Array("NUMPY".utf8) + [2, 0] + little(UInt32.max) + [0x7B])
      },
      .set("npy", "brackets in the header", in: "train-images.npy") {
        let text = "{'shape': " + String(repeating: "(", count: 60_000)
        try arrays(
          $0,
          images: [0x93] + Array("NUMPY".utf8) + [1, 0] + little(UInt16(text.utf8.count))
            + Array(text.utf8))
      },
      .set("npy", "labels of 20 GB", in: "train-labels.npy") { folder in
        try arrays(
          folder,
          images: NumpyHeader(element: .uint8, shape: [2, 3, 2, 2]).bytes
            + [UInt8](repeating: 0, count: 24))
        try sparse(
          folder, "set/train-labels.npy", NumpyHeader(element: .int64, shape: [2_499_999_984]).bytes
        )
      },
      .set("cifar10", "a batch of 20 GB", in: "data_batch_1.bin") {
        try $0.write("set/test_batch.bin", BadInputTests.cifar([1, 2]))
        try sparse($0, "set/data_batch_1.bin", [200])
      },
      .set("packed", "20 GB of nothing", in: "set.meca", data: "/set/set.meca") {
        try sparse($0, "set/set.meca")
      },
      .set("packed", "an index of 20 GB", in: "set.meca", data: "/set/set.meca") {
        try sparse(
          $0, "set/set.meca",
          [0x89] + Array("MECAP".utf8) + [0x0D, 0x0A] + little(UInt32(1)) + little(UInt32(0))
            + little(UInt64(4096)) + little(UInt64(19_999_995_904)))
      },
      .set("tiny-imagenet", "a list of classes of 20 GB", in: "wnids.txt") {
        try $0.write("set/train/n0/images/0.JPEG", Data())
        try $0.write("set/val/images/0.JPEG", Data())
        try sparse($0, "set/wnids.txt")
      },
      .set("folder", "a record of 20 GB, which is then somebody else's file", in: "set: holds no") {
        try sparse($0, "set/dataset.json")
      },
      .set("folder", "a written set's manifest of 20 GB", in: "manifest.csv") {
        let written = try #require(writtenSets["png"]).get()
        try FileManager.default.copyItem(atPath: written.path + "/set", toPath: $0.path + "/set")
        try #require(truncate($0.path + "/set/manifest.csv", 20_000_000_000) == 0)
      },
      .set("folder", "an image of 20 GB of nothing", in: "1.png") {
        for name in ["train/a/1", "train/b/1", "test/a/1", "test/b/1"] {
          try sparse($0, "set/\(name).png")
        }
      },
      .set("folder", "a picture of 2^31 rows", in: "1.png") {
        let png: [UInt8] =
          [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0, 0, 0, 13] + Array("IHDR".utf8)
          + [0x7F, 0xFF, 0xFF, 0xFF, 0x7F, 0xFF, 0xFF, 0xFF, 8, 2, 0, 0, 0]
        for name in ["train/a/1", "train/b/1", "test/a/1", "test/b/1"] {
          try $0.write("set/\(name).png", Data(png))
        }
      },
      .set("folder", "a JPEG of 65,500 rows and columns", in: "1.jpg") {
        let jpeg: [UInt8] =
          [0xFF, 0xD8, 0xFF, 0xC0, 0, 17, 8, 0xFF, 0xDC, 0xFF, 0xDC, 3]
          + [1, 0x11, 0, 2, 0x11, 0, 3, 0x11, 0]
        for name in ["train/a/1", "train/b/1", "test/a/1", "test/b/1"] {
          try $0.write("set/\(name).jpg", Data(jpeg))
        }
      },
      .set("folder", "a pipe among the images", in: "train/a/2.png") { folder in
        try pictures(folder)
        try #require(mkfifo(folder.path + "/set/train/a/2.png", 0o600) == 0)
      },
      .set("folder", "a device among the images", in: "train/b/2.png") { folder in
        try pictures(folder)
        try FileManager.default.createSymbolicLink(
          atPath: folder.path + "/set/train/b/2.png", withDestinationPath: "/dev/zero")
      },
      .set(
        "backdoor-toolbox", "labels of 20 GB", in: "badnet/labels",
        data: "/toolbox/poisoned_train_set/cifar10/badnet"
      ) {
        let attack = "toolbox/poisoned_train_set/cifar10/badnet"
        try $0.write(attack + "/data/0.png", Data())
        try $0.write("toolbox/clean_set/cifar10/test_split/labels", Data(torchList([1])))
        try sparse($0, attack + "/labels", torchList([1]))
      },
    ]

    private static func yaml(
      _ name: String, _ make: @escaping @Sendable (TestFolder) throws -> Void
    ) -> Bomb {
      Bomb(name: "yaml: \(name)", file: "run.yaml", make: make) {
        ["--config", $0.path + "/run.yaml", "--dry-run"]
      }
    }

    private static let configurations: [Bomb] = [
      yaml("20 GB of nothing") { try sparse($0, "run.yaml") },
      yaml("aliases of aliases") { folder in
        let lists = (1..<30).map { "a\($0): &a\($0) [*a\($0 - 1), *a\($0 - 1), *a\($0 - 1)]" }
        try folder.write(
          "run.yaml", Data((["a0: &a0 [x, x]"] + lists).joined(separator: "\n").utf8))
      },
      yaml("aliases as keys") { folder in
        let lists = (1..<30).map { "? &a\($0) [*a\($0 - 1), *a\($0 - 1)]\n: 1" }
        try folder.write(
          "run.yaml", Data((["? &a0 [x, x]\n: 1"] + lists).joined(separator: "\n").utf8))
      },
      yaml("brackets in brackets") {
        try $0.write("run.yaml", Data(("epochs: " + String(repeating: "[", count: 200_000)).utf8))
      },
    ]

    @Test(arguments: models + sets + configurations)
    func aBombIsRefused(_ bomb: Bomb) throws {
      let folder = try TestFolder()
      try bomb.make(folder)
      let outcome = try runProgram(
        [try program()] + bomb.command(folder), environment: rootMayRunMPI, timeout: 10)
      #expect(!outcome.timedOut)
      #expect([64, 65].contains(outcome.status), "\(outcome.errors)")
      #expect(outcome.ownErrorLines.count == 1, "\(outcome.errors)")
      #expect(outcome.ownErrorLines.first?.contains(bomb.file) == true, "\(outcome.errors)")
      #expect((1..<1000).contains(outcome.peakMegabytes))
    }
  }
}

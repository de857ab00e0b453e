import Foundation
import MecaCore
import MecaDatasets
import MecaFormats
import MecaImages
import MecaNN
import MecaTestSupport
import Testing

extension ProgramTests {
  /// Runs on the sets and models of backdoor-toolbox and BackdoorBench, held against the same images
  /// as NumPy arrays.
  @Suite struct ToolboxTests {
    private static let shape = ImageShape(channels: 3, height: 12, width: 12)
    private static let (trainCount, testCount) = (60, 20)
    /// Samples that carry a white square and the label 2, and one that carries it with its own.
    private static let (poisons, cover) = ([1, 9, 18, 30, 42], 4)

    /// Noisy images of three colours, with a square where asked for.
    private static func image(_ split: UInt64, _ index: Int, square: Bool) -> [UInt8] {
      var random = KeyedRandom(seed: split, purpose: .test, index)
      let plane = shape.height * shape.width
      return (0..<shape.byteCount).map { place in
        let (row, column) = (place % plane / shape.width, place % shape.width)
        let noise = UInt8(random.integer(below: 120))
        if square && row > 8 && column > 8 { return 255 }
        return (place / plane == index % 3 ? 130 : 0) + noise
      }
    }

    private static func isChanged(_ index: Int) -> Bool {
      poisons.contains(index) || index == cover
    }
    private static func label(_ index: Int) -> Int { poisons.contains(index) ? 2 : index % 3 }
    /// Test samples of other classes than 2.
    private static let victims = (0..<testCount).filter { $0 % 3 != 2 }

    private static func trainImage(_ index: Int, asMade: Bool = true) -> [UInt8] {
      image(1, index, square: asMade && isChanged(index))
    }

    /// The poisoned set as NumPy arrays in `numpy`, the clean one in `clean`.
    private static func writeArrays(_ folder: TestFolder) throws {
      func write(_ name: String, _ element: NumpyElement, _ shape: [Int], _ bytes: [UInt8]) throws {
        try folder.write(name, Data(NumpyHeader(element: element, shape: shape).bytes + bytes))
      }
      let size = [3, shape.height, shape.width]
      func labels(_ count: Int, _ label: (Int) -> Int) -> [UInt8] {
        (0..<count).flatMap { little(Int64(label($0))) }
      }
      for (name, asMade) in [("clean", false), ("numpy", true)] {
        try write(
          name + "/train-images.npy", .uint8, [trainCount] + size,
          (0..<trainCount).flatMap { trainImage($0, asMade: asMade) })
        try write(
          name + "/train-labels.npy", .int64, [trainCount],
          labels(trainCount) { asMade ? label($0) : $0 % 3 })
        try write(
          name + "/test-images.npy", .uint8, [testCount] + size,
          (0..<testCount).flatMap { image(2, $0, square: false) })
        try write(name + "/test-labels.npy", .int64, [testCount], labels(testCount) { $0 % 3 })
      }
      try write(
        "numpy/train-roles.npy", .uint8, [trainCount],
        (0..<trainCount).map { poisons.contains($0) ? 1 : $0 == cover ? 2 : 0 })
      try write(
        "numpy/train-original-labels.npy", .int64, [trainCount], labels(trainCount) { $0 % 3 })
      try write(
        "numpy/test-triggered-images.npy", .uint8, [victims.count] + size,
        victims.flatMap { image(2, $0, square: true) })
      try write(
        "numpy/test-triggered-labels.npy", .int64, [victims.count],
        labels(victims.count) { victims[$0] % 3 })
    }

    /// The poisoned set as backdoor-toolbox has it, of a data set that it does not know.
    private static func writeToolbox(_ folder: TestFolder) throws {
      let home = "toolbox/poisoned_train_set/own/adaptive_patch_0.083_cover=0.017_poison_seed=0"
      let (height, width) = (shape.height, shape.width)
      let images = Pickle.tensor(
        Pickle.storage(count: trainCount * shape.byteCount), shape: [trainCount, 3, height, width],
        strides: [3 * height * width, height * width, width, 1])
      let numbers = (0..<trainCount).flatMap { trainImage($0) }
        .flatMap { little((Float($0) / 255).bitPattern) }
      try folder.write(home + "/imgs", Data(torchBytes(images, storages: [numbers])))
      try folder.write(home + "/labels", Data(torchLabels(trainCount, label)))
      try folder.write(home + "/poison_indices", Data(torchList(poisons.map(Int32.init))))
      try folder.write(home + "/cover_indices", Data(torchList([Int32(cover)])))
      for index in 0..<testCount {
        try folder.write(
          "toolbox/clean_set/own/test_split/data/\(index).png",
          Data(try encodePNG(image(2, index, square: false), shape: shape)))
      }
      try folder.write(
        "toolbox/clean_set/own/test_split/labels", Data(torchLabels(testCount) { $0 % 3 }))
    }

    /// A LongTensor.
    private static func torchLabels(_ count: Int, _ label: (Int) -> Int) -> [UInt8] {
      torchBytes(
        Pickle.tensor(Pickle.storage("LongStorage", count: count), shape: [count], strides: [1]),
        storages: [(0..<count).flatMap { little(Int64(label($0))) }])
    }

    /// The poisoned set as a record of BackdoorBench.
    private static func writeRecord(_ folder: TestFolder) throws {
      func part(_ name: String, _ samples: [(index: Int, given: Int, pixels: [UInt8])]) throws
        -> [UInt8]
      {
        var pairs: [UInt8] = []
        for (index, given, pixels) in samples {
          try folder.write(
            "record/\(name)/\(index % 3)/\(index).png", Data(try encodePNG(pixels, shape: shape)))
          pairs += Pickle.int(Int32(index)) + Pickle.emptyDictionary
          pairs += Pickle.text("other_info") + Pickle.emptyList + Pickle.mark
          pairs += Pickle.int(Int32(given)) + Pickle.int(Int32(index % 3)) + Pickle.appends
          pairs += Pickle.setItem
        }
        return Pickle.emptyDictionary + Pickle.text("bd_data_container") + Pickle.emptyDictionary
          + Pickle.text("data_dict") + Pickle.emptyDictionary + Pickle.mark + pairs
          + Pickle.setItems
          + Pickle.setItem + Pickle.setItem
      }
      let train = try part(
        "bd_train_dataset",
        (0..<trainCount).filter(isChanged).map { ($0, label($0), trainImage($0)) })
      let test = try part(
        "bd_test_dataset", victims.map { ($0, 2, image(2, $0, square: true)) })
      let result =
        Pickle.emptyDictionary + Pickle.mark + Pickle.text("num_classes") + Pickle.int(3)
        + Pickle.text("clean_data") + Pickle.text("own") + Pickle.text("bd_train") + train
        + Pickle.text("bd_test") + test + Pickle.setItems
      try folder.write("record/attack_result.pt", Data(torchBytes(result)))
    }

    private static func run(
      ranks: Int, _ folder: TestFolder, _ data: [String]
    ) throws -> (result: [String: Any], errors: String) {
      let name = UUID().uuidString
      let outcome = try meca(
        ranks: ranks,
        data + [
          "--width", "4", "--batch", "16", "--epochs", "2", "--defense", "none", "--output",
          folder.path + "/" + name,
        ])
      #expect(outcome.status == 0, "\(outcome.errors)")
      let json = try JSONSerialization.jsonObject(with: folder.bytes(name + "/result.json"))
      return (try #require(json as? [String: Any]), outcome.errors)
    }

    @Test func theSameImagesGiveTheSameWeights() throws {
      let folder = try TestFolder()
      try Self.writeArrays(folder)
      try Self.writeToolbox(folder)
      try Self.writeRecord(folder)
      let expected = try Self.run(
        ranks: 1, folder, ["--dataset", "npy", "--data", folder.path + "/numpy"]
      ).result
      let weights = try #require(expected["weights_sha256"] as? String)
      let toolbox = [
        "--dataset", "backdoor-toolbox", "--data",
        folder.path
          + "/toolbox/poisoned_train_set/own/adaptive_patch_0.083_cover=0.017_poison_seed=0",
      ]
      for ranks in [1, 3] {
        let (result, errors) = try Self.run(ranks: ranks, folder, toolbox)
        #expect(result["weights_sha256"] as? String == weights)
        #expect(
          errors.contains(
            "backdoor-toolbox does not keep the labels that poisons had before: their given label "
              + "stands in for it"))
      }
      // The record over the clean arrays, whose normalisation constants are those of clean images.
      let bench = [
        "--dataset", "backdoorbench", "--data", folder.path + "/record", "--base-dataset", "npy",
        "--base-data", folder.path + "/clean",
      ]
      let (own, _) = try Self.run(ranks: 1, folder, bench)
      let (other, _) = try Self.run(ranks: 3, folder, bench)
      #expect(own["weights_sha256"] as? String == other["weights_sha256"] as? String)
      let undefended = try #require(own["no_defense"] as? [String: Any])
      #expect(undefended["asr"] as? Double != nil)
      // A trigger of this program's own, for the toolbox's set has no test images with its own.
      let trigger = ["--attack", "badnets", "--target", "2", "--poison-rate", "0"]
      let triggered = try Self.run(ranks: 2, folder, toolbox + trigger).result
      #expect(triggered["weights_sha256"] as? String == weights)
      #expect((triggered["no_defense"] as? [String: Any])?["asr"] as? Double != nil)
    }

    /// What a set holds: images, labels, roles, triggered images and their test samples.
    private struct Content: Equatable {
      var images: [[UInt8]]
      var labels: [Int]
      var roles: [SampleRole]?
      var originalLabels: [Int32]?
      var tests: [[UInt8]]
      var testLabels: [Int]
      var triggered: [[UInt8]]?
      var testIndices: [Int32]?
    }

    private static func content(
      _ dataset: any DatasetFormat.Type, _ path: String, _ settings: [String: String] = [:]
    ) throws -> Content {
      var configuration = try DataConfiguration(
        dataset, path: path, trainLimit: nil, testLimit: nil, seed: 1, storedAs: { _ in nil })
      try configuration.set(settings)
      let data = try TrainingData(configuration, attack: .none, communicator: .alone())
      func images(_ set: any ImageSet) throws -> [[UInt8]] {
        try (0..<set.count).map { try set.image(at: $0) }
      }
      return Content(
        images: try images(data.training), labels: data.training.labels, roles: data.truth?.roles,
        originalLabels: data.truth?.originalLabels, tests: try images(data.test),
        testLabels: data.test.labels, triggered: try data.triggered.map(images),
        testIndices: data.triggered?.testIndices)
    }

    /// Layouts that `poison` writes hold what the set held, whatever the number of ranks.
    @Test func writtenLayoutsAreReadBack() throws {
      let folder = try TestFolder()
      try Self.writeArrays(folder)
      try Self.writeRecord(folder)
      let arrays = ["--dataset", "npy", "--data", folder.path + "/numpy"]
      let base = ["--base-dataset", "npy", "--base-data", folder.path + "/clean"]
      let bench = ["--dataset", "backdoorbench", "--data", folder.path + "/record"] + base
      for (format, set) in [("backdoor-toolbox", arrays), ("backdoorbench", bench)] {
        for ranks in [1, 3] {
          try succeed(
            ranks: ranks,
            ["poison", "--attack", "none", "--format", format] + set
              + ["--output", "\(folder.path)/\(ranks)/record/\(format)"])
        }
        #expect(
          try tree("\(folder.path)/1/record/\(format)")
            == tree("\(folder.path)/3/record/\(format)"))
      }
      let expected = try Self.content(NumpyFormat.self, folder.path + "/numpy")
      #expect(expected.roles?.count { $0 == .cover } == 1)
      let toolbox =
        folder.path
        + "/3/record/backdoor-toolbox/poisoned_train_set/npy/none_0.083_cover=0.017_poison_seed=0"
      var found = try Self.content(BackdoorToolboxFormat.self, toolbox)
      #expect(found.originalLabels == expected.labels.map { Int32($0) }, "as it is not kept")
      found.originalLabels = expected.originalLabels
      #expect(found.triggered == nil && expected.triggered != nil)
      (found.triggered, found.testIndices) = (expected.triggered, expected.testIndices)
      #expect(found == expected)
      let settings = ["base-dataset": "npy", "base-data": folder.path + "/clean"]
      let record = try Self.content(
        BackdoorBenchFormat.self, folder.path + "/record", settings)
      #expect(record.triggered?.isEmpty == false)
      #expect(
        try Self.content(
          BackdoorBenchFormat.self, folder.path + "/1/record/backdoorbench", settings) == record)
      // Arrays do not say which test images were triggered.
      try expectRefusal(
        of: ["poison", "--attack", "none", "--format", "backdoorbench"] + arrays
          + ["--output", folder.path + "/none"],
        status: 64, ["npy does not tell which"])
    }

    @Test func layoutsThatCannotHoldASetAreRefused() throws {
      let folder = try TestFolder()
      func refuse(_ arguments: [String], _ part: String) throws {
        try expectRefusal(
          of: ["poison", "--output", folder.path + "/set"] + tinyData.prefix(2) + arguments,
          status: 64, [part], fullRanks: [2])
      }
      let attack = ["--attack", "badnets", "--train-limit", "60", "--test-limit", "20"]
      try refuse(
        attack + ["--format", "backdoor-toolbox", "--force"], "replace nothing; choose an empty")
      try refuse(
        attack + ["--format", "backdoorbench"], "leave --train-limit and --test-limit out")
      try folder.write("set/there", Data())
      try refuse(attack + ["--format", "backdoor-toolbox"], "is not empty")
    }

    @Test func saysWhatIsMissing() throws {
      let folder = try TestFolder()
      try Self.writeArrays(folder)
      try Self.writeRecord(folder)
      let record = ["--dataset", "backdoorbench", "--data", folder.path + "/record"]
      let lines: [([String], Int32, String)] = [
        (
          record, 64,
          "--base-dataset is needed: \(folder.path)/record was made of the set own; say how its clean "
            + "images are read"
        ),
        (
          record + ["--base-dataset", "npy"], 64,
          "--base-data is needed: a record of BackdoorBench holds only what was changed; name the folder "
            + "with the clean npy images"
        ),
        (
          record + ["--base-dataset", "folder", "--base-data", "x"], 64,
          "--base-dataset folder: must be one of cifar10, cifar100, tiny-imagenet, npy, packed"
        ),
        (
          record + ["--base-dataset", "npy", "--base-data", folder.path + "/numpy"], 64,
          "--base-data \(folder.path)/numpy: must be a clean set, which a record changes"
        ),
        (
          record + [
            "--base-dataset", "npy", "--base-data", folder.path + "/clean", "--record-target", "1",
          ], 64,
          "--record-target 1: the poisoned samples of \(folder.path)/record/attack_result.pt have the "
            + "label 2"
        ),
        (
          ["--dataset", "npy", "--data", folder.path + "/clean", "--test-data", "x"], 64,
          "--test-data: is a setting of backdoor-toolbox, and the image set is npy"
        ),
        (
          ["--dataset", "backdoor-toolbox", "--data", folder.path + "/record"], 65,
          "clean_set/\((folder.path as NSString).lastPathComponent)/test_split: not found; the toolbox's "
            + "test split is a folder with data and labels"
        ),
      ]
      for (arguments, status, line) in lines {
        try expectFailure(arguments, status: status, [line], fullRanks: [2], in: folder)
      }
    }

    /// The reference run's model in a file of `torch.save`, as DataParallel under `model`.
    @Test func aModelOfTorchSaveIsEvaluated() throws {
      let run = try referenceRun.get()
      let folder = try TestFolder()
      let own = run.path + "/model.safetensors"
      var (pairs, storages): ([UInt8], [[UInt8]]) = ([], [])
      for tensor in try readSafetensors(own).0 {
        var strides = [Int](repeating: 1, count: tensor.shape.count)
        for place in tensor.shape.indices.dropLast().reversed() {
          strides[place] = strides[place + 1] * tensor.shape[place + 1]
        }
        let isCounter = tensor.kind == .int64
        pairs += Pickle.text("module." + tensor.name)
        pairs += Pickle.tensor(
          Pickle.storage(
            isCounter ? "LongStorage" : "FloatStorage", key: "\(storages.count)",
            count: tensor.values.count), shape: tensor.shape, strides: strides)
        storages.append(
          tensor.values.flatMap { isCounter ? little(Int64($0)) : little($0.bitPattern) })
      }
      let state =
        Pickle.global("collections", "OrderedDict") + Pickle.emptyTuple + Pickle.reduce
        + Pickle.mark
        + pairs + Pickle.setItems
      let file = try folder.write(
        "model.pt",
        Data(
          torchBytes(
            Pickle.emptyDictionary + Pickle.text("model") + state + Pickle.setItem,
            storages: storages)))
      func logits(_ weights: String, _ name: String, _ more: [String] = []) throws -> [NamedTensor]
      {
        let path = folder.path + "/" + name
        let outcome = try meca(
          [
            "evaluate", "--weights", weights, "--train-limit", "150", "--test-limit", "70",
            "--logits", path,
          ] + more,
          timeout: soon)
        #expect(outcome.status == 0, "\(outcome.errors)")
        return try readSafetensors(path).0
      }
      #expect(
        try logits(file, "a.safetensors", ["--stem", "small"]) == logits(own, "b.safetensors"))
      let hostile = try folder.write(
        "hostile.pt",
        Data(
          torchBytes(
            Pickle.global("os", "system") + Pickle.text("touch \(folder.path)/was-run")
              + Pickle.tuple1 + Pickle.reduce)))
      let outcome = try meca(ranks: 2, ["evaluate", "--weights", hostile], timeout: soon)
      #expect(outcome.status == 65)
      #expect(
        outcome.errors.contains(
          "hostile.pt: data.pkl asks for os.system at byte 2, which is not on the list of plain "
            + "values; nothing was run."))
      #expect(!folder.has("was-run"))
    }
  }
}

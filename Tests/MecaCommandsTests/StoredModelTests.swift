import Foundation
import MecaNN
import MecaTestSupport
import Testing

extension ProgramTests {
  /// Model files that go to PyTorch's toolboxes and come from them.
  @Suite struct StoredModelTests {
    private static let sets = ["--train-limit", "150", "--test-limit", "70"]

    /// What `evaluate` says of a file, and the logits that it wrote.
    private func evaluation(
      _ file: String, in folder: TestFolder, _ more: [String] = []
    ) throws -> (figures: [String: Any], logits: [NamedTensor], errors: String) {
      let logits = folder.path + "/logits.safetensors"
      let outcome = try meca(
        ["evaluate", "--weights", file, "--logits", logits, "--json"] + Self.sets + more,
        timeout: soon)
      #expect(outcome.status == 0, "\(outcome.errors)")
      let figures = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8))
      return (
        try #require(figures as? [String: Any]), try readSafetensors(logits).0, outcome.errors
      )
    }

    /// As `safetensors.torch.save_file` would have written a network of BackdoorBox behind
    /// `DataParallel`.
    private func foreign(_ tensors: [NamedTensor], to path: String) throws {
      let renamed = tensors.filter { $0.kind == .float32 }.map { tensor in
        var renamed = tensor
        renamed.name =
          "module."
          + tensor.name.replacingOccurrences(of: "downsample", with: "shortcut")
          .replacingOccurrences(of: "fc.", with: "linear.")
        return renamed
      }
      try writeSafetensors(renamed, metadata: ["format": "pt"], to: path)
    }

    /// Metadata of strangers is looked at like options.
    @Test(arguments: [
      (["image_height": "0", "image_width": "0"], "image height"),
      (
        ["image_height": "4000000000", "image_width": "4000000000"], "image height"
      ),
      (["dataset": "folder", "test_share": "nan"], "metadata test-share nan: must be more than 0"),
    ])
    func valuesThatCannotBeAreRefused(changes: [String: String], part: String) throws {
      let folder = try TestFolder()
      let file = folder.path + "/model.safetensors"
      let (tensors, metadata) = try readSafetensors(
        try referenceRun.get().path + "/model.safetensors")
      try writeSafetensors(tensors, metadata: metadata.merging(changes) { $1 }, to: file)
      try expectRefusal(
        of: ["evaluate", "--weights", file, "--data", folder.path], status: 65, [file, part],
        fullRanks: [2])
    }

    @Test func aStateDictionaryOfPyTorchIsEvaluated() throws {
      let run = try referenceRun.get()
      let folder = try TestFolder()
      let (own, file) = (run.path + "/model.safetensors", folder.path + "/foreign.safetensors")
      try foreign(try readSafetensors(own).0, to: file)
      let expected = try evaluation(own, in: folder)
      #expect(!expected.errors.contains("warning"))
      let found = try evaluation(
        file, in: folder, ["--model", "resnet18", "--width", "4", "--stem", "small"])
      #expect(found.logits == expected.logits)
      #expect(found.logits.map(\.name) == ["images", "logits"])
      #expect(found.figures["acc"] as? Double == expected.figures["acc"] as? Double)
      #expect(
        found.errors.contains(
          "foreign.safetensors does not say how images are scaled for it: taking those of shapes"))
      // Said in the metadata, it is taken from there: no warning, other logits.
      let tensors = try readSafetensors(file).0
      try writeSafetensors(
        tensors, metadata: ["mean": "[0, 0, 0]", "std": "[1, 1, 1]"], to: file)
      let unscaled = try evaluation(file, in: folder)
      #expect(!unscaled.errors.contains("how images are scaled"))
      #expect(unscaled.errors.contains("taken for a resnet18 whose first convolution has stride 1"))
      #expect(unscaled.logits[0] == expected.logits[0] && unscaled.logits != expected.logits)
    }

    @Test(arguments: [
      (["--model", "resnet34"], "--model says resnet34"), (["--width", "8"], "--width says 8"),
      (["--stem", "imagenet"], "--stem says imagenet"),
    ])
    func whatContradictsTheFileIsSaid(options: [String], part: String) throws {
      let run = try referenceRun.get()
      for command in ["evaluate", "score"] {
        try expectRefusal(
          of: [command, "--weights", run.path + "/model.safetensors"] + options, status: 64,
          ["model.safetensors holds a resnet18 of width 4 with the small stem, " + part],
          fullRanks: [2])
      }
    }

    @Test func classesThatTheDataDoesNotHaveAreSaid() throws {
      let run = try referenceRun.get()
      let folder = try TestFolder()
      let file = folder.path + "/foreign.safetensors"
      try foreign(try readSafetensors(run.path + "/model.safetensors").0, to: file)
      var record = Data([0, 1])
      record.append(Data(repeating: 0, count: 3072))
      try folder.write("set/train.bin", record)
      try folder.write("set/test.bin", record)
      try expectRefusal(
        of: [
          "evaluate", "--weights", file, "--dataset", "cifar100", "--data", folder.path + "/set",
        ], status: 64,
        ["foreign.safetensors is for 10 classes of 32x32 pixels, the data has 100 of 32x32"],
        fullRanks: [0])
    }

    /// A run with the large stem and the toolboxes' names: the same file from one rank and from two,
    /// which says what it is and is read back.
    @Test func otherStemsAndNamesAreWrittenAndRead() throws {
      let folders = try [TestFolder(), TestFolder()]
      for (folder, ranks) in zip(folders, [0, 2]) {
        let outcome = try meca(
          ranks: ranks,
          tinyModel + [
            "--stem", "imagenet", "--tensor-names", "cifar", "--defense", "none", "--no-oracle",
            "--epochs", "2", "--output", folder.path,
          ])
        #expect(outcome.status == 0, "\(outcome.errors)")
      }
      #expect(
        try folders[0].bytes("model.safetensors") == folders[1].bytes("model.safetensors"))
      let file = folders[0].path + "/model.safetensors"
      let (tensors, metadata) = try readSafetensors(file)
      #expect(metadata["stem"] == "imagenet" && metadata["tensor_names"] == "cifar")
      let shapes = Dictionary(uniqueKeysWithValues: tensors.map { ($0.name, $0.shape) })
      #expect(shapes["conv1.weight"] == [4, 3, 7, 7])
      #expect(shapes["layer2.0.shortcut.0.weight"] == [8, 4, 1, 1])
      #expect(shapes["linear.weight"] == [10, 32])
      let expected = try #require(try result(folders[0])["no_defense"] as? [String: Any])
      let found = try evaluation(file, in: folders[0])
      #expect(found.figures["acc"] as? Double == expected["acc"] as? Double)
      #expect(found.figures["asr"] as? Double == expected["asr"] as? Double)
    }

    /// Images of 112 pixels take the large stem by themselves.
    @Test func theBenchmarkTakesTheStemOfItsImages() throws {
      let outcome = try meca(
        [
          "bench", "--dataset", "random", "--image-size", "112", "--samples", "16", "--repeats",
          "1", "--width", "4",
          "--batch", "16", "--layers",
        ], timeout: 60)
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(outcome.output.contains("resnet18, width 4, imagenet stem"))
      #expect(outcome.output.contains("3→4 112x112 7x7/2"))
      #expect(outcome.output.contains("4→4 28x28 3x3/1"))
    }
  }
}

import Foundation
import MecaNN
import MecaTestSupport
import Testing

extension ProgramTests {
  /// `--init`: models that start from a file.
  @Suite struct InitialModelTests {
    /// Two plain trainings, one of everything and one of the clean samples.
    private static let run =
      tinyModel + ["--poison-rate", "0.3", "--defense", "none", "--oracle"]

    private func weights(_ folder: TestFolder, _ name: String) throws -> String {
      try #require(
        try result(TestFolder(path: folder.path + "/" + name))["weights_sha256"] as? String)
    }

    private func epochs(_ folder: TestFolder, _ name: String) throws -> [[String: Any]] {
      try metrics(TestFolder(path: folder.path + "/" + name)).filter {
        $0["event"] as? String == "epoch"
      }
    }

    /// The same bits on 1 and 3 ranks, others than without the file; a resumed run knows the file.
    @Test func modelsStartFromAFileOnAnyNumberOfRanks() throws {
      let folder = try TestFolder()
      let file = try referenceRun.get().path + "/model.safetensors"
      let given = Self.run + ["--init", file]
      let one = try succeed(given + ["--output", folder.path + "/one"])
      #expect(
        one.errors.contains(
          "init: models that are kept and compared start from \(file), a resnet18 of width 4, its "
            + "classifier too, as it knows the same classes"), "\(one.errors)")
      #expect(one.errors.contains("of images are as the file says"))
      try succeed(ranks: 3, given + ["--output", folder.path + "/three"])
      #expect(
        try folder.bytes("one/model.safetensors") == folder.bytes("three/model.safetensors"))
      #expect(try weights(folder, "one") == weights(folder, "three"))
      try succeed(Self.run + ["--output", folder.path + "/drawn"])
      #expect(try weights(folder, "drawn") != weights(folder, "one"))
      for (name, isThere) in [("one", true), ("drawn", false)] {
        let record = String(decoding: try folder.bytes(name + "/run.json"), as: UTF8.self)
        #expect(record.contains("initial") == isThere)
      }

      // The same file again: everything is there already.
      let again = try succeed(given + ["--output", folder.path + "/one"])
      #expect(again.errors.contains("undefended: taken from its checkpoint"), "\(again.errors)")
      // The same tensors in a file that says other things are another file, and another run.
      let (tensors, metadata) = try readSafetensors(file)
      let other = folder.path + "/other.safetensors"
      var words = metadata.filter { $0.key != "classes" }
      words["mean"] = "[0.25, 0.5, 0.75]"
      try writeSafetensors(tensors, metadata: words, to: other)
      let elsewhere = Self.run + ["--init", other, "--output", folder.path + "/one"]
      try expectRefusal(of: elsewhere, status: 64, ["holds the results of another run"])
      let forced = try succeed(elsewhere + ["--force"])
      #expect(!forced.errors.contains("taken from its checkpoint"))
      #expect(forced.errors.contains("with a new classifier for 10 classes in place of its 10"))
      #expect(forced.errors.contains("init: mean 0.250, 0.500, 0.750 "), "\(forced.errors)")
      // Images of another scale are still those that epochs are tested on.
      #expect(try epochs(folder, "one").allSatisfy { $0["test_acc"] is Double })
      #expect(try weights(folder, "one") != weights(folder, "three"))
    }

    @Test(arguments: [
      (["--width", "8"], "say --width 4"), (["--model", "resnet34"], "say --model resnet18, or"),
      (
        ["--stem", "imagenet"],
        "holds a resnet18 of width 4 with the small stem, the run trains a resnet18 of width 4 with "
          + "the imagenet stem; say --stem small"
      ),
      // A MobileNetV2 of the small stem has that stem too.
      (["--model", "mobilenetv2"], "say --model resnet18, or"),
    ])
    func filesOfOtherNetworksAreRefused(options: [String], part: String) throws {
      let file = try referenceRun.get().path + "/model.safetensors"
      try expectFailure(
        Self.run + options + ["--init", file], status: 64, ["--init \(file): holds", part])
    }

    @Test func filesThatAreNoModelAreRefused() throws {
      let folder = try TestFolder()
      try expectFailure(
        Self.run + ["--init", folder.path + "/none.pth"], status: 65,
        ["none.pth: not found; --init wants"])
      let text = try folder.write("text.pth", Data("no model, but some words of a text".utf8))
      try expectFailure(Self.run + ["--init", text], status: 65, [text])
      let file = try referenceRun.get().path + "/model.safetensors"
      var (tensors, metadata) = try readSafetensors(file)
      tensors[3].values[0] = .nan
      let broken = folder.path + "/nan.safetensors"
      try writeSafetensors(tensors, metadata: metadata, to: broken)
      try expectFailure(
        Self.run + ["--init", broken], status: 65,
        ["nan.safetensors: some of its weights are no finite numbers"])
    }
  }
}

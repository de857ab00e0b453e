import Foundation
import MecaExport
import MecaNN
import MecaTestSupport
import SwiftProtobuf
import Testing

extension ProgramTests {
  /// Stored models as ONNX files.
  @Suite struct ExportTests {
    private func file(_ folder: TestFolder, _ name: String) throws -> Onnx_ModelProto {
      try Onnx_ModelProto(serializedBytes: folder.bytes(name))
    }

    private func metadata(_ file: Onnx_ModelProto) -> [String: String] {
      Dictionary(uniqueKeysWithValues: file.metadataProps.map { ($0.key, $0.value) })
    }

    /// The weights of a file without what this program says of it, as PyTorch would save them.
    private func foreign(_ path: String) throws -> String {
      let (tensors, _) = try readSafetensors(try referenceRun.get().path + "/model.safetensors")
      try writeSafetensors(tensors.filter { $0.kind == .float32 }, metadata: [:], to: path)
      return path
    }

    @Test func aRunsModelIsExportedTheSameOnAnyRanks() throws {
      let run = try referenceRun.get()
      let folder = try TestFolder()
      let command = ["export", run.path + "/model.safetensors", "--onnx"]
      let alone = try succeed(command + [folder.path + "/alone.onnx"])
      let many = try succeed(ranks: 2, command + [folder.path + "/many.onnx"])
      #expect(try folder.bytes("alone.onnx") == folder.bytes("many.onnx"))
      #expect(many.output.components(separatedBy: "written to").count == 2, "\(many.output)")
      #expect(alone.output.contains("resnet18 of width 4, 10 classes, images of 32x32 pixels"))
      let weights = try #require(try result(run)["weights_sha256"] as? String)
      #expect(alone.output.contains("weights_sha256 \(weights)"))
      let found = try file(folder, "alone.onnx")
      let facts = metadata(found)
      #expect(facts["weights_sha256"] == weights && facts["meca_dist_version"] == "0.1.0")
      let names = try JSONDecoder().decode(
        [String].self, from: Data(try #require(facts["class_names"]).utf8))
      #expect(names.count == 10 && names.contains("flower"))
      let input = try #require(found.graph.input.first).type.tensorType.shape.dim
      #expect(input.map(\.dimParam) == ["batch", "", "", ""])
      #expect(input.dropFirst().map(\.dimValue) == [3, 32, 32])
      #expect(found.graph.output.map(\.name) == ["logits", "probabilities"])
    }

    /// Toolboxes' names in the file make no other graph.
    @Test func aStateDictionaryOfPyTorchIsExported() throws {
      let folder = try TestFolder()
      let own = try referenceRun.get().path + "/model.safetensors"
      try succeed(["export", own, "--onnx", folder.path + "/own.onnx"])
      let (tensors, metadata) = try readSafetensors(own)
      let renamed = tensors.map { tensor in
        var tensor = tensor
        tensor.name = tensor.name.replacingOccurrences(of: "downsample", with: "shortcut")
          .replacingOccurrences(of: "fc.", with: "linear.")
        return tensor
      }
      let bare = folder.path + "/bare.safetensors"
      try writeSafetensors(renamed, metadata: [:], to: bare)
      let outcome = try succeed([
        "export", bare, "--onnx", folder.path + "/bare.onnx", "--image-size", "32", "--mean",
        try #require(metadata["mean"]).filter { !"[] ".contains($0) }, "--std",
        try #require(metadata["std"]).filter { !"[] ".contains($0) },
      ])
      #expect(outcome.errors.contains("taken for a resnet18 whose first convolution has stride 1"))
      let found = try file(folder, "bare.onnx")
      #expect(try found.graph == file(folder, "own.onnx").graph)
      #expect(self.metadata(found)["class_names"]?.contains("\"class 0\"") == true)
    }

    @Test func whatIsThereIsReplacedOnlyOnPurpose() throws {
      let model = try referenceRun.get().path + "/model.safetensors"
      let folder = try TestFolder()
      let old = try folder.write("model.onnx", Data("old".utf8))
      let command = ["export", model, "--onnx", old]
      try expectRefusal(
        of: command, status: 64, ["--onnx \(old): is there already", "--force"], ranks: [2],
        fullRanks: [0])
      #expect(try folder.bytes("model.onnx") == Data("old".utf8))
      try succeed(command + ["--force"])
      #expect(try file(folder, "model.onnx").producerName == "meca-dist")
    }

    @Test func whatCannotBeExportedIsSaid() throws {
      let model = try referenceRun.get().path + "/model.safetensors"
      let folder = try TestFolder()
      let target = folder.path + "/model.onnx"
      try expectRefusal(of: ["export", model], status: 64, ["--onnx"])
      try expectRefusal(
        of: ["export", folder.path + "/none.safetensors", "--onnx", target], status: 65,
        ["none.safetensors"], fullRanks: [2])
      try expectRefusal(
        of: ["export", model, "--onnx", folder.path, "--force"], status: 74,
        [folder.path, "a folder has this name"])
      try expectRefusal(
        of: ["export", model, "--onnx", folder.path + "/none/model.onnx"], status: 74,
        ["none/model.onnx"], fullRanks: [2])
      try expectRefusal(
        of: ["export", model, "--onnx", target, "--image-size", "64"], status: 64,
        ["--image-size 64", "is for images of 32x32 pixels"])
      let bare = try foreign(folder.path + "/bare.safetensors")
      let known = ["--stem", "small", "--onnx", target]
      try expectRefusal(
        of: ["export", bare, "--onnx", target], status: 64, ["--stem is needed", bare])
      try expectRefusal(
        of: ["export", bare] + known, status: 64, ["--image-size is needed", bare])
      try expectRefusal(
        of: ["export", bare, "--image-size", "32"] + known, status: 64, ["--mean is needed", bare])
      let text = try folder.write("text.safetensors", Data("no model at all".utf8))
      try expectRefusal(of: ["export", text, "--onnx", target], status: 65, [text])
      #expect(!folder.has("model.onnx"))
    }
  }
}

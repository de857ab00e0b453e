import Foundation
import MecaTestSupport
import Testing

extension ProgramTests {
  /// A set that was written is the set that the run would have poisoned itself.
  @Suite struct PoisonCommandTests {
    private func set(_ format: String) throws -> String {
      try #require(writtenSets[format]).get().path + "/set"
    }

    /// Verdicts and truth of `suspects.csv` without the paths.
    private func suspects(_ folder: TestFolder) throws -> [[Substring]] {
      String(decoding: try folder.bytes("suspects.csv"), as: UTF8.self).split(separator: "\n").map {
        var fields = $0.split(separator: ",", omittingEmptySubsequences: false)
        fields.remove(at: 1)
        return fields
      }
    }

    @Test(arguments: [("png", 2), ("cifar", 0), ("npy", 3)])
    func aRunOnTheWrittenSetGivesTheSameBits(format: String, ranks: Int) throws {
      let own = try referenceRun.get()
      let folder = try TestFolder()
      try succeed(
        ranks: ranks,
        tinyTraining + [
          "--dataset", readingKind[format]!, "--data", try set(format), "--attack", "none",
          "--output", folder.path,
        ])
      let (expected, found) = (try result(own), try result(folder))
      #expect(found["weights_sha256"] as? String == expected["weights_sha256"] as? String)
      for model in ["no_defense", "defended", "relearned"] {
        #expect(found[model] as? NSDictionary == expected[model] as? NSDictionary)
      }
      #expect(found["detection"] as? NSDictionary == expected["detection"] as? NSDictionary)
      #expect((found["detection"] as? [String: Any])?["tpr"] as? Double ?? 0 > 0)
      #expect(try folder.bytes("scores.npy") == own.bytes("scores.npy"))
      #expect(try suspects(folder) == suspects(own))
      let line = try String(decoding: folder.bytes("suspects.csv"), as: UTF8.self)
        .split(separator: "\n")[1]
      let place = ["png": ",train/", "cifar": ",data_batch_1.bin#", "npy": ",train-images.npy#"]
      #expect(line.contains(place[format]!), "\(line)")
    }

    @Test(arguments: [("png", 0), ("cifar", 3), ("npy", 3)])
    func theFilesDoNotDependOnTheRanks(format: String, ranks: Int) throws {
      let folder = try TestFolder()
      let outcome = try succeed(
        ranks: ranks,
        ["poison"] + tinyData + tinyAttack + ["--format", format, "--output", folder.path + "/set"])
      let (found, expected) = (try tree(folder.path + "/set"), try tree(set(format)))
      #expect(found == expected)
      #expect(found.count == ["png": 150 + 70 + 63 + 2, "cifar": 6, "npy": 11][format])
      #expect(outcome.output.contains("150 training, 70 test and 63 triggered test images"))
      #expect(outcome.output.contains("badnets: 45 poisoned (30.00 %), 0 covers"))
      let sum = try #require(outcome.output.split(separator: "\n").last)
      #expect(sum.hasPrefix("manifest_sha256 ") && sum.count == 16 + 64)
    }

    @Test func scoreAndEvaluateTakeTheWrittenSet() throws {
      let model = try referenceRun.get().path + "/model.safetensors"
      let folder = try TestFolder()
      let data = ["--dataset", "npy", "--data", try set("npy")]
      func json(_ arguments: [String]) throws -> NSDictionary? {
        let outcome = try succeed(ranks: 2, ["evaluate", "--weights", model, "--json"] + arguments)
        return try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? NSDictionary
      }
      let own = try #require(try json(["--train-limit", "150", "--test-limit", "70"]))
      #expect(try json(data) == own)
      #expect(own["asr_samples"] as? Int == 63)
      // With a limit, the triggered samples are those of the first test samples.
      #expect(
        try json(data + ["--test-limit", "20"]) == json(["--test-limit", "20"]))
      for (name, arguments) in [
        ("a", data), ("b", ["--train-limit", "150", "--test-limit", "70"]),
      ] {
        try folder.write(name + "/readme", Data())
        try succeed(
          ["score", "--weights", model, "--output", folder.path + "/\(name)/scores.npy"] + arguments
        )
      }
      #expect(try folder.bytes("a/scores.npy") == folder.bytes("b/scores.npy"))
      // The samples are others, so their list would be wrong for the scores that are there.
      try expectRefusal(
        of: ["score", "--weights", model, "--output", folder.path + "/a/more.npy"]
          + ["--train-limit", "150", "--test-limit", "70"], status: 64,
        ["a/samples.csv lists other samples"])
    }

    /// Also not with --force, also not around the source or in it.
    @Test(arguments: ["", "/train", "/new/set", "/.."])
    func theSourceIsNeverWrittenInto(place: String) throws {
      let folder = try TestFolder()
      try FileManager.default.createDirectory(
        atPath: folder.path + "/a", withIntermediateDirectories: false)
      try FileManager.default.copyItem(atPath: set("png"), toPath: folder.path + "/a/set")
      try FileManager.default.createSymbolicLink(
        atPath: folder.path + "/link", withDestinationPath: "a/set")
      let before = try tree(folder.path)
      for source in ["/a/set", "/link"] {
        try expectRefusal(
          of: [
            "poison", "--dataset", "folder", "--data", folder.path + source, "--attack", "none",
            "--force", "--output", folder.path + "/a/set" + place,
          ], status: 64, ["--output ", "overlaps with \(folder.path + source)"], fullRanks: [2])
      }
      #expect(try tree(folder.path) == before)
    }

    /// The transformations of PhysicalBA belong to its training, wherever its poisons come from.
    @Test func aStoredPhysicalSetIsTrainedWithItsTransformations() throws {
      let (folder, own, stored) = (try TestFolder(), try TestFolder(), try TestFolder())
      let (data, attack) = (tinyData, ["--attack", "physical", "--poison-rate", "0.3"])
      try succeed(["poison"] + data + attack + ["--output", folder.path + "/set"])
      let training = ["--width", "4", "--defense", "none", "--no-oracle", "--epochs", "1"]
      let first = try succeed(ranks: 2, data + attack + training + ["--output", own.path])
      let second = try succeed(
        ranks: 2,
        ["--dataset", "folder", "--data", folder.path + "/set"] + training
          + ["--output", stored.path])
      for outcome in [first, second] {
        #expect(outcome.errors.contains("augmentation: flip"), "\(outcome.errors)")
      }
      #expect(try result(own)["no_defense"] as? NSDictionary != nil)
      #expect(
        try result(own)["no_defense"] as? NSDictionary
          == result(stored)["no_defense"] as? NSDictionary)
    }

    /// Another attack's trigger in test images is measured as that attack, and never written as it.
    @Test func anotherAttackInTestImagesAloneKeepsItsName() throws {
      let model = try referenceRun.get().path + "/model.safetensors"
      let folder = try TestFolder()
      let set = ["--dataset", "npy", "--data", try set("npy")]
      let attack = ["--attack", "blend", "--target", "3", "--poison-rate", "0"]
      let outcome = try succeed(ranks: 2, ["evaluate", "--weights", model] + set + attack)
      #expect(outcome.output.contains("(blend, target class 3 (flower))"), "\(outcome.output)")
      try expectRefusal(
        of: ["poison"] + set + attack + ["--output", folder.path + "/set"], status: 64,
        ["--attack blend: the set holds poisons already"], fullRanks: [2])
      #expect(!folder.has("set"))
    }

    @Test func whatCannotBeHadIsSaid() throws {
      let folder = try TestFolder()
      let outcome = try succeed(
        ["poison"] + tinyData
          + ["--attack", "sig", "--poison-rate", "0.5", "--output", folder.path + "/set"])
      #expect(outcome.errors.contains("warning: 75 poisoned samples were asked for, but only 15"))
    }

    @Test func theWrittenSetCanBeWrittenInAnotherForm() throws {
      let folder = try TestFolder()
      try succeed(
        ranks: 2,
        [
          "poison", "--dataset", "npy", "--data", try set("npy"), "--format", "png", "--output",
          folder.path + "/set",
        ])
      #expect(try tree(folder.path + "/set") == tree(set("png")))
    }

    /// Ten thousand images are not needed to see that a set without its record is not taken.
    @Test(arguments: [
      (
        "png", "folder", "dataset.json",
        "dataset.json: not found; the set in this folder is incomplete"
      ),
      ("npy", "npy", "test-images.npy", "test-images.npy: not found"),
      ("cifar", "cifar10", "test_triggered_batch.bin", "test_triggered_batch.bin: not found"),
    ])
    func aSetThatIsNotWholeIsRefused(
      format: String, kind: String, missing: String, reason: String
    ) throws {
      let folder = try TestFolder()
      try FileManager.default.copyItem(atPath: set(format), toPath: folder.path + "/set")
      try FileManager.default.removeItem(atPath: folder.path + "/set/" + missing)
      try expectFailure(
        ["--dataset", kind, "--data", folder.path + "/set"], status: 65, [reason],
        ranks: format == "png" ? [3] : [], in: folder)
    }

    @Test func aMissingOrBrokenPictureIsNamedWithItsLine() throws {
      let folder = try TestFolder()
      try FileManager.default.copyItem(atPath: set("png"), toPath: folder.path + "/set")
      let manifest = String(decoding: try folder.bytes("set/manifest.csv"), as: UTF8.self)
      let row = manifest.split(separator: "\n")[100]
      let path = String(row.split(separator: ",")[1])
      let arguments = ["--dataset", "folder", "--data", folder.path + "/set"]
      let picture = try folder.bytes("set/" + path)
      for (content, reason) in [
        (nil, "not found"), (picture.prefix(60), "broken PNG"),
        (try folder.bytes("set/manifest.csv"), "neither JPEG, PNG nor WebP"),
      ] as [(Data?, String)] {
        try FileManager.default.removeItem(atPath: folder.path + "/set/" + path)
        if let content { try folder.write("set/" + path, content) }
        try expectFailure(
          arguments, status: 65, ["manifest.csv: line 101: ", path, reason],
          ranks: content == nil ? [3] : [], in: folder)
        try folder.write("set/" + path, picture)
      }
    }

    @Test func anAttackOnAPoisonedSetIsRefused() throws {
      try expectFailure(
        ["--dataset", "cifar10", "--data", try set("cifar"), "--attack", "blend"], status: 64,
        ["--attack blend", "poisoned"], fullRanks: [2])
      // The attack that it was made with is no other.
      let folder = try TestFolder()
      try succeed(
        ["--dataset", "cifar10", "--data", try set("cifar"), "--output", folder.path]
          + tinyAttack + ["--defense", "none", "--width", "4", "--epochs", "1"])
      #expect((try result(folder)["no_defense"] as? [String: Any])?["asr_samples"] as? Int == 63)
    }

    @Test func theWrongKindForAWrittenSetIsSaid() throws {
      try expectFailure(
        ["--dataset", "npy", "--data", try set("png")], status: 64,
        ["--dataset npy: must be folder", "holds a written set"], fullRanks: [2])
    }

    @Test func onlyAnEmptyFolderIsWrittenTo() throws {
      let folder = try TestFolder()
      try folder.write("set/mine.txt", Data("mine".utf8))
      let arguments =
        ["poison", "--dataset", "shapes", "--train-limit", "20", "--test-limit", "20", "--output"]
        + [folder.path + "/set"]
      try expectRefusal(
        of: arguments, status: 64, ["is not empty", "--force"], ranks: [2])
      try succeed(arguments + ["--force", "--format", "npy"])
      #expect(folder.has("set/train-images.npy"))
      // Another set in its place: nothing of the old one is left, what is not of a set stays.
      try succeed(ranks: 2, arguments + ["--force", "--format", "cifar"])
      #expect(
        Set(try FileManager.default.contentsOfDirectory(atPath: folder.path + "/set")) == [
          "mine.txt", "data_batch_1.bin", "test_batch.bin", "test_triggered_batch.bin",
          "batches.meta.txt", "manifest.csv", "dataset.json",
        ])
    }

    @Test(arguments: [
      (["--output", "x", "--preview", "y.png"], "--output FOLDER"), ([], "--output FOLDER"),
      (["--output", "x", "--index", "3"], "--index"), (["--output", ""], "--output"),
      (["--output", "x", "--format", "gif"], "gif"), (["--output", "x", "--attack", "all"], "all"),
      (["--preview", "/no/such/x.png"], "/no/such/x.png"),
      (["--preview", "x.png", "--index", "9999999"], "--index 9999999"),
      (["--preview", "x.png", "--format", "npy"], "--format"),
      (["--preview", "x.png", "--attack", "all", "--trigger-size", "9"], "--trigger-size"),
      (["--preview", "x.png", "--poison-rate", "0.3"], "--poison-rate 0.3"),
    ])
    func misuseIsSaid(arguments: [String], part: String) throws {
      let isMissing = arguments.contains("/no/such/x.png")
      try expectRefusal(
        of: ["poison", "--train-limit", "50"] + arguments, status: isMissing ? 74 : 64, [part],
        ranks: isMissing ? [2] : [], fullRanks: [2])
    }

    @Test func aSetWithoutAnAttackIsWrittenOnlyWhenThatIsSaid() throws {
      let clean = try TestFolder()
      let arguments =
        ["poison", "--dataset", "shapes", "--train-limit", "20", "--test-limit", "20"]
      try succeed(
        arguments + ["--attack", "none", "--format", "npy", "--output", clean.path + "/set"])
      let record = String(decoding: try clean.bytes("set/dataset.json"), as: UTF8.self)
      #expect(!record.contains("attack") && !record.contains("target"))
      #expect(!clean.has("set/train-roles.npy") && !clean.has("set/test-triggered-images.npy"))
      let again = ["poison", "--dataset", "npy", "--data", clean.path + "/set", "--output"]
      try expectRefusal(
        of: again + [clean.path + "/other"], status: 64, ["poison wants --attack"], fullRanks: [2])
      #expect(!clean.has("other"))
      try succeed(again + [clean.path + "/other", "--attack", "blend"])
    }

    /// Room for what MPI writes itself (which differs from machine to machine and has reached
    /// megabytes), but not for the file of all images, 6 MB.
    @Test func aFullDiskLeavesNoFileThatLooksWhole() throws {
      let folder = try TestFolder()
      let outcome = try runProgram(
        [
          "bash", "-c", "ulimit -f 5000; exec \"$@\"", "bash", try program(), "poison",
          "--dataset", "shapes", "--train-limit", "2000", "--test-limit", "20", "--format", "npy",
          "--output", folder.path + "/set",
        ], environment: rootMayRunMPI, timeout: 60)
      expectOneLine(outcome, status: 74, ["train-images.npy", "File too large"])
      #expect(
        try FileManager.default.contentsOfDirectory(atPath: folder.path + "/set")
          == ["manifest.csv"])
    }

    @Test func thePreviewIsOnePicture() throws {
      let folder = try TestFolder()
      let outcome = try succeed(
        ranks: 2,
        [
          "poison", "--dataset", "shapes", "--train-limit", "50", "--test-limit", "20", "--preview",
          folder.path + "/all.png", "--attack", "all",
        ])
      #expect(outcome.output.contains("training image 0 (shapes/train#0"))
      let all = try folder.bytes("all.png")
      #expect(all.prefix(4) == Data([0x89, 0x50, 0x4E, 0x47]))
      try succeed([
        "poison", "--dataset", "shapes", "--train-limit", "50", "--preview",
        folder.path + "/one.png", "--attack", "sig", "--index", "7",
      ])
      /// Width and height of a PNG file.
      func size(_ file: Data) -> [Int] {
        [16, 20].map { start in file[start..<start + 4].reduce(0) { $0 << 8 | Int($1) } }
      }
      let one = size(try folder.bytes("one.png"))
      #expect(size(all)[0] > 2 * one[0] - 100 && size(all)[1] > 7 * one[1])
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder.path).count == 2)
    }
  }
}

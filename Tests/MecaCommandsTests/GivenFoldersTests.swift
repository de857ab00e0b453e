import Foundation
import MecaCore
import MecaFormats
import MecaImages
import MecaTestSupport
import Testing

extension ProgramTests {
  /// Folders as people have them: nothing is guessed in silence, everything has a name.
  @Suite struct GivenFoldersTests {
    /// A run of one epoch without a defence.
    private func train(
      _ folder: TestFolder, _ set: String, _ more: [String] = [], ranks: Int = 0
    ) throws -> ProgramOutcome {
      try meca(
        ranks: ranks,
        [
          "--dataset", "folder", "--data", folder.path + "/" + set, "--width", "4", "--batch", "16",
          "--epochs", "1", "--defense", "none", "--augment", "none", "--output",
          folder.path + "/run",
        ] + more)
    }

    private func lines(_ folder: TestFolder, _ name: String) throws -> [Substring] {
      String(decoding: try folder.bytes(name), as: UTF8.self).split(separator: "\n")
    }

    @Test func splitsOfOtherNamesAreFoundOrAskedFor() throws {
      let folder = try ImageFileTests.images(train: 12, test: 4, size: (8, 8))
      let usual = try train(folder, "set")
      #expect(usual.status == 0, "\(usual.errors)")
      let weights = try #require(result(folder, "run")["weights_sha256"] as? String)
      func rename(_ old: String, _ new: String) throws {
        try FileManager.default.moveItem(
          atPath: folder.path + "/set/" + old, toPath: folder.path + "/set/" + new)
      }
      try rename("train", "Training")
      try rename("test", "VALID")
      let named = try train(folder, "set", ["--force"], ranks: 2)
      #expect(named.errors.contains("36 training and 12 test samples, 3 classes"))
      #expect(try result(folder, "run")["weights_sha256"] as? String == weights)
      try rename("Training", "seen")
      try rename("VALID", "unseen")
      let set = ["--dataset", "folder", "--data", folder.path + "/set"]
      try expectRefusal(
        of: set + ["--output", folder.path + "/other"], status: 64,
        [
          "--splits is needed: the folders seen, unseen",
          "hold the same folders (blue, green, red)",
        ],
        fullRanks: [3])
      let asked = try train(folder, "set", ["--splits", "seen,unseen", "--force"])
      #expect(asked.status == 0, "\(asked.errors)")
      #expect(try result(folder, "run")["weights_sha256"] as? String == weights)
    }

    private func result(_ folder: TestFolder, _ run: String) throws -> [String: Any] {
      try #require(
        try JSONSerialization.jsonObject(with: try folder.bytes(run + "/result.json"))
          as? [String: Any])
    }

    /// What a model has learnt from is never asked about, whatever goes or comes.
    @Test func theHeldOutPartStaysWhenFilesGo() throws {
      let folder = try ImageFileTests.images(train: 30, test: nil, size: (8, 8))
      let outcome = try train(folder, "set")
      #expect(outcome.status == 0, "\(outcome.errors)")
      let samples = try lines(folder, "run/samples.csv")
      #expect(samples[0] == "index,path,label,class,split" && samples.count == 91)
      let learnt = Set(
        samples.filter { $0.hasSuffix(",train") }.map { $0.split(separator: ",")[1] })
      let held = samples.filter { $0.hasSuffix(",test") }.map { $0.split(separator: ",")[1] }
      // One that was learnt, one that was held out; and one more that is new.
      for path in [try #require(learnt.sorted().first), try #require(held.first)] {
        try FileManager.default.removeItem(atPath: folder.path + "/set/" + path)
      }
      let new = try folder.bytes("set/" + held[1])
      try folder.write("set/blue/new.png", new)
      let score = folder.path + "/scores.npy"
      let model = ["--weights", folder.path + "/run/model.safetensors"]
      let found = try meca(
        ranks: 2, ["score"] + model + ["--data", folder.path + "/set", "--output", score])
      #expect(found.status == 0, "\(found.errors)")
      let now = try lines(folder, "samples.csv").filter { $0.hasSuffix(",test") }
      let stays = now.map { $0.split(separator: ",")[1] }
      #expect(Set(stays).isDisjoint(with: learnt))
      #expect(Set(stays).subtracting(["blue/new.png"]) == Set(held.dropFirst()))
      let said = try meca(["evaluate"] + model + ["--data", folder.path + "/set"])
      #expect(said.errors.contains("files have come or gone since"), "\(said.errors)")
      #expect(said.output.contains("of \(stays.count) test samples"), "\(said.output)")
    }

    /// A folder that a model was not trained on has no part to be held out: all of it is measured.
    @Test func anotherFolderIsMeasuredWhole() throws {
      let folder = try ImageFileTests.images(train: 12, test: 4, size: (8, 8))
      #expect(try train(folder, "set").status == 0)
      let model = ["evaluate", "--weights", folder.path + "/run/model.safetensors", "--data"]
      let whole = try meca(model + [folder.path + "/set/train"])
      #expect(whole.output.contains("of 36 test samples"), "\(whole.output)\(whole.errors)")
    }

    @Test func classesAreMatchedByName() throws {
      let folder = try ImageFileTests.images(train: 12, test: 4, size: (8, 8))
      func rename(_ old: String, _ new: String, in set: String) throws {
        for split in ["train", "test"] {
          try FileManager.default.moveItem(
            atPath: "\(folder.path)/\(set)/\(split)/\(old)",
            toPath: "\(folder.path)/\(set)/\(split)/\(new)")
        }
      }
      // With an accent, as macOS writes names and as everybody else does.
      try rename("green", "vert-fonce\u{301}", in: "set")
      let outcome = try train(
        folder, "set", ["--attack", "badnets", "--poison-rate", "0.2", "--target", "red"])
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(outcome.errors.contains("target class 1 (red)"), "\(outcome.errors)")
      let figures = try result(folder, "run")
      #expect(figures["class_names"] as? [String] == ["blue", "red", "vert-fonce\u{301}"])
      let model = [
        "evaluate", "--weights", folder.path + "/run/model.safetensors", "--json", "--data",
      ]
      let own = try meca(model + [folder.path + "/set"])
      try FileManager.default.copyItem(
        atPath: folder.path + "/set", toPath: folder.path + "/composed")
      try rename("vert-fonce\u{301}", "vert-fonc\u{e9}", in: "composed")
      let composed = try meca(ranks: 2, model + [folder.path + "/composed"])
      #expect(composed.status == 0 && composed.output == own.output, "\(composed.errors)")
      try rename("red", "Crimson", in: "composed")
      try expectRefusal(
        of: model + [folder.path + "/composed"], status: 64,
        ["only in the data: Crimson", "only in the model: red"], fullRanks: [3])
    }

    /// The class folder `2` of twelve is class 4 by order, and `--target 2` means the folder.
    @Test func writtenFoldersSortAsLabelsDo() throws {
      let folder = try TestFolder()
      for number in 0..<12 {
        for (split, count) in [("train", 4), ("test", 2)] {
          for index in 0..<count {
            try folder.write(
              "set/\(split)/\(number)/\(index).png",
              Data(
                try encodePNG(
                  [UInt8](repeating: UInt8(number * 20 + index), count: 192),
                  shape: ImageShape(channels: 3, height: 8, width: 8))))
          }
        }
      }
      let written = try succeed([
        "poison", "--dataset", "folder", "--data", folder.path + "/set", "--attack", "badnets",
        "--target", "2", "--poison-rate", "0.2", "--output", folder.path + "/written",
      ])
      #expect(written.output.contains("target class 4 (2)"), "\(written.output)")
      let names = try FileManager.default.contentsOfDirectory(
        atPath: folder.path + "/written/train"
      ).sorted { Array($0.utf8).lexicographicallyPrecedes(Array($1.utf8)) }
      let rows = try lines(folder, "written/manifest.csv").dropFirst()
      #expect(rows.count > 0)
      for row in rows where row.contains(",train/") {
        let path = try #require(row.split(separator: ",").first { $0.hasPrefix("train/") })
        let place = names.firstIndex(of: String(path.split(separator: "/")[1]))
        let label = try #require(Int(row.split(separator: ",")[2]))
        #expect(place == label, "\(row)")
      }
    }

    @Test func otherKindsOfImagesAreWarnedOfAndEqualOnesToo() throws {
      let folder = try ImageFileTests.images(train: 12, test: 4, size: (8, 8))
      for name in ["a.gif", "b.tiff", "c.bmp"] { try folder.write("set/train/red/" + name, Data()) }
      let one = try folder.bytes("set/train/blue/0.png")
      for index in 0..<12 { try folder.write("set/train/blue/\(index).png", one) }
      let outcome = try train(folder, "set", ["--quiet"], ranks: 2)
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(
        outcome.errors.contains(
          "warning: 3 image files are of kinds that are not read, and are left out"))
      #expect(outcome.errors.contains("train/red: 1 .bmp, 1 .gif, 1 .tiff"), "\(outcome.errors)")
      #expect(
        outcome.errors.contains("warning: all training images of a class are the same: blue\n"))
      // In the run folder too, for those who read it later.
      let log = String(decoding: try folder.bytes("run/metrics.jsonl"), as: UTF8.self)
      #expect(log.contains("of kinds that are not read"))
    }

    /// Labels counted from 1, and a limit that leaves only the first classes of a sorted set.
    @Test func labelsThatLeaveClassesEmptyAreWarnedOf() throws {
      let folder = try TestFolder()
      for (name, count) in [("train", 48), ("test", 24)] {
        let images = (0..<count * 192).map { UInt8(truncatingIfNeeded: $0 &* 7) }
        let labels = (0..<count).map { 1 + $0 * 4 / count }
        try folder.write(
          "set/\(name)-images.npy",
          Data(NumpyHeader(element: .uint8, shape: [count, 3, 8, 8]).bytes + images))
        try folder.write(
          "set/\(name)-labels.npy",
          Data(
            NumpyHeader(element: .int64, shape: [count]).bytes
              + labels.flatMap { little(Int64($0)) }))
      }
      let set = ["--dataset", "npy", "--data", folder.path + "/set"]
      let outcome = try meca(
        ranks: 2,
        set + [
          "--train-limit", "30", "--width", "4", "--batch", "16", "--epochs", "1", "--defense",
          "none", "--output", folder.path + "/run",
        ])
      #expect(outcome.status == 0, "\(outcome.errors)")
      for line in [
        "warning: classes without a single sample: 0 (class 0); are labels counted from 0",
        "warning: classes with test samples and no training sample, which no model can learn: "
          + "4 (class 4)\n",
        "warning: classes with fewer than 10 training samples: 3 (class 3)\n",
      ] {
        #expect(outcome.errors.contains(line), "\(outcome.errors)")
      }
    }

    /// Names are shown, not obeyed: by terminals, by readers of lines, by spreadsheets.
    @Test func namesDoNothing() throws {
      let folder = try ImageFileTests.images(train: 12, test: 4, size: (8, 8))
      for split in ["train", "test"] {
        for (old, new) in [("red", "=SUM(1)\u{1b}[31m"), ("blue", "b\nl\u{202e}ue")] {
          try FileManager.default.moveItem(
            atPath: "\(folder.path)/set/\(split)/\(old)",
            toPath: "\(folder.path)/set/\(split)/\(new)")
        }
      }
      let outcome = try train(folder, "set")
      #expect(outcome.status == 0, "\(outcome.errors)")
      let evaluated = try meca([
        "evaluate", "--weights", folder.path + "/run/model.safetensors", "--data",
        folder.path + "/set",
      ])
      #expect(evaluated.status == 0 && evaluated.output.contains("SUM(1)"), "\(evaluated.errors)")
      for text in [outcome.output, outcome.errors, evaluated.output, evaluated.errors] {
        #expect(!text.contains("\u{1b}") && !text.contains("\u{202e}"))
        #expect(!text.contains("b\nl"))
      }
      let samples = try lines(folder, "run/samples.csv")
      #expect(samples.count == 1 + 36 + 12)
      #expect(!samples.contains { $0.split(separator: ",").contains { $0.hasPrefix("=") } })
    }

    /// The program's own folder among the class folders is no class, and the second run finds the
    /// same set.
    @Test func aRunFolderAmongTheDataIsNoClass() throws {
      let folder = try ImageFileTests.images(train: 12, test: nil, size: (8, 8))
      let inside = ["--output", folder.path + "/set/meca-run"]
      let first = try train(folder, "set", inside)
      let second = try train(folder, "set", inside)
      #expect(first.status == 0 && second.status == 0, "\(second.errors)")
      #expect(second.errors.contains("is the folder of a run of this program, and is ignored"))
      #expect(second.errors.contains("3 classes"))
    }

    @Test func aTildeIsTheHomeFolder() throws {
      let folder = try ImageFileTests.images(train: 12, test: 4, size: (8, 8))
      try folder.write("run.yaml", Data("output: ~/out\ndata: ~/set\ndataset: folder\n".utf8))
      let outcome = try runProgram(
        [
          try program(), "--config", folder.path + "/run.yaml", "--width", "4", "--batch", "16",
          "--epochs", "1", "--defense", "none",
        ], environment: rootMayRunMPI.merging(["HOME": folder.path]) { $1 }, timeout: soon)
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(folder.has("out/result.json"))
    }

    @Test func aLostFileOfCIFARIsSaid() throws {
      let folder = try BadInputTests.cifarFolder()
      try folder.write("set/data_batch_3.bin", BadInputTests.cifar([1, 2]))
      try expectFailure(
        ["--dataset", "cifar10", "--data", folder.path + "/set", "--width", "4"], status: 65,
        ["data_batch_2.bin"], fullRanks: [2], in: folder)
    }

    /// As in a container without SYS_PTRACE, where Open MPI complains of every copy between processes
    /// unless it is told to take another way.
    @Test func whereProcessesMayNotTouchEachOtherNothingIsSaid() throws {
      let folder = try TestFolder()
      func outcome(_ environment: [String: String]) throws -> ProgramOutcome {
        try runProgram(
          [
            try productsFolder() + "/meca-mpi-probe", "confined", "mpirun", "--oversubscribe", "-n",
            "2", try program(),
          ] + tinyModel + ["--defense", "none", "--no-oracle", "--output", folder.path + "/run"],
          environment: rootMayRunMPI.merging(environment) { $1 }, timeout: soon)
      }
      let usual = try outcome([:])
      #expect(usual.status == 0 && !usual.errors.contains("Read -1"), "\(usual.errors)")
      // What the user sets stays, and shows what would have been said.
      let set = try outcome(["OMPI_MCA_btl_vader_single_copy_mechanism": "cma"])
      #expect((set.errors + set.output).contains("Read -1"), "\(set.errors)")
    }

    @Test func processesThatSrunDoesNotConnectAreRefused() throws {
      let folder = try TestFolder()
      let outcome = try runProgram(
        [try program()] + tinyRun + ["--output", folder.path + "/run"],
        environment: ["SLURM_JOB_ID": "7", "SLURM_NTASKS": "4", "SLURM_STEP_ID": "0"],
        timeout: soon)
      expectOneLine(outcome, status: 64, ["srun has started 4 processes", "--mpi=pmix"])
      #expect(!folder.has("run"))
    }
  }
}

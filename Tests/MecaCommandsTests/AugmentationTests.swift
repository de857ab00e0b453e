import Foundation
import MecaTestSupport
import Testing

extension ProgramTests {
  /// Which models learn from changed images, and what the command line says of it.
  @Suite struct AugmentationTests {
    /// The lines of a dry run that concern augmentation.
    func plan(_ arguments: [String]) throws -> [String] {
      let outcome = try meca(arguments + ["--dry-run"], timeout: soon)
      #expect(outcome.status == 0, "\(outcome.errors)")
      let keys = ["augment", "crop-", "jitter", "affine-", "cutmix-"]
      return outcome.output.split(separator: "\n").map(String.init).filter { line in
        keys.contains { line.hasPrefix($0) }
      }
    }

    @Test func thePlanNamesWhatIsAppliedAndItsParameters() throws {
      let cifar = ["--dataset", "cifar10", "--data", "set"]
      #expect(try plan([]) == ["augment: none"])
      #expect(try plan(cifar + ["--attack", "badnets"]) == ["augment: crop,flip"])
      // The set may turn out to have been written with an attack.
      #expect(try plan(cifar) == ["augment: auto"])
      #expect(try plan(cifar + ["--augment", "none"]) == ["augment: none"])
      #expect(
        try plan(["--augment", "flip,crop", "--crop-padding", "2"])
          == ["augment: crop,flip", "crop-padding: 2"])
      let physical = [
        "augment: flip,jitter,affine", "jitter: 0.2,0.2,0.0", "affine-degrees: 10.0",
        "affine-translate: 0.1", "affine-scale: 0.8,0.9",
      ]
      #expect(try plan(["--augment", "physical"]) == physical)
      #expect(
        try plan([
          "--augment", "cutmix,jitter,affine", "--jitter", "0.1,0.3,1", "--affine-scale", "1,1.5",
          "--affine-degrees", "0", "--affine-translate", "0.25", "--cutmix-probability", "0.5",
          "--cutmix-alpha", "0.3",
        ]) == [
          "augment: jitter,affine,cutmix", "jitter: 0.1,0.3,1.0", "affine-degrees: 0.0",
          "affine-translate: 0.25", "affine-scale: 1.0,1.5", "cutmix-probability: 0.5",
          "cutmix-alpha: 0.3",
        ])
      #expect(try plan(["--augment", "jitter", "--jitter", "0.4"]).last == "jitter: 0.4,0.4,0.0")
    }

    @Test(arguments: [
      (
        ["--jitter", "0.3"],
        "--jitter is for --augment jitter, but this run augments with none: add jitter to "
          + "--augment, or leave --jitter out"
      ),
      (
        ["--augment", "crop,flip", "--affine-scale", "1,2"],
        "--affine-scale is for --augment affine, but this run augments with crop,flip: add affine "
          + "to --augment, or leave --affine-scale out"
      ),
      (["--augment", "flip", "--cutmix-alpha", "1"], "--cutmix-alpha is for --augment cutmix"),
      (["--augment", "crop,crop"], "'crop,crop'"), (["--augment", "crop,none"], "'crop,none'"),
      (["--augment", ""], "--augment"), (["--augment", "rotate"], "'rotate'"),
      (
        ["--augment", "jitter", "--jitter", "1,1,1,1"],
        "--jitter 1.0,1.0,1.0,1.0: must be one number, or two or three"
      ),
      (["--augment", "jitter", "--jitter", "2"], "--jitter 2.0: must be from 0 to 1"),
      (["--augment", "affine", "--affine-scale", "1"], "--affine-scale 1.0: must be two numbers"),
      (["--augment", "affine", "--affine-scale", "2,1"], "the smaller first"),
      (["--augment", "cutmix", "--cutmix-probability", "nan"], "--cutmix-probability nan"),
    ])
    func settingsThatMakeNoSenseAreSaid(arguments: [String], line: String) throws {
      try expectRefusal(
        of: arguments + ["--dry-run"], status: 64, [line], fullRanks: [0])
    }

    /// What only the images can tell; nothing is written before.
    @Test func aCropBeyondTheImageIsSaid() throws {
      try expectFailure(
        tinyRun + ["--augment", "crop", "--crop-padding", "32"], status: 64,
        ["--crop-padding 32: must be from 0 to 31, as the images have 32 pixels"], fullRanks: [2])
    }

    static let everything = ["--augment", "crop,flip,jitter,affine,cutmix"]

    /// The first law, with everything that is drawn.
    @Test func ranksAndThreadsNeverChangeAugmentedResults() throws {
      func weights(ranks: Int, threads: Int = 1, _ more: [String]) throws -> String {
        let folder = try TestFolder()
        let outcome = try meca(
          ranks: ranks,
          tinyModel + [
            "--poison-rate", "0.3", "--trigger-size", "14", "--defense", "none", "--no-oracle",
            "--threads", "\(threads)", "--output", folder.path,
          ] + more)
        #expect(outcome.status == 0, "\(outcome.errors)")
        return try #require(try result(folder)["weights_sha256"] as? String)
      }
      let alone = try weights(ranks: 1, Self.everything)
      let layouts = [(1, 2), (3, 2), (2, 1), (2, 2), (3, 1)]
      for (ranks, threads) in runsFull ? layouts : Array(layouts[..<2]) {
        #expect(
          try weights(ranks: ranks, threads: threads, Self.everything) == alone,
          "\(ranks) ranks x \(threads) threads")
      }
      // Each transformation shows in the weights.
      let single = try ["none", "crop", "flip", "jitter", "affine", "cutmix"].map {
        try weights(ranks: 2, ["--augment", $0])
      }
      #expect(Set(single + [alone]).count == 7)
    }

    /// Detectors learn from images as they are, to the last bit; all models that are kept do not.
    @Test func keptModelsAreAugmentedAndDetectorsAreNot() throws {
      let folder = try TestFolder()
      let outcome = try meca(tinyRun + Self.everything + ["--output", folder.path])
      #expect(outcome.status == 0, "\(outcome.errors)")
      let line = outcome.errors.split(separator: "\n").first { $0.hasPrefix("augmentation: ") }
      #expect(
        line == """
          augmentation: crop (padding 4), flip, jitter (brightness 0.2, contrast 0.2, saturation \
          0.0), affine (10.0 degrees, shift 0.1, scale 0.8 to 0.9), cutmix (probability 1.0, \
          alpha 1.0)
          """)
      let plain = try referenceRun.get()
      for (stage, isSame) in [
        ("meca.warm-up", true), ("meca.enhance", true), ("meca.confirm", true),
        ("undefended", false), ("meca.clean", false), ("meca.relearn", false),
        ("oracle.train", false),
      ] {
        let file = "checkpoints/\(stage).safetensors"
        #expect(try (folder.bytes(file) == plain.bytes(file)) == isSame, "\(stage)")
      }
      #expect(try folder.bytes("scores.npy") == plain.bytes("scores.npy"))
    }
  }
}

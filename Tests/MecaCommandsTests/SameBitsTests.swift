import MecaTensor
import MecaTestSupport
import Testing

extension ProgramTests {
  /// The first law: ranks and threads never change the result.
  @Suite struct SameBitsTests {
    struct Layout: Sendable, CustomTestStringConvertible {
      var ranks: Int
      var threads: Int
      var testDescription: String { "\(ranks) ranks x \(threads) threads" }
    }

    /// Ranks x threads; each engine has those that stand with it.
    static let layouts: [(EngineKind, Layout)] = EngineKind.available.enumerated().flatMap {
      number, engine in
      let all = [(1, 2), (2, 1), (2, 2), (3, 1), (5, 1), (8, 1)]
      return (runsFull ? all : number == 0 ? [(1, 2), (3, 1), (8, 1)] : [(2, 2), (5, 1)])
        .map { (engine, Layout(ranks: $0.0, threads: $0.1)) }
    }

    /// What one rank with one thread computes with each engine.
    static let alone: [EngineKind: Result<RunBits, any Error>] = Dictionary(
      uniqueKeysWithValues: EngineKind.available.map { engine in
        (engine, Result { try run(engine, Layout(ranks: 1, threads: 1)) })
      })

    static func run(
      _ engine: EngineKind, _ layout: Layout, _ more: [String] = []
    ) throws -> RunBits {
      let folder = try TestFolder()
      let outcome = try meca(
        ranks: layout.ranks,
        tinyRun + [
          "--engine", engine.rawValue, "--threads", "\(layout.threads)", "--output", folder.path,
        ] + more)
      #expect(outcome.status == 0, "\(outcome.errors)")
      let weights = try #require(try result(folder)["weights_sha256"] as? String)
      #expect(outcome.output.contains("weights_sha256 \(weights)\n"))
      #expect(try result(folder)["ranks"] as? Int == layout.ranks)
      return try RunBits(folder)
    }

    @Test(arguments: layouts)
    func ranksAndThreadsNeverChangeTheResult(engine: EngineKind, layout: Layout) throws {
      let alone = try #require(try Self.alone[engine]?.get())
      #expect(alone.suspectCount > 0)
      #expect(try Self.run(engine, layout) == alone)
    }

    /// Rounded operands too, on either engine; and they do change the result.
    @Test(arguments: EngineKind.available)
    func bfloat16KeepsItsBitsToo(engine: EngineKind) throws {
      do {
        _ = try makeEngine(engine, precision: .bf16)
      } catch EngineError.noBFloat16 {
        return
      }
      func weights(ranks: Int, _ precision: Precision) throws -> String {
        let folder = try TestFolder()
        let outcome = try meca(
          ranks: ranks,
          [
            "--defense", "none", "--no-oracle", "--width", "16", "--train-limit", "64",
            "--test-limit", "32", "--epochs", "1", "--engine", engine.rawValue, "--precision",
            precision.rawValue, "--output", folder.path,
          ])
        #expect(outcome.status == 0, "\(outcome.errors)")
        return try #require(try result(folder)["weights_sha256"] as? String)
      }
      let alone = try weights(ranks: 1, .bf16)
      for ranks in runsFull ? [2, 3, 5, 8] : [2, 5] {
        #expect(try weights(ranks: ranks, .bf16) == alone, "\(ranks) ranks")
      }
      #expect(try weights(ranks: 1, .fp32) != alone)
    }

    /// A width at which convolutions go through Winograd kernels, where the processor has them.
    @Test func wideNetworksKeepTheirBitsToo() throws {
      func weights(ranks: Int) throws -> String {
        let folder = try TestFolder()
        let outcome = try meca(
          ranks: ranks,
          [
            "--defense", "none", "--no-oracle", "--width", "64", "--train-limit", "64",
            "--test-limit", "32", "--epochs", "1", "--output", folder.path,
          ])
        #expect(outcome.status == 0, "\(outcome.errors)")
        return try #require(try result(folder)["weights_sha256"] as? String)
      }
      let alone = try weights(ranks: 1)
      for ranks in runsFull ? [2, 3, 8] : [3] {
        #expect(try weights(ranks: ranks) == alone, "\(ranks) ranks")
      }
    }

    /// Every stage with the other kind of network, its detectors with spare outputs among them.
    @Test func mobileNetKeepsItsBitsToo() throws {
      func run(ranks: Int) throws -> (bits: RunBits, folder: TestFolder) {
        let folder = try TestFolder()
        let outcome = try meca(
          ranks: ranks,
          tinyRun + [
            "--model", "mobilenetv2", "--train-limit", "64", "--test-limit", "32",
            "--warmup-epochs", "1", "--second-warmup-epochs", "0", "--confirm-epochs", "1",
            "--partition-rates", "0.3", "--output", folder.path,
          ])
        #expect(outcome.status == 0, "\(outcome.errors)")
        return (try RunBits(folder), folder)
      }
      let (alone, folder) = try run(ranks: 1)
      #expect(try run(ranks: 2).bits == alone)
      let stored = try meca([
        "evaluate", "--weights", folder.path + "/model.safetensors", "--train-limit", "64",
        "--test-limit", "32", "--json",
      ])
      #expect(stored.status == 0 && stored.output.contains("acc_per_class"), "\(stored.errors)")
    }

    /// Wide enough for a dozen buckets.
    @Test func theOverlapOfTheExchangeChangesNoBits() throws {
      func weights(_ layout: Layout, overlap: String) throws -> String {
        let folder = try TestFolder()
        let outcome = try meca(
          ranks: layout.ranks,
          [
            "--defense", "none", "--no-oracle", "--width", "32", "--train-limit", "128",
            "--test-limit", "32", "--epochs", "1", "--threads", "\(layout.threads)", "--overlap",
            overlap, "--verbose", "--output", folder.path,
          ])
        #expect(outcome.status == 0, "\(outcome.errors)")
        let epoch = try #require(try metrics(folder).first { $0["event"] as? String == "epoch" })
        let keys = [
          "reduce_bytes", "reduce_gb_per_s", "reduce_hidden_ms", "reduce_exposed_ms", "late_rank",
          "late_ms",
        ]
        #expect(keys.allSatisfy { (epoch[$0] != nil) == (layout.ranks > 1) }, "\(epoch)")
        #expect(outcome.errors.contains("; exchange ") == (layout.ranks > 1))
        if layout.ranks > 1 {
          let hidden = try #require(epoch["reduce_hidden_ms"] as? Double)
          #expect((hidden > 0) == (overlap == "on"))
        }
        return try #require(try result(folder)["weights_sha256"] as? String)
      }
      let alone = try weights(Layout(ranks: 1, threads: 1), overlap: "on")
      #expect(try weights(Layout(ranks: 2, threads: 1), overlap: "off") == alone)
      #expect(try weights(Layout(ranks: 2, threads: 1), overlap: "auto") == alone)
      for layout in runsFull ? [(2, 1), (2, 3), (3, 1), (5, 1), (8, 1)] : [(2, 3), (5, 1)] {
        let layout = Layout(ranks: layout.0, threads: layout.1)
        #expect(try weights(layout, overlap: "on") == alone, "\(layout)")
      }
    }

    /// No label can reach such a separation, so the first attempt flags nobody.
    @Test func aSecondAttemptIsMadeAndKeepsItsBits() throws {
      func run(ranks: Int, _ more: [String] = []) throws -> (TestFolder, ProgramOutcome) {
        let folder = try TestFolder()
        let outcome = try meca(
          ranks: ranks,
          tinyRun + [
            "--separation-threshold", "100", "--effort", "thorough", "--output", folder.path,
          ] + more)
        #expect(outcome.status == 0, "\(outcome.errors)")
        return (folder, outcome)
      }
      let phases = ["warm-up", "enhance", "confirm"].map {
        "checkpoints/meca.\($0)-again.safetensors"
      }
      let (alone, said) = try run(ranks: 1)
      #expect(said.errors.contains("a second attempt, with a longer warm-up"))
      #expect(phases.allSatisfy { alone.has($0) })
      let (three, _) = try run(ranks: 3)
      #expect(try RunBits(three) == RunBits(alone))
      let (once, _) = try run(ranks: 1, ["--effort", "normal"])
      #expect(!phases.contains { once.has($0) })
      #expect(try RunBits(once).scores != RunBits(alone).scores)
    }

    /// What pixels say, cell by cell on other ranks, and what detectors make of it: more ranks than
    /// cells, and a number that does not divide them.
    @Test func findingsKeepTheirBits() throws {
      func run(ranks: Int) throws -> (TestFolder, ProgramOutcome) {
        let folder = try TestFolder()
        let outcome = try meca(
          ranks: ranks,
          [
            "--train-limit", "600", "--test-limit", "70", "--width", "4", "--batch", "32",
            "--epochs", "1", "--no-undefended", "--no-oracle", "--warmup-epochs", "3",
            "--confirm-epochs", "2", "--relearn-epochs", "0", "--partition-rates", "0.3",
            "--output", folder.path,
          ])
        #expect(outcome.status == 0, "\(outcome.errors)")
        return (folder, outcome)
      }
      let (alone, said) = try run(ranks: 1)
      #expect(said.errors.contains("30 samples share a patch"), "\(said.errors)")
      // So little training confirms nothing; the samples are listed all the same.
      #expect(said.output.contains("verdict: suspected, not confirmed"))
      let detection = try #require(try result(alone)["detection"] as? [String: Any])
      #expect(detection["verdict"] as? String == "suspected")
      #expect(detection["unconfirmed"] as? Int == 30)
      #expect(try RunBits(alone).suspectCount == 30)
      for ranks in [3, 5] { #expect(try RunBits(run(ranks: ranks).0) == RunBits(alone)) }
    }

    /// Every defence, on as many ranks as there are shards and on counts that do not divide them.
    @Test(arguments: ["abl", "active", "fine-tuning", "clp", "none"])
    func everyDefenceKeepsItsBits(defense: String) throws {
      func run(ranks: Int) throws -> String {
        let folder = try TestFolder()
        let outcome = try meca(
          ranks: ranks,
          [
            "--train-limit", "150", "--test-limit", "70", "--width", "4", "--batch", "32",
            "--epochs", "2", "--augment", "crop,flip", "--poison-rate", "0.3", "--trigger-size",
            "14", "--no-oracle", "--defense", defense, "--output", folder.path,
          ] + (defense == "fine-tuning" ? ["--clean-reserve", "0.2"] : []))
        #expect(outcome.status == 0, "\(outcome.errors)")
        let files = ["suspects.csv", "scores.npy"].filter(folder.has)
        #expect(files.count == (["abl", "active"].contains(defense) ? 2 : 0))
        return try #require(try result(folder)["weights_sha256"] as? String)
          + files.map { try folder.bytes($0).base64EncodedString() }.joined()
      }
      let alone = try run(ranks: 1)
      for ranks in runsFull ? [2, 3, 5, 8] : [3, 8] {
        #expect(try run(ranks: ranks) == alone, "\(ranks) ranks")
      }
    }

    /// So that the comparison above can fail.
    @Test func anotherSeedOrLayoutOfTheStepGivesOtherBits() throws {
      let engine = EngineKind.available[0]
      let alone = try #require(try Self.alone[engine]?.get())
      let two = Layout(ranks: 2, threads: 1)
      for option in [["--seed", "2"], ["--data-seed", "1", "--seed", "2"], ["--shards", "4"]] {
        let other = try Self.run(engine, two, option)
        #expect(other.weights != alone.weights, "\(option)")
        #expect(other.scores != alone.scores, "\(option)")
      }
    }
  }
}

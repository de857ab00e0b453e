import Foundation
import MecaCommands
import MecaTestSupport
import Testing

/// What `--shards auto` chooses.
@Suite struct ShardLayoutTests {
  @Test(arguments: [
    (1, 8), (2, 8), (3, 12), (4, 8), (5, 10), (6, 12), (7, 14), (8, 8), (9, 18), (16, 16),
  ])
  func everyWorkerHasEquallyMany(workers: Int, shards: Int) {
    let layout = StepLayout(workers: workers)
    #expect(layout == StepLayout(batch: 8 * shards, shards: shards))
    #expect(layout.shards % workers == 0 && layout.shards % 2 == 0)
  }

  @Test func largeStepsHaveALargerRate() {
    #expect(StepLayout.usualRate(batch: 64) == 0.07 && StepLayout.usualRate(batch: 16) == 0.07)
    #expect(StepLayout.usualRate(batch: 256) == 0.14)
  }

  /// Of those alone that are larger than usual.
  @Test func fewLargeStepsAreWarnedOf() throws {
    func warning(_ batch: Int) -> String? {
      StepLayout.warning(samples: 10_000, batch: batch, epochs: 16)
    }
    #expect(StepLayout.warning(samples: 100, batch: 64, epochs: 1) == nil)
    #expect(warning(256) == nil, "640 steps")
    let words = try #require(warning(1024))
    #expect(words.contains("160 steps of 1024") && words.contains("--batch"))
  }

  @Test(arguments: ["8", "auto"]) func wordsAreReadBack(word: String) throws {
    #expect(try #require(ShardChoice(argument: word)).defaultValueDescription == word)
  }

  @Test func otherWordsAreRefused() {
    #expect(ShardChoice(argument: "many") == nil && ShardChoice(argument: "") == nil)
  }
}

extension ProgramTests {
  /// `--shards auto` on real ranks.
  @Suite struct AutomaticShardTests {
    private func layout(_ folder: TestFolder) throws -> [Int] {
      let record = try JSONSerialization.jsonObject(with: folder.bytes("run.json"))
      let plan = try #require((record as? [String: Any])?["plan"] as? [String: Any])
      let compute = try #require(plan["compute"] as? [String: Any])
      return ["batch", "shards"].compactMap { compute[$0] as? Int }
    }

    /// A run that begins on three ranks keeps their shards on two and on one, and its bits.
    @Test func aRunKeepsTheShardsItBeganWith() throws {
      let folder = try TestFolder()
      let run = [
        "--train-limit", "150", "--test-limit", "70", "--width", "4", "--epochs", "1", "--augment",
        "none", "--defense", "none", "--no-oracle", "--shards", "auto", "--output", folder.path,
      ]
      let first = try meca(ranks: 3, run)
      #expect(first.status == 0, "\(first.errors)")
      #expect(try layout(folder) == [96, 12])
      let bits = try result(folder)["weights_sha256"] as? String
      let second = try meca(ranks: 2, run)
      #expect(second.status == 0, "\(second.errors)")
      #expect(try layout(folder) == [96, 12])
      #expect(try result(folder)["weights_sha256"] as? String == bits)
      // Started anew it takes what suits the ranks that there are.
      let anew = try meca(ranks: 2, run + ["--force"])
      #expect(anew.status == 0, "\(anew.errors)")
      #expect(try layout(folder) == [64, 8])
      #expect(try result(folder)["weights_sha256"] as? String != bits)
    }
  }
}

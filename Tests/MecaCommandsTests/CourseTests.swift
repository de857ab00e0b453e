import Foundation
import MecaTestSupport
import Testing

extension ProgramTests {
  /// What a run writes down of its course and of its models.
  @Suite struct CourseTests {
    /// What the tests after each epoch gave, by stage and epoch.
    private func tests(_ folder: TestFolder) throws -> [String: [Double?]] {
      try metrics(folder).filter { $0["event"] as? String == "epoch" }.reduce(into: [:]) {
        tests, line in
        guard line["test_seconds"] != nil else { return }
        tests["\(line["stage"] ?? ""), \(line["epoch"] ?? "")"] =
          ["test_acc", "test_loss", "test_asr", "test_asr_samples"].map { line[$0] as? Double }
      }
    }

    /// On every rank the same, and of no bit of the result.
    @Test func testsAfterEpochsAreTheSameOnAnyRanks() throws {
      let reference = try referenceRun.get()
      let alone = try tests(reference)
      #expect(
        Set(alone.keys) == ["undefended, 1", "meca/clean, 1", "meca/relearn, 1", "oracle/train, 1"])
      #expect(alone.values.allSatisfy { $0.allSatisfy { $0 != nil } }, "\(alone)")
      let (three, none) = (try TestFolder(), try TestFolder())
      try succeed(ranks: 3, tinyRun + ["--threads", "2", "--output", three.path])
      #expect(try tests(three) == alone)
      try succeed(ranks: 2, tinyRun + ["--epoch-test", "0", "--output", none.path])
      #expect(try tests(none).isEmpty)
      #expect(try RunBits(none) == RunBits(reference))
      #expect(try RunBits(three) == RunBits(reference))
      let detectors = try metrics(reference).first {
        ($0["stage"] as? String)?.hasPrefix("meca/warm-up/detector") == true
      }
      #expect(detectors?["test_acc"] == nil && detectors?["learning_rate"] != nil)
    }
  }
}

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

    @Test func confusionSumsUpToTheClosingTable() throws {
      let folder = try referenceRun.get()
      let lines = String(decoding: try folder.bytes("confusion.csv"), as: UTF8.self)
        .split(separator: "\n")
      #expect(
        lines.first == "model,true_class,predicted_class,count,true_label,predicted_label")
      let rows = try #require(try result(folder)["rows"] as? [[String: Any]])
      #expect(rows.count == 4)
      for row in rows {
        let title = try #require(row["title"] as? String)
        let figures = try #require(row["figures"] as? [String: Any])
        let head = title.contains(",") ? "\"\(title)\"," : "\(title),"
        let own = lines.filter { $0.hasPrefix(head) }.map {
          $0.dropFirst(head.count).split(separator: ",")
        }
        let all = own.reduce(0) { $0 + (Int($1[2]) ?? 0) }
        let right = own.filter { $0[0] == $0[1] && $0[3] == $0[4] }.reduce(0) {
          $0 + (Int($1[2]) ?? 0)
        }
        #expect(all == figures["acc_samples"] as? Int && all == 70)
        #expect(Double(right) / Double(all) == figures["acc"] as? Double, "\(title)")
      }
    }
  }
}

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

    /// Before anything is trained, and once; also where a run goes on.
    @Test func pixelsAreLookedAtFirst() throws {
      let folder = try TestFolder()
      let run =
        tinyModel + [
          "--no-oracle", "--poison-rate", "0.3", "--trigger-size", "14", "--proposers", "patch",
          "--warmup-epochs", "2", "--confirm-epochs", "2", "--relearn-epochs", "1", "--output",
          folder.path,
        ]
      func stages() throws -> [String] {
        try metrics(folder).compactMap {
          $0["event"] as? String == "stage" ? $0["stage"] as? String : nil
        }
      }
      try succeed(ranks: 2, run)
      let all = try stages()
      #expect(all.prefix(3) == ["meca/findings", "undefended", "meca/warm-up"], "\(all)")
      #expect(Set(all).count == all.count, "\(all)")
      let again = try succeed(ranks: 3, run)
      #expect(
        (again.output + again.errors).components(separatedBy: "meca/findings: taken from").count
          == 2)
      #expect(try stages() == all)
    }

    /// The undefended model is the whole of it, and is asked once.
    @Test func withoutADefenceTheModelIsEvaluatedOnce() throws {
      let folder = try TestFolder()
      try succeed(
        ranks: 2, tinyModel + ["--defense", "none", "--no-oracle", "--output", folder.path])
      let models = try metrics(folder).filter { $0["event"] as? String == "model" }
      #expect(models.map { $0["model"] as? String } == ["undefended"])
      let rows = try #require(try result(folder)["rows"] as? [[String: Any]])
      #expect(rows.map { $0["title"] as? String } == ["undefended"])
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

    /// The spans of a trace, by track.
    private func spans(_ folder: TestFolder, _ name: String) throws -> [Int: [[String: Any]]] {
      let object = try #require(
        try JSONSerialization.jsonObject(with: try folder.bytes(name)) as? [String: Any])
      let events = try #require(object["traceEvents"] as? [[String: Any]])
      return Dictionary(grouping: events.filter { $0["ph"] as? String == "X" }) {
        $0["tid"] as? Int ?? 0
      }
    }

    /// Expects that spans of a track lie within or beside each other, as a viewer wants them.
    private func expectNested(_ spans: [[String: Any]]) throws {
      var open: [Double] = []
      for span in spans {
        let begin = try #require(span["ts"] as? Double)
        let end = begin + (try #require(span["dur"] as? Double))
        // Microseconds with three places, added up in doubles.
        while let last = open.last, last <= begin + 1e-3 { open.removeLast() }
        #expect(open.last.map { end <= $0 + 1e-3 } ?? true, "\(span)")
        open.append(end)
      }
    }

    @Test func aTraceHasATrackOfEveryRank() throws {
      let folder = try TestFolder()
      try succeed(
        ranks: 3,
        tinyRun + ["--output", folder.path, "--trace", folder.path + "/trace.json"])
      #expect(try RunBits(folder) == RunBits(try referenceRun.get()))
      let tracks = try spans(folder, "trace.json")
      #expect(Set(tracks.keys) == [1, 2, 3])
      for track in tracks.values {
        try expectNested(track)
        let names = Set(track.compactMap { $0["name"] as? String })
        for name in [
          "open the data", "undefended", "train undefended", "epoch 1", "test after epoch 1",
          "step 1", "compute", "exchange", "meca/enhance", "evaluate undefended",
        ] {
          #expect(names.contains(name), "\(name) of \(names)")
        }
      }
      let saves = tracks.mapValues { $0.count { $0["cat"] as? String == "save" } }
      #expect((saves[1] ?? 0) > 4 && saves[2] == 0, "\(saves)")
    }

    /// A run that is stopped leaves what it has; one that cannot write its trace says so at once.
    @Test func aStoppedRunLeavesItsTrace() throws {
      let folder = try TestFolder()
      let path = folder.path + "/trace.json"
      let outcome = try meca(
        ranks: 2,
        StoppingTests.training + [
          "--epochs", "4096", "--output", folder.path + "/run", "--deadline", "6s",
          "--deadline-margin", "0.03", "--trace", path,
        ])
      expectOneLine(outcome, status: 75, ["the deadline is near in undefended, epoch "])
      let tracks = try spans(folder, "trace.json")
      #expect(Set(tracks.keys) == [1, 2])
      #expect(tracks.values.allSatisfy { $0.contains { $0["name"] as? String == "epoch 1" } })
      try expectRefusal(
        of: tinyRun + ["--output", folder.path + "/other", "--trace", folder.path + "/no/t.json"],
        status: 74, [folder.path + "/no"], fullRanks: [2])
      let own = try folder.write("own.json", Data("{}".utf8))
      try expectRefusal(
        of: tinyRun + ["--output", folder.path + "/other", "--trace", own], status: 64,
        ["no trace of this program's"])
      #expect(try folder.bytes("own.json") == Data("{}".utf8))
    }
  }
}

import Foundation
import MecaTestSupport
import Testing

extension ProgramTests {
  /// From a verdict through a person's hands to a model and a cleaned set.
  @Suite struct StepByStepTests {
    private func rows(_ folder: TestFolder, _ name: String) throws -> [[Substring]] {
      String(decoding: try folder.bytes(name), as: UTF8.self).split(separator: "\n").map {
        $0.split(separator: ",", omittingEmptySubsequences: false)
      }
    }

    private func weights(_ folder: TestFolder, _ name: String) throws -> String? {
      let object = try JSONSerialization.jsonObject(with: folder.bytes(name + "/result.json"))
      return (object as? [String: Any])?["weights_sha256"] as? String
    }

    private func text(_ rows: [[Substring]]) -> Data {
      Data((rows.map { $0.joined(separator: ",") }.joined(separator: "\n") + "\n").utf8)
    }

    /// A set of image files, poisoned, and what is said to read it.
    private func set() throws -> [String] {
      let folder = try #require(writtenSets["png"]).get().path + "/set"
      return ["--dataset", "folder", "--data", folder, "--attack", "none"]
    }

    @Test func detectThenEditThenTrainThenClean() throws {
      let folder = try TestFolder()
      let run = folder.path + "/run"
      let detected = try succeed(
        ranks: 2, ["detect"] + tinyTraining + set() + ["--output", run])
      #expect(detected.output.contains("verdict: poisoned"), "\(detected.output)")
      #expect(detected.output.contains("next: edit "))
      let files = try FileManager.default.contentsOfDirectory(atPath: run)
      #expect(!files.contains("model.safetensors") && files.contains("report.html"))
      let page = String(decoding: try folder.bytes("run/report.html"), as: UTF8.self)
      #expect(page.contains("Verdict: poisoned") && !page.contains("Not finished"))
      let suspects = try rows(folder, "run/suspects.csv")
      let ranking = try rows(folder, "run/ranking.csv")
      #expect(ranking.count == 151 && ranking[0] == suspects[0] && suspects.count > 10)
      #expect(Set(ranking.dropFirst().map { $0[0] }).count == 150)
      #expect(Array(ranking[..<suspects.count]) == suspects)
      #expect(ranking[suspects.count...].allSatisfy { $0[4] == "kept" })

      // A person takes three lines out, and calls a fourth one kept.
      var edited = suspects
      edited.removeSubrange(1..<4)
      edited[1][4] = "kept"
      let list = try folder.write("edited.csv", text(edited))
      let left = suspects.count - 5
      let trained = try succeed(
        ranks: 3,
        tinyModel + set() + ["--exclude", list, "--output", folder.path + "/trained"])
      #expect(
        trained.errors.contains(
          "\(left) samples left out, 0 with a new label, \(150 - left) learnt"),
        "\(trained.errors)")
      let one = try succeed(
        tinyModel + set() + [
          "--exclude", list, "--no-undefended", "--output", folder.path + "/one",
        ])
      #expect(one.output.contains("listed samples"))
      #expect(try weights(folder, "trained") == weights(folder, "one"), "the same on any ranks")

      try succeed(["clean", run, "--suspects", list, "--output", folder.path + "/cleaned"])
      let links = try FileManager.default.subpathsOfDirectory(atPath: folder.path + "/cleaned")
        .filter { $0.hasSuffix(".png") }
      #expect(links.count == 150 - left)
      for link in links {
        let target = try FileManager.default.destinationOfSymbolicLink(
          atPath: folder.path + "/cleaned/" + link)
        #expect(FileManager.default.isReadableFile(atPath: target))
        #expect(target.hasSuffix("/" + link), "each at its place")
      }
      try succeed(
        ["clean", run, "--as", "list", "--output", folder.path + "/kept.csv"])
      #expect(try rows(folder, "kept.csv").count == 1 + 150 - (suspects.count - 1))

      // The same run goes on to its models.
      let whole = try succeed(tinyTraining + set() + ["--output", run])
      #expect(whole.errors.contains("meca/confirm: taken from its checkpoint"), "\(whole.errors)")
      #expect(folder.has("run/model.safetensors"))
    }

    @Test func newLabelsAreLearnt() throws {
      let folder = try TestFolder()
      let list = try folder.write("labels.csv", Data("3,ring\n5,0\n".utf8))
      let trained = try succeed(
        tinyModel + ["--attack", "none", "--relabel", list, "--output", folder.path + "/run"])
      #expect(trained.errors.contains("0 samples left out, 2 with a new label, 150 learnt"))
      let other = try folder.write("other.csv", Data("3,ring\n5,1\n".utf8))
      try succeed(
        tinyModel + ["--attack", "none", "--relabel", other, "--output", folder.path + "/other"])
      #expect(
        try weights(folder, "run") != weights(folder, "other"))
    }

    @Test func listsOfOtherSetsAreRefused() throws {
      let folder = try TestFolder()
      let lists: [(String, String)] = [
        ("index,path\n3,shapes/train#4\n", "entry 1: sample 3 is shapes/train#3 here"),
        ("3\n999\n", "entry 2: there is no sample 999; the set has 150"),
        ("path\nnobody.png\n", "no training sample is called nobody.png"),
        ("index,path\n\"3,x\n", "a quote is never closed"),
      ]
      for (number, (text, words)) in lists.enumerated() {
        let list = try folder.write("\(number).csv", Data(text.utf8))
        try expectRefusal(
          of: tinyModel + ["--exclude", list, "--output", folder.path + "/run"], status: 65,
          [words, list], fullRanks: [2])
      }
      try expectRefusal(
        of: ["--exclude", folder.path + "/none.csv"] + tinyModel
          + ["--output", folder.path + "/run"], status: 65, ["none.csv"])
      // Of another run: the path says so. And a verdict without new labels has none to learn.
      let samples = "index,path,label,class,split\n0,a/1.png,0,a,train\n1,a/2.png,0,a,train\n"
      _ = try folder.write("samples.csv", Data(samples.utf8))
      let other = try folder.write(
        "other.csv", Data("index,path,verdict\n1,b/2.png,suspect\n".utf8))
      try expectRefusal(
        of: ["clean", folder.path, "--suspects", other, "--output", folder.path + "/x"], status: 65,
        ["entry 1: sample 1 is a/2.png here, not b/2.png"])
      let given = try folder.write(
        "given.csv", Data("index,label,verdict,relabelled_as\n3,2,suspect,\n".utf8))
      try expectRefusal(
        of: tinyModel + ["--relabel", given, "--output", folder.path + "/run"], status: 65,
        ["entry 1: no new label"])
      let twice = try folder.write("twice.csv", Data("3,ring\n3,disc\n".utf8))
      try expectRefusal(
        of: tinyModel + ["--relabel", twice, "--output", folder.path + "/run"], status: 65,
        ["sample 3 is there twice"])
      try expectRefusal(
        of: ["detect", "--defense", "clp"], status: 64, ["clp judges no samples"])
      try expectRefusal(
        of: ["clean", folder.path, "--output", folder.path + "/x"], status: 65, ["suspects.csv"])
    }
  }
}

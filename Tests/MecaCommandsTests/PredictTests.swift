import Foundation
import MecaTestSupport
import Testing

extension ProgramTests {
  /// What a stored model says of image files.
  @Suite struct PredictTests {
    private func rows(_ text: String) -> [[Substring]] {
      text.split(separator: "\n").map { $0.split(separator: ",", omittingEmptySubsequences: false) }
    }

    /// Predictions of the test images are right as often as evaluation says, on any ranks.
    @Test func predictionsAreThoseOfTheEvaluation() throws {
      let run = try referenceRun.get()
      let set = try #require(writtenSets["png"]).get().path + "/set"
      let model = run.path + "/model.safetensors"
      let alone = try succeed(["predict", model, set + "/test", "--image-size", "32"])
      let found = rows(alone.output)
      #expect(found.first == ["path", "class", "probability"])
      #expect(found.count == 71)
      let right = found.dropFirst().count { row in
        // Folders are called 3-flower and the like.
        row[0].split(separator: "/").dropLast().last?.split(separator: "-", maxSplits: 1).last
          == row[1]
      }
      let figures = try #require(try result(run)["relearned"] as? [String: Any])
      #expect(Double(right) / 70 == figures["acc"] as? Double)
      #expect(found.dropFirst().allSatisfy { (0.1...1).contains(Double($0[2]) ?? 0) })
      let folder = try TestFolder()
      let many = try succeed(
        ranks: 3,
        ["predict", model, set + "/test", "--image-size", "32", "--output", folder.path + "/p.csv"])
      #expect(many.output.isEmpty)
      #expect(String(decoding: try folder.bytes("p.csv"), as: UTF8.self) == alone.output)
      let file = String(found[1][0])
      let one = try succeed(["predict", model, file, "--image-size", "32"])
      #expect(rows(one.output) == [found[0], found[1]])
    }

    @Test func whatCannotBePredictedIsSaid() throws {
      let run = try referenceRun.get()
      let model = run.path + "/model.safetensors"
      let folder = try TestFolder()
      try expectRefusal(
        of: ["predict", model, folder.path + "/none.png"], status: 65, ["none.png"])
      try expectRefusal(of: ["predict", model, folder.path], status: 64, ["holds no JPEG"])
      let bad = try folder.write("bad.png", Data("no picture".utf8))
      try expectRefusal(of: ["predict", model, bad], status: 65, ["bad.png"], fullRanks: [2])
      try expectRefusal(
        of: ["predict", folder.path + "/none.safetensors", bad], status: 65, ["none.safetensors"])
    }
  }
}

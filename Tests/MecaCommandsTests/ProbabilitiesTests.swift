import Foundation
import MecaFormats
import MecaTestSupport
import Testing

extension ProgramTests {
  /// `--probabilities`: what cross-fitted detectors say of every sample.
  @Suite struct ProbabilitiesTests {
    private func rows(_ path: String) throws -> [[Float]] {
      let bytes = try Data(contentsOf: URL(fileURLWithPath: path))
      let file = try NumpyFile(path: path)
      #expect(file.header.shape == [150, 10] && file.header.element == .float32)
      let values = bytes.suffix(150 * 10 * 4).withUnsafeBytes { buffer in
        (0..<1500).map {
          Float(
            bitPattern: UInt32(
              littleEndian: buffer.loadUnaligned(fromByteOffset: 4 * $0, as: UInt32.self)))
        }
      }
      return (0..<150).map { Array(values[$0 * 10..<($0 + 1) * 10]) }
    }

    /// The same numbers on 1 and 3 ranks, and verdict and weights as without them.
    @Test func probabilitiesAreWrittenAndChangeNothing() throws {
      let folder = try TestFolder()
      let own = try referenceRun.get()
      let detect = ["detect"] + tinyRun + ["--probabilities", "--output"]
      let one = try succeed(detect + [folder.path + "/one"])
      #expect(one.output.contains("probabilities.npy"))
      try succeed(ranks: 3, detect + [folder.path + "/three"])
      for name in ["probabilities.npy", "suspects.csv", "scores.npy"] {
        #expect(
          try folder.bytes("one/" + name) == folder.bytes("three/" + name), "\(name)")
      }
      #expect(try folder.bytes("one/scores.npy") == own.bytes("scores.npy"))
      let rows = try rows(folder.path + "/one/probabilities.npy")
      for row in rows {
        #expect(abs(row.reduce(0) { $0 + Double($1) } - 1) < 1e-6)
        #expect(row.allSatisfy { $0 >= 0 && $0 <= 1 })
      }
      #expect(Set(rows).count > 140, "each sample has its own")
      // Going on to the models, and from checkpoints alone.
      let whole = try succeed(tinyRun + ["--probabilities", "--output", folder.path + "/one"])
      #expect(whole.errors.contains("meca/confirm: taken from its checkpoint"))
      #expect(
        try folder.bytes("one/probabilities.npy") == folder.bytes("three/probabilities.npy"))
      #expect(
        try result(TestFolder(path: folder.path + "/one"))["weights_sha256"] as? String
          == result(own)["weights_sha256"] as? String)
    }

    /// Where pixels alone are asked and say nothing, detectors are warmed up for the probabilities.
    @Test func detectorsAreTrainedForThemWhereNobodyElseAsks() throws {
      let folder = try TestFolder()
      let quiet = tinyModel + ["--attack", "none", "--effort", "quick", "--warmup-epochs", "6"]
      try succeed(
        ranks: 2, ["detect"] + quiet + ["--probabilities", "--output", folder.path + "/with"])
      try succeed(["detect"] + quiet + ["--output", folder.path + "/without"])
      #expect(folder.has("with/probabilities.npy") && !folder.has("without/probabilities.npy"))
      #expect(try folder.bytes("with/scores.npy") == folder.bytes("without/scores.npy"))
      _ = try rows(folder.path + "/with/probabilities.npy")
    }

    @Test(arguments: [["--folds", "1"], ["--defense", "abl"], ["--exclude", "x"]])
    func whoeverHasLearntEverybodyIsNotAsked(options: [String]) throws {
      try expectFailure(
        tinyModel + options + ["--probabilities"], status: 64,
        ["--probabilities: --defense ", "asks no model about samples that it has not learnt"])
    }
  }
}

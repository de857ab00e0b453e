import Foundation
import MecaTestSupport
import Testing

extension ProgramTests {
  /// Curves beside the metrics.
  @Suite struct TensorBoardTests {
    /// What is compared of a line of the metrics.
    private struct MetricLine: Decodable {
      var stage, model: String?
      var epoch: Int?
      var loss, accuracy, acc, asr, testAcc, testAsr, imagesPerSecond: Double?

      /// Values by tag.
      var curves: [String: Double?] {
        [
          "train/loss": loss, "train/accuracy": accuracy, "test/acc": acc ?? testAcc,
          "test/asr": asr ?? testAsr,
          "train/images_per_second": imagesPerSecond,
        ]
      }
    }

    /// Every value of the metrics, as `CURVE TAG STEP VALUE`; of epochs that were repeated the last.
    private func expected(_ folder: TestFolder) throws -> Set<String> {
      // JSONSerialization gives other last bits than were written.
      let decoder = JSONDecoder()
      decoder.keyDecodingStrategy = .convertFromSnakeCase
      var values: [String: Float] = [:]
      for text in try folder.bytes("metrics.jsonl").split(separator: UInt8(ascii: "\n")) {
        let line = try decoder.decode(MetricLine.self, from: text)
        for (tag, value) in line.curves {
          guard let value else { continue }
          if let stage = line.stage, let epoch = line.epoch {
            values["\(stage) \(tag) \(epoch)"] = Float(value)
          } else if let model = line.model {
            values["models/\(model) \(tag) 0"] = Float(value)
          }
        }
      }
      return Set(values.map { "\($0) \($1)" })
    }

    private func found(_ folder: TestFolder) throws -> [String] {
      try readCurves(folder.path + "/events").flatMap { curve, tags in
        tags.filter { MetricLine().curves.keys.contains($0.key) }.flatMap { tag, points in
          points.map { "\(curve) \(tag) \($0.step) \($0.value)" }
        }
      }
    }

    /// A run on two ranks, then one that goes on behind a stage that was lost; the folder's curves are
    /// those of its metrics each time, and none is there twice.
    @Test func theCurvesAreThoseOfTheMetrics() throws {
      let folder = try TestFolder()
      let run = tinyTraining + tinyAttack + ["--tensorboard", "--output", folder.path]
      let outcome = try succeed(ranks: 2, run)
      #expect(outcome.errors.contains("tensorboard --logdir \(folder.path)/events"))
      let first = try found(folder)
      #expect(try Set(first) == expected(folder) && first.count == Set(first).count)
      #expect(first.contains { $0.hasPrefix("models/") && $0.contains("test/asr") })
      #expect(first.contains { $0.contains("/warm-up/detector 1 train/loss 8 ") }, "\(first)")
      try #expect(RunBits(folder) == RunBits(referenceRun.get()), "events change no bit")
      for stage in ["undefended", "meca.relearn"] {
        try FileManager.default.removeItem(
          atPath: folder.path + "/checkpoints/\(stage).safetensors")
      }
      let again = try succeed(run)
      #expect(!again.errors.contains("undefended: taken from its checkpoint"))
      let second = try found(folder)
      #expect(try Set(second) == expected(folder) && second.count == first.count)
      try succeed(run + ["--resume", "never"])
      let third = try found(folder)
      #expect(try Set(third) == expected(folder) && third.count == first.count)
    }

    /// Without the option there are none, and those of a run that is replaced go.
    @Test func curvesOfAReplacedRunGo() throws {
      let folder = try TestFolder()
      let run = tinyModel + ["--defense", "none", "--no-oracle", "--output", folder.path]
      try succeed(run + ["--tensorboard"])
      #expect(try !found(folder).isEmpty)
      try succeed(run + ["--seed", "3", "--force"])
      #expect(try found(folder).isEmpty)
    }
  }
}

import Foundation

/// The events of a run, from `metrics.jsonl`; lines that are none are left out, as where a run was
/// killed while it wrote.
struct MetricLines {
  /// An epoch of a training.
  struct Epoch {
    var stage: String
    var epoch: Int
    var loss: Double
    var accuracy: Double
    var imagesPerSecond: Double
  }

  /// Of all trainings, in turn; of one that was repeated after a kill its last repetition.
  private(set) var epochs: [Epoch] = []
  /// Stages that have ended, and the seconds that each took.
  private(set) var stages: [(name: String, seconds: Double)] = []
  /// Shares of the poisoned and of the clean samples that were marked, by moment.
  private(set) var moments: [(name: String, share: Double, poisoned: Double?, clean: Double?)] = []

  init(_ data: Data) {
    for line in data.split(separator: UInt8(ascii: "\n")) {
      guard let object = try? JSONSerialization.jsonObject(with: line) as? [String: Any],
        let event = object["event"] as? String
      else { continue }
      func number(_ key: String) -> Double? { (object[key] as? NSNumber)?.doubleValue }
      func text(_ key: String) -> String { object[key] as? String ?? "" }
      switch event {
      case "epoch":
        let epoch = Epoch(
          stage: text("stage"), epoch: Int(number("epoch") ?? 0), loss: number("loss") ?? .nan,
          accuracy: number("accuracy") ?? .nan, imagesPerSecond: number("images_per_second") ?? 0)
        epochs.removeAll { $0.stage == epoch.stage && $0.epoch >= epoch.epoch }
        epochs.append(epoch)
      case "stage":
        let name = text("stage")
        stages.removeAll { $0.name == name }
        stages.append((name, number("stage_seconds") ?? 0))
      case "observation":
        let name = text("moment")
        moments.removeAll { $0.name == name }
        moments.append(
          (name, number("share") ?? 0, number("share_poisoned"), number("share_clean")))
      default: break
      }
    }
  }
}

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
    /// What the model then made of test images, where it was asked.
    var testAccuracy: Double?
    var testSamples: Int?
    var attackSuccess: Double?
    var attackSamples: Int?
  }

  /// A training, or several that go on with the same model epoch by epoch.
  struct Course {
    var name: String
    var epochs: [Epoch]
    /// Whether the model was asked about test images.
    var isTested: Bool { epochs.contains { $0.testAccuracy != nil || $0.attackSuccess != nil } }
  }

  /// A number of all samples and, where the truth is known, of the poisoned and of the clean ones.
  struct ByTruth {
    var all: Double?
    var poisoned: Double?
    var clean: Double?
  }

  /// What a defence saw at a moment.
  struct Moment {
    var name: String
    /// What was counted.
    var what: String
    /// Shares of the samples that were marked.
    var shares: ByTruth
    /// Means of log10 of the samples' losses.
    var logLosses: ByTruth
  }

  /// Of all trainings, in turn; of one that was repeated after a kill its last repetition.
  private(set) var epochs: [Epoch] = []
  /// Stages that have ended, and the seconds that each took.
  private(set) var stages: [(name: String, seconds: Double)] = []
  /// What defences saw, in turn.
  private(set) var moments: [Moment] = []

  init(_ data: Data) {
    for line in data.split(separator: UInt8(ascii: "\n")) {
      guard let object = try? JSONSerialization.jsonObject(with: line) as? [String: Any],
        let event = object["event"] as? String
      else { continue }
      func number(_ key: String) -> Double? { (object[key] as? NSNumber)?.doubleValue }
      func whole(_ key: String) -> Int? { (object[key] as? NSNumber)?.intValue }
      func text(_ key: String) -> String { object[key] as? String ?? "" }
      func byTruth(_ key: String) -> ByTruth {
        ByTruth(
          all: number(key), poisoned: number(key + "_poisoned"), clean: number(key + "_clean"))
      }
      switch event {
      case "epoch":
        let epoch = Epoch(
          stage: text("stage"), epoch: whole("epoch") ?? 0, loss: number("loss") ?? .nan,
          accuracy: number("accuracy") ?? .nan, imagesPerSecond: number("images_per_second") ?? 0,
          testAccuracy: number("test_acc"), testSamples: whole("test_acc_samples"),
          attackSuccess: number("test_asr"), attackSamples: whole("test_asr_samples"))
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
          Moment(
            name: name, what: text("what"), shares: byTruth("share"),
            logLosses: byTruth("log10_loss")))
      default: break
      }
    }
  }

  /// The trainings, in the order in which they began.
  var courses: [Course] {
    epochs.reduce(into: []) { courses, epoch in
      let name = Self.course(of: epoch.stage)
      if let place = courses.firstIndex(where: { $0.name == name }) {
        courses[place].epochs.append(epoch)
      } else {
        courses.append(Course(name: name, epochs: [epoch]))
      }
    }
  }

  /// The name of a training without the number of a part of it, for example `abl/isolation` of
  /// `abl/isolation/further epoch 2`.
  private static func course(of stage: String) -> String {
    guard let slash = stage.lastIndex(of: "/") else { return stage }
    let member = stage[stage.index(after: slash)...]
    for kind in ["epoch ", "further epoch ", "round "]
    where member.hasPrefix(kind) && Int(member.dropFirst(kind.count)) != nil {
      return String(stage[..<slash])
    }
    return stage
  }
}

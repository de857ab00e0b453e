import Foundation
import MecaCore
import MecaTraining

/// Accuracy and attack success of one model, each with the number of samples it rests on.
public struct ModelFigures: Codable, Sendable {
  /// Correct predictions over clean test samples of all classes (ACC).
  public var accuracy: HitCount
  /// Triggered test samples of other classes taken for the target (ASR); of the source class alone
  /// where the attack has one; nil without an attack.
  public var attackSuccess: HitCount?
  /// For an attack on one source class: the same over all classes but the target.
  public var attackSuccessOnAll: HitCount?
  /// ACC of each class.
  public var accuracyPerClass: [HitCount]

  /// All values.
  public init(
    accuracy: HitCount, attackSuccess: HitCount?, attackSuccessOnAll: HitCount? = nil,
    accuracyPerClass: [HitCount]
  ) {
    self.accuracy = accuracy
    self.attackSuccess = attackSuccess
    self.attackSuccessOnAll = attackSuccessOnAll
    self.accuracyPerClass = accuracyPerClass
  }

  private enum Key: String, CodingKey {
    case acc, asr, accPerClass = "acc_per_class", accSamples = "acc_samples"
    case accPerClassSamples = "acc_per_class_samples"
    case asrSamples = "asr_samples", asrAll = "asr_all", asrAllSamples = "asr_all_samples"
  }

  /// Writes rates and the number of samples behind each.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    try container.encode(accuracy.rate, forKey: .acc)
    try container.encode(accuracy.count, forKey: .accSamples)
    try container.encodeIfPresent(attackSuccess?.rate, forKey: .asr)
    try container.encodeIfPresent(attackSuccess?.count, forKey: .asrSamples)
    try container.encodeIfPresent(attackSuccessOnAll?.rate, forKey: .asrAll)
    try container.encodeIfPresent(attackSuccessOnAll?.count, forKey: .asrAllSamples)
    try container.encode(accuracyPerClass.map(\.rate), forKey: .accPerClass)
    try container.encode(accuracyPerClass.map(\.count), forKey: .accPerClassSamples)
  }

  /// Reads what `encode(to:)` writes; of earlier versions the classes' numbers of samples are missing.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: Key.self)
    func count(_ rate: Double, of samples: Int) -> HitCount {
      HitCount(hits: Int((rate * Double(samples)).rounded()), count: samples)
    }
    accuracy = count(
      try container.decode(Double.self, forKey: .acc),
      of: try container.decode(Int.self, forKey: .accSamples))
    attackSuccess = try container.decodeIfPresent(Double.self, forKey: .asr).map {
      count($0, of: try container.decode(Int.self, forKey: .asrSamples))
    }
    attackSuccessOnAll = try container.decodeIfPresent(Double.self, forKey: .asrAll).map {
      count($0, of: try container.decode(Int.self, forKey: .asrAllSamples))
    }
    let rates = try container.decode([Double?].self, forKey: .accPerClass)
    let samples = try container.decodeIfPresent([Int].self, forKey: .accPerClassSamples) ?? []
    accuracyPerClass = zip(rates, samples).map { rate, samples in
      rate.map { count($0, of: samples) } ?? HitCount(hits: 0, count: 0)
    }
  }
}

/// A model's row in the closing table.
public struct ResultRow: Codable, Sendable {
  /// What people call the model.
  public var title: String
  /// Its figures.
  public var figures: ModelFigures

  /// All values.
  public init(title: String, figures: ModelFigures) {
    (self.title, self.figures) = (title, figures)
  }
}

/// Down to which rate the program finds a trigger of its own in a copy of the data.
public struct SelfTestFigures: Codable, Sendable, Equatable {
  /// Name of the attack that put it in.
  public var attack: String
  /// The smallest fraction of the set that was found; nil: not even the largest.
  public var smallestRate: Double?
  /// Samples that this was.
  public var samples: Int?

  /// All values.
  public init(attack: String, smallestRate: Double?, samples: Int?) {
    (self.attack, self.smallestRate, self.samples) = (attack, smallestRate, samples)
  }

  private enum CodingKeys: String, CodingKey {
    case attack, samples
    case smallestRate = "smallest_rate"
  }
}

/// The content of `result.json`; rates are fractions from 0 to 1.
public struct RunResult: Codable, Sendable {
  /// SHA-256 of the final model's weights and running statistics in torchvision's order.
  public var weightsSHA256: String
  /// Wall-clock seconds of this process, phases taken from checkpoints not counted.
  public var seconds: Double
  /// Number of ranks.
  public var ranks: Int
  /// Training throughput over the whole run, all ranks together.
  public var imagesPerSecond: Double
  /// Trained on everything as if it were clean.
  public var noDefense: ModelFigures?
  /// The model that the defence is judged by; of MeCa the one trained on what the detection left.
  public var defended: ModelFigures?
  /// After MeCa's flagged samples were relabelled and everything was learnt once more.
  public var relearned: ModelFigures?
  /// Trained on the truly clean samples.
  public var oracle: ModelFigures?
  /// Figures of the detection.
  public var detection: DetectionFigures?
  /// Whether the run was for the verdict, and has left no model; nil of others.
  public var isVerdictAlone: Bool?
  /// What the self-test found, where one was asked for.
  public var selfTest: [SelfTestFigures]?
  /// Name of the defence, as on the command line.
  public var defense: String
  /// All models of the defence by name.
  public var models: [String: ModelFigures] = [:]
  /// Names of the classes, in the order of their numbers.
  public var classNames: [String] = []
  /// The class that the backdoor leads to, where that is known.
  public var target: Int?

  /// The rows of the closing table, in the order in which the models came about.
  public var rows: [ResultRow] = []

  /// An empty result.
  public init(
    defense: String, weightsSHA256: String, seconds: Double, ranks: Int, imagesPerSecond: Double
  ) {
    self.defense = defense
    self.weightsSHA256 = weightsSHA256
    self.seconds = seconds
    self.ranks = ranks
    self.imagesPerSecond = imagesPerSecond
  }

  private enum CodingKeys: String, CodingKey {
    case seconds, ranks, defended, relearned, oracle, detection, defense, models, target, rows
    case classNames = "class_names"
    case selfTest = "self_test"
    case isVerdictAlone = "verdict_alone"
    case weightsSHA256 = "weights_sha256"
    case imagesPerSecond = "images_per_second"
    case noDefense = "no_defense"
  }
}

/// Writes `value` as sorted, indented JSON, whole or not at all.
///
/// - Ranks: local; rank 0 alone should call it.
public func writeJSON(_ value: some Encodable, to path: String) throws {
  let encoder = JSONEncoder()
  encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
  var data = try encoder.encode(value)
  data.append(UInt8(ascii: "\n"))
  try writeWhole(data, to: path)
}

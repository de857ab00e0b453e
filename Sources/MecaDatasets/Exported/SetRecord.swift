import Foundation
import MecaAttacks
import MecaCore
import MecaFormats

/// What a written set says of itself, `dataset.json`: the last file written, without which the set
/// is incomplete.
public struct SetRecord: Codable, Equatable, Sendable {
  /// Name of the file in a set's folder.
  public static let fileName = "dataset.json"

  /// Numbers of samples.
  public struct Counts: Codable, Equatable, Sendable {
    /// Training samples.
    public var train: Int
    /// Clean test samples.
    public var test: Int
    /// Test samples with the trigger.
    public var triggered: Int
    /// Training samples with the role `poison`.
    public var poison: Int
    /// Training samples with the role `cover`.
    public var cover: Int

    /// All values.
    public init(train: Int, test: Int, triggered: Int, poison: Int, cover: Int) {
      self.train = train
      self.test = test
      self.triggered = triggered
      self.poison = poison
      self.cover = cover
    }

    private enum CodingKeys: String, CodingKey {
      case train, test, poison, cover
      case triggered = "test_triggered"
    }
  }

  /// Version of this file's form, 1; its key tells it from other programs' files of that name.
  public var version = 1
  /// How the images are stored.
  public var format: SetFormat
  /// Name, classes, size of the images, normalisation.
  public var facts: SetFacts
  /// Numbers of samples.
  public var counts: Counts
  /// Poisoned and cover samples as fractions of the training set, as reached.
  public var poisonRate: Double
  /// Cover samples as a fraction of the training set, as reached.
  public var coverRate: Double
  /// The attack; nil for a clean set.
  public var attack: AttackConfiguration?
  /// Class that the triggers lead to; nil for a clean set.
  public var target: Int?
  /// The folder of each class in PNG sets; nil in those of earlier versions, whose folders bear the
  /// classes' names alone.
  public var classFolders: [String]?
  /// Version of the program that wrote the set.
  public var program: String
  /// SHA-256 of `manifest.csv`.
  public var manifestSHA256: String

  private enum CodingKeys: String, CodingKey {
    case format, counts, attack, target, program
    case version = "meca_dist_set"
    case poisonRate = "poison_rate"
    case coverRate = "cover_rate"
    case manifestSHA256 = "manifest_sha256"
    case classFolders = "class_folders"
    case sha256
  }

  /// The record of a set that was just written.
  public init(
    format: SetFormat, facts: SetFacts, counts: Counts, attack: AttackConfiguration?,
    target: Int?, program: String, manifestSHA256: String
  ) {
    self.format = format
    self.facts = facts
    self.counts = counts
    let all = Double(max(1, counts.train))
    poisonRate = Double(counts.poison) / all
    coverRate = Double(counts.cover) / all
    self.attack = attack
    self.target = target
    self.program = program
    classFolders = format == .png ? orderedFolderNames(facts.classNames) : nil
    self.manifestSHA256 = manifestSHA256
  }

  /// Reads what `encode(to:)` writes.
  public init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    version = try container.decode(Int.self, forKey: .version)
    format = try container.decode(SetFormat.self, forKey: .format)
    facts = try SetFacts(from: decoder)
    counts = try container.decode(Counts.self, forKey: .counts)
    poisonRate = try container.decode(Double.self, forKey: .poisonRate)
    coverRate = try container.decode(Double.self, forKey: .coverRate)
    attack = try container.decodeIfPresent(AttackConfiguration.self, forKey: .attack)
    target = try container.decodeIfPresent(Int.self, forKey: .target)
    program = try container.decode(String.self, forKey: .program)
    classFolders = try container.decodeIfPresent([String].self, forKey: .classFolders)
    manifestSHA256 = try container.decode(String.self, forKey: .manifestSHA256)
  }

  /// Writes everything on one level, with the facts.
  public func encode(to encoder: any Encoder) throws {
    try facts.encode(to: encoder)
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(version, forKey: .version)
    try container.encode(format, forKey: .format)
    try container.encode(counts, forKey: .counts)
    try container.encode(poisonRate, forKey: .poisonRate)
    try container.encode(coverRate, forKey: .coverRate)
    try container.encodeIfPresent(attack, forKey: .attack)
    try container.encodeIfPresent(target, forKey: .target)
    try container.encode(program, forKey: .program)
    try container.encodeIfPresent(classFolders, forKey: .classFolders)
    try container.encode(manifestSHA256, forKey: .manifestSHA256)
    try container.encode(Self.noDigest, forKey: .sha256)
  }

  /// What stands for the file's own digest while that is computed.
  static let noDigest = String(repeating: "0", count: 64)

  /// The file's content: sorted, indented JSON whose `sha256` is that of the file with 64 zeros in
  /// its place.
  public func fileContent() throws -> [UInt8] {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
    let content = [UInt8](try encoder.encode(self)) + [UInt8(ascii: "\n")]
    let place = content.ranges(of: Array(Self.noDigest.utf8)).last!
    var digest = SHA256Digest()
    digest.update(content)
    return Array(content[..<place.lowerBound]) + digest.hexadecimal().utf8
      + content[place.upperBound...]
  }
}

import MecaCore
import MecaImages

/// A record of BackdoorBench, over the clean set that it was made of.
public struct BackdoorBenchFormat: DatasetFormat {
  /// Where the clean set lies and how it is read.
  public struct Settings: SettingsTable {
    /// Where the clean images are that the record changes.
    public var baseData: String?
    /// How those are read; nil for the format that the record names.
    public var baseDataset: String?
    /// Label of the poisoned samples, for a record that does not tell it.
    public var recordTarget: Int?
    /// Rows and columns of the clean images, where they are image files; nil for the usual ones.
    public var imageSize: Int?
    /// How those are brought to size; nil for the usual way.
    public var imageFit: ImageFit?

    /// The defaults.
    public init() {}

    /// All of them.
    public static let table: [Setting<Settings>] = [
      .text(
        "base-data", \.baseData, allowed: "a folder or file", otherwise: "none",
        "Where the clean images are that the record changes."),
      .text(
        "base-dataset", \.baseDataset, allowed: "the name of a format",
        otherwise: "that which the record names", "How those are read, as for --dataset."),
      .integer(
        "record-target", \.recordTarget, 0...65_535, otherwise: "attack_result.pt of the record",
        "Label of the poisoned samples, for a record whose attack_result.pt cannot be read."),
      .integer(
        "image-size", \.imageSize, 1...ImageFileSettings.largest, otherwise: "the clean set's",
        "Rows and columns of the clean images, where they are image files."),
      .choice(
        "image-fit", \.imageFit, otherwise: "the clean set's", "How those are brought to size."),
    ]

    /// Refuses a format that no record can be read over.
    public func validate() throws {
      guard let baseDataset else { return }
      let names = Formats.all.filter { $0.facts.mayBeChanged }.map { $0.facts.name }
      guard names.contains(baseDataset) else {
        throw SettingError(
          setting: "base-dataset", value: baseDataset,
          allowed: "one of " + names.joined(separator: ", "))
      }
    }
  }

  /// What people should know.
  public static let facts = FormatFacts(
    name: "backdoorbench",
    sentence: "A record of BackdoorBench, over the clean set that it was made of.",
    source: "https://github.com/SCLBD/BackdoorBench",
    place: .folder(with: "a record of BackdoorBench"), holdsAnySet: true)

  /// Its settings.
  public let settings: Settings

  /// Makes it.
  public init(_ settings: Settings) { self.settings = settings }

  /// BackdoorBench's names of the sets that it changes.
  private static let formats = [
    "cifar10": CIFAR10Format.facts.name, "cifar100": CIFAR100Format.facts.name,
    "tiny": TinyImageNetFormat.facts.name,
  ]

  /// The record, and what to make of it once the clean set is there.
  public func open(_ place: DataPlace) throws -> Opening {
    let record = try BackdoorBenchRecord(place.path, target: settings.recordTarget)
    guard let format = settings.baseDataset ?? record.origin.flatMap({ Self.formats[$0] }) else {
      throw MissingSetting(
        setting: "base-dataset",
        problem: "\(record.folder) was made of "
          + (record.origin.map { "the set \($0)" } ?? "a set not named")
          + "; say how its clean images are read")
    }
    guard let path = settings.baseData else {
      throw MissingSetting(
        setting: "base-data",
        problem: "a record of BackdoorBench holds only what was changed; name the folder with the "
          + "clean \(format) images")
    }
    var base = place
    base.path = path
    var files: [String: String] = [:]
    if Formats.named(format)?.settingNames.contains("image-size") == true {
      files["image-size"] = settings.imageSize.map { "\($0)" }
      files["image-fit"] = settings.imageFit?.rawValue
    }
    return .over(BaseSet(format: format, place: base, settings: files)) {
      try sets(of: record, over: $0, format: format, place, base: path)
    }
  }

  private func sets(
    of record: BackdoorBenchRecord, over base: OpenedBase, format: String, _ place: DataPlace,
    base path: String
  ) throws -> FoundSets {
    guard base.training.groundTruth == nil else {
      throw SettingError(
        setting: "base-data", value: path,
        allowed: "a clean set, which a record changes; a poisoned one is there")
    }
    if let count = record.classCount, count != base.training.classNames.count {
      throw FileError.malformed(
        path: record.folder,
        reason: "was made of a set of \(count) classes, \(path) has "
          + "\(base.training.classNames.count)")
    }
    let changed =
      format == TinyImageNetFormat.facts.name
      ? try record.renumbered(forTinyImageNet: path, training: base.training, test: base.test)
      : record
    let training = try BackdoorBenchSet(
      changed, base: base.training, isLimited: place.trainLimit != nil)
    let triggered = try changed.target.flatMap { target in
      try BackdoorBenchTestSet(
        changed, base: base.test, target: target, isLimited: place.testLimit != nil)
    }
    var sets = FoundSets(training: training, test: base.test)
    sets.checks.append(
      SharedCheck(count: training.pictureCount) { try training.verifyPictures($0) })
    if let triggered {
      sets.triggered = FoundTriggered(
        set: triggered, target: changed.target ?? 0, testIndices: triggered.testIndices)
      sets.checks.append(SharedCheck(count: triggered.count) { try triggered.verifyPictures($0) })
    }
    if record.target == nil {
      sets.warnings.append(
        "\(record.folder): its poisons have several labels (all-to-all); no attack success rate is "
          + "measured")
    }
    if changed.ambiguousCount > 0 {
      sets.notes.append(
        "\(changed.ambiguousCount) changed samples of the target class count as covers; the record "
          + "does not tell which of them are poisons")
    }
    return sets
  }
}

import MecaCore

/// The built-in set.
public struct ShapesFormat: DatasetFormat {
  /// Seed of the images.
  public struct Settings: SettingsTable {
    /// Seed of the images.
    public var seed = DataSeedSetting()

    /// The defaults.
    public init() {}

    /// All of them.
    public static let table: [Setting<Settings>] = DataSeedSetting.table.map {
      $0.called($0.name, "Seed of the images.").within(\.seed)
    }
  }

  /// What people should know.
  public static let facts = FormatFacts(
    name: "shapes", sentence: "Built in: ten kinds of shapes, drawn; needs no file.",
    place: .nowhere, isDemonstration: true)

  /// Its settings.
  public let settings: Settings

  /// Makes it.
  public init(_ settings: Settings) { self.settings = settings }

  /// Samples at most; 3 GiB of pixels.
  public static let mostSamples = 1_000_000

  /// The set, to be drawn.
  public func open(_ place: DataPlace) throws -> Opening {
    for (setting, value) in [("train-limit", place.trainLimit), ("test-limit", place.testLimit)] {
      guard let value, value > Self.mostSamples else { continue }
      throw SettingError(
        setting: setting, value: "\(value)",
        allowed: "\(Self.mostSamples) at most for shapes, which is made in memory")
    }
    let seed = settings.seed.value ?? place.seed
    var sets = FoundSets(
      training: ShapesSet(seed: seed, split: .train, count: place.trainLimit),
      test: ShapesSet(seed: seed, split: .test, count: place.testLimit))
    sets.isDrawn = true
    return .sets(sets)
  }
}

import MecaCore

/// Settings of a format that has none.
public struct NoFormatSettings: SettingsTable {
  /// Nothing.
  public init() {}
  /// Nothing.
  public static var table: [Setting<NoFormatSettings>] { [] }
}

/// The seed of what a format draws.
public struct DataSeedSetting: SettingsTable {
  /// The seed; nil for the run's.
  public var value: UInt64?

  /// The run's.
  public init() {}

  /// The seed alone.
  public static let table: [Setting<DataSeedSetting>] = [
    .seed("data-seed", \.value, otherwise: "--seed", "Seed of what is drawn.")
  ]
}

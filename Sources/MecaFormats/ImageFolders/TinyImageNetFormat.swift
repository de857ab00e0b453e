import MecaCore

/// Tiny ImageNet in its original layout, or an excerpt of its classes.
public struct TinyImageNetFormat: DatasetFormat {
  /// How its files are read.
  public struct Settings: SettingsTable {
    /// 64 pixels.
    public var files = ImageFileSettings(size: 64, fit: .cover)

    /// The defaults.
    public init() {}

    /// All of them.
    public static let table: [Setting<Settings>] = ImageFileSettings.table.map {
      $0.within(\.files)
    }
  }

  /// What people should know.
  public static let facts = FormatFacts(
    name: "tiny-imagenet",
    sentence: "Tiny ImageNet in its original layout, or an excerpt of its classes.",
    source: "Le and Yang 2015", place: .folder(with: "wnids.txt, train and val"),
    mayBeChanged: true)

  /// Its settings.
  public let settings: Settings

  /// Makes it.
  public init(_ settings: Settings) { self.settings = settings }

  /// The files, with the constants in general use.
  public func open(_ place: DataPlace) throws -> Opening {
    .files(
      FoundFiles(
        try listTinyImageNet(place.path), settings.files,
        statistics: ([0.4802, 0.4481, 0.3975], [0.2302, 0.2265, 0.2262])))
  }
}

import MecaCore

/// Imagenette, any of its archives.
public struct ImagenetteFormat: DatasetFormat {
  /// How its files are read.
  public struct Settings: SettingsTable {
    /// 224 pixels, as ImageNet is usually cut.
    public var files = ImageFileSettings(size: 224, fit: .margin)

    /// The defaults.
    public init() {}

    /// All of them.
    public static let table: [Setting<Settings>] = ImageFileSettings.table.map {
      $0.within(\.files)
    }
  }

  /// What people should know.
  public static let facts = FormatFacts(
    name: "imagenette", sentence: "Imagenette, any of its archives.",
    source: "https://github.com/fastai/imagenette", place: .folder(with: "train and val"))

  /// Its settings.
  public let settings: Settings

  /// Makes it.
  public init(_ settings: Settings) { self.settings = settings }

  /// The files, with ImageNet's constants.
  public func open(_ place: DataPlace) throws -> Opening {
    .files(
      FoundFiles(
        try listImagenette(place.path), settings.files,
        statistics: ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225])))
  }
}

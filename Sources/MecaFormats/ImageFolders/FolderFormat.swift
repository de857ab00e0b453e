import MecaCore

/// Image files in a folder for each class.
public struct FolderFormat: DatasetFormat {
  /// How its files are read and split.
  public struct Settings: SettingsTable {
    /// The size that all files have.
    public var files = ImageFileSettings()
    /// Share of each class to hold out, an error where a folder has test images; nil for the usual
    /// one.
    public var testShare: Double?
    /// Share that is usual where a folder has no test images; a stored model's run may have had
    /// another than everybody's.
    public var usualTestShare = FolderFormat.usualTestShare
    /// Which folders are splits.
    public var splits = SplitChoice.usualNames
    /// Which they were for a stored model's run: for folders in which they are there.
    public var storedSplits: SplitChoice?
    /// Seed of the choice of held-out images.
    public var seed = DataSeedSetting()

    /// The defaults.
    public init() {}

    /// All of them.
    public static let table: [Setting<Settings>] =
      ImageFileSettings.table.map { $0.within(\.files) } + [
        .real(
          "test-share", \.testShare, 1e-9...(1 - 1e-9), words: "more than 0 and below 1",
          otherwise: "\(FolderFormat.usualTestShare) of each class where there are no test images",
          "Share of each class to hold out where a folder has no test images."),
        Setting(
          "splits",
          "Which folders hold training and test images, as TRAIN,TEST; none: all folders are classes.",
          symbol: nil, allowed: splits,
          read: { .text($0.splits.text) },
          write: { settings, text in
            guard let choice = SplitChoice(text) else {
              throw SettingError(setting: "splits", value: text, allowed: splits)
            }
            settings.splits = choice
          }),
      ]
      + DataSeedSetting.table.map {
        $0.called($0.name, "Seed of the choice of held-out images.").within(\.seed)
      }

    private static let splits =
      "names of one or two folders with a comma between them, none, or auto for the usual names"
  }

  /// Share of a class that is held out where nothing else is said.
  public static let usualTestShare = 0.2

  /// What people should know.
  public static let facts = FormatFacts(
    name: "folder", sentence: "Image files in a folder for each class.",
    place: .folder(with: "a folder of images for each class"), holdsAnySet: true,
    mayBeWritten: true)

  /// Its settings.
  public let settings: Settings

  /// Makes it.
  public init(_ settings: Settings) { self.settings = settings }

  /// The share that a stored run held out is usual, and no wish.
  public static func settings(storedAs stored: (_ name: String) -> String?) throws -> Settings {
    var settings = try Settings(storedAs: stored)
    // Another folder need not have that run's folders.
    if case .folders = settings.splits {
      (settings.storedSplits, settings.splits) = (settings.splits, .usualNames)
    }
    settings.usualTestShare = settings.testShare ?? settings.usualTestShare
    settings.testShare = nil
    return settings
  }

  /// The files.
  public func open(_ place: DataPlace) throws -> Opening {
    .files(
      FoundFiles(
        try listClassFolders(
          place.path,
          part: HeldOutPart(
            share: settings.testShare ?? settings.usualTestShare,
            seed: settings.seed.value ?? place.seed),
          testShareIsGiven: settings.testShare != nil, splits: splits(in: place.path),
          isWhole: place.isWhole, record: place.heldOut), settings.files))
  }

  /// What is said of the splits; a stored model's where the folder has them.
  private func splits(in folder: String) -> SplitChoice {
    guard settings.splits == .usualNames, let stored = settings.storedSplits,
      case .folders(let train, let test) = stored
    else { return settings.splits }
    let isThere = [train, test].compactMap(\.self).allSatisfy { name in
      status(of: Array("\(folder)/\(name)".utf8)) != nil
    }
    return isThere ? stored : .usualNames
  }
}

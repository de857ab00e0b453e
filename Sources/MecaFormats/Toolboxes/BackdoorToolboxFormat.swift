import MecaCore
import MecaImages

/// A poisoned set of backdoor-toolbox.
///
/// The normalisation constants are those that the toolbox has for the data set, or of all training
/// images where it is another, with a limit too. There are no triggered test images: the toolbox
/// puts triggers in when it tests.
public struct BackdoorToolboxFormat: DatasetFormat {
  /// Where its test images lie.
  public struct Settings: SettingsTable {
    /// Folder of the test images; nil for the toolbox's own place.
    public var testData: String?

    /// The defaults.
    public init() {}

    /// All of them.
    public static let table: [Setting<Settings>] = [
      .text(
        "test-data", \.testData, allowed: "a folder",
        otherwise: "clean_set/NAME/test_split of the toolbox that the set is in",
        "Folder with the test images.")
    ]
  }

  /// What people should know.
  public static let facts = FormatFacts(
    name: "backdoor-toolbox", sentence: "A poisoned set of backdoor-toolbox.",
    source: "https://github.com/vtu81/backdoor-toolbox",
    place: .folder(with: "imgs and labels of one attack"), holdsAnySet: true)

  /// Its settings.
  public let settings: Settings

  /// Makes it.
  public init(_ settings: Settings) { self.settings = settings }

  /// Both splits.
  public func open(_ place: DataPlace) throws -> Opening {
    let folder = try BackdoorToolboxFolder(place.path, testFolder: settings.testData)
    var sets = FoundSets(
      training: folder.training.prefix(place.trainLimit),
      test: folder.test.prefix(place.testLimit))
    if folder.hasUsualNormalisation {
      sets.notes.append(
        "images are scaled as is usual for \(folder.origin), which the folder around the set says")
    } else {
      sets.measured = folder.training
    }
    let doubled = ["imgs", "labels", "poison_indices", "cover_indices"].filter {
      isThere("\(place.path)/\($0)") && isThere("\(place.path)/\($0).npy")
    }
    if !doubled.isEmpty {
      sets.warnings.append(
        "of files that are there twice the NumPy arrays are read: "
          + doubled.map { $0 + ".npy" }.joined(separator: ", "))
    }
    sets.checks = [folder.training, folder.test].map { set in
      SharedCheck(count: set.count) { try set.verifyImages(of: $0) }
    }
    if folder.training.groundTruth != nil {
      sets.notes.append(
        "backdoor-toolbox does not keep the labels that poisons had before: their given label "
          + "stands in for it")
    }
    return .sets(sets)
  }
}

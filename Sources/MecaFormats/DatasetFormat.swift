import MecaCore
import MecaImages

/// A format of data sets: how what lies in a folder or file becomes labelled images.
///
/// A file of its own for each. A format finds and checks what one process can find and check alone;
/// what ranks do together (sharing the work, comparing what they have found, leaving out what cannot
/// be read) is done for all formats alike by `MecaDatasets`.
///
/// To add one: its file, and its line in `Formats`.
public protocol DatasetFormat: Sendable {
  /// Its settings beside the place and the limits; their defaults are `Settings()`.
  associatedtype Settings: SettingsTable
  /// What people and programs should know of it.
  static var facts: FormatFacts { get }
  /// The settings that a stored model's run had, as its file says them, for what is usual now.
  ///
  /// - Parameter stored: the value of a setting, by its name; nil for one that is not known.
  /// - Throws: `SettingError` for a value that cannot be.
  static func settings(storedAs stored: (_ name: String) -> String?) throws -> Settings
  /// The settings that it was made with.
  var settings: Settings { get }
  /// Makes it.
  init(_ settings: Settings)
  /// Finds the images and labels.
  ///
  /// - Ranks: local; the same files give the same answer everywhere.
  /// - Throws: `FileError` that names the file, `SettingProblem`, `UsageError`.
  func open(_ place: DataPlace) throws -> Opening
}

extension DatasetFormat {
  /// The names of its settings.
  public static var settingNames: [String] { Settings.names }

  /// The defaults, with every setting that is known in their place.
  public static func settings(
    storedAs stored: (_ name: String) -> String?
  ) throws -> Settings {
    try Settings(storedAs: stored)
  }
}

extension SettingsTable {
  /// The defaults, with every setting that is known in their place.
  init(storedAs stored: (_ name: String) -> String?) throws {
    self.init()
    for setting in Self.table {
      if let text = stored(setting.name) { try setting.write(&self, text) }
    }
  }
}

/// What people and programs should know of a format.
public struct FormatFacts: Sendable {
  /// Where a set of a format lies.
  public enum Place: Sendable {
    /// Nowhere: it is made.
    case nowhere
    /// In a folder; what must be in it, in words.
    case folder(with: String)
    /// In a file; which, in words.
    case file(String)
  }

  /// Name on the command line.
  public let name: String
  /// What it is, one sentence.
  public let sentence: String
  /// Where it comes from; empty for what needs no source.
  public let source: String
  /// Where its sets lie.
  public let place: Place
  /// Whether any set can have this form; else it is a certain set.
  public let holdsAnySet: Bool
  /// Whether sets that `meca-dist poison` has written are read under this name.
  public let mayBeWritten: Bool
  /// Whether a record of BackdoorBench can be read over a clean set of this format: not those whose
  /// order of samples is this program's own, which a record's numbers do not mean.
  public let mayBeChanged: Bool
  /// Whether it is made for demonstrations: small, poisoned by default, without augmentation.
  public let isDemonstration: Bool

  /// All values.
  public init(
    name: String, sentence: String, source: String = "", place: Place, holdsAnySet: Bool = false,
    mayBeWritten: Bool = false, mayBeChanged: Bool = false,
    isDemonstration: Bool = false
  ) {
    self.name = name
    self.sentence = sentence
    self.source = source
    self.place = place
    self.holdsAnySet = holdsAnySet
    self.mayBeWritten = mayBeWritten
    self.mayBeChanged = mayBeChanged
    self.isDemonstration = isDemonstration
  }
}

/// Where the set of a run lies, and how much of it is wanted.
public struct DataPlace: Sendable {
  /// Folder or file; empty for sets that are made.
  public var path: String
  /// Training samples at most; nil takes all.
  public var trainLimit: Int?
  /// Test samples at most; nil takes all.
  public var testLimit: Int?
  /// The run's seed, for what settings leave to it.
  public var seed: UInt64
  /// Whether a stored model is to be measured, so that a set without test images is taken whole.
  public var isWhole = false
  /// What that model's run has held out of its set.
  public var heldOut: HeldOutRecord?

  /// All values.
  public init(path: String, trainLimit: Int?, testLimit: Int?, seed: UInt64) {
    self.path = path
    self.trainLimit = trainLimit
    self.testLimit = testLimit
    self.seed = seed
  }
}

/// What a format has found, and what ranks have to do together before it can be used.
public enum Opening: Sendable {
  /// Sets whose images can be asked for.
  case sets(FoundSets)
  /// Files of images that must be decoded, once each, before they can be trusted.
  case files(FoundFiles)
  /// Another set must be opened first; then the sets made of it.
  case over(BaseSet, make: @Sendable (OpenedBase) throws -> FoundSets)
}

/// Sets as a format has found them.
public struct FoundSets: Sendable {
  /// Samples to learn from, no more than wanted.
  public var training: any ImageSet
  /// Clean samples to judge by, no more than wanted.
  public var test: any ImageSet
  /// Test samples with the trigger that were stored with the set.
  public var triggered: FoundTriggered?
  /// The attack that the set was stored with, as JSON.
  public var attack: String?
  /// What must be looked at before the images can be trusted.
  public var checks: [SharedCheck] = []
  /// The set whose images the normalisation constants are measured over; nil where they are known.
  public var measured: (any ImageSet)?
  /// Whether images take long to make, so that ranks should make them once, each a part.
  public var isDrawn = false
  /// Lines for the log.
  public var notes: [String] = []
  /// Warnings for the log.
  public var warnings: [String] = []

  /// Two sets that can be used as they are.
  public init(training: any ImageSet, test: any ImageSet) {
    (self.training, self.test) = (training, test)
  }
}

/// Test samples with the trigger that were stored with a set.
public struct FoundTriggered: Sendable {
  /// The images, with their true labels.
  public var set: any ImageSet
  /// The class that the backdoor leads to.
  public var target: Int
  /// Which sample of the clean test set each one is, ascending.
  public var testIndices: [Int32]

  /// All values.
  public init(set: any ImageSet, target: Int, testIndices: [Int32]) {
    (self.set, self.target, self.testIndices) = (set, target, testIndices)
  }
}

/// Something that is looked at piece by piece, so that ranks can share the pieces.
public struct SharedCheck: Sendable {
  /// Number of pieces.
  public var count: Int
  /// The file that it is about, where ranks of other machines must look at their own copy of it; nil
  /// where all ranks can share.
  public var file: String?
  /// Looks at some pieces; throws `FileError`.
  public var look: @Sendable (Range<Int>) throws -> Void

  /// All values.
  public init(
    count: Int, file: String? = nil, look: @escaping @Sendable (Range<Int>) throws -> Void
  ) {
    (self.count, self.file, self.look) = (count, file, look)
  }
}

/// Files of images as a format has found them.
public struct FoundFiles: Sendable {
  /// The files.
  public var splits: ImageFileSplits
  /// How they become images of one size.
  public var settings: ImageFileSettings
  /// Normalisation constants in general use for the set; nil where they are measured.
  public var statistics: (mean: [Float], standardDeviation: [Float])?

  /// All values.
  public init(
    _ splits: ImageFileSplits, _ settings: ImageFileSettings,
    statistics: (mean: [Float], standardDeviation: [Float])? = nil
  ) {
    (self.splits, self.settings, self.statistics) = (splits, settings, statistics)
  }
}

/// The set that another one changes.
public struct BaseSet: Sendable {
  /// The format's name.
  public var format: String
  /// Where it lies, and how much of it is wanted.
  public var place: DataPlace
  /// Its settings by name, where they are not the usual ones.
  public var settings: [String: String]

  /// All values.
  public init(format: String, place: DataPlace, settings: [String: String] = [:]) {
    (self.format, self.place, self.settings) = (format, place, settings)
  }
}

/// That set, opened.
public struct OpenedBase: Sendable {
  /// Samples to learn from.
  public var training: any ImageSet
  /// Samples to judge by.
  public var test: any ImageSet

  /// All values.
  public init(training: any ImageSet, test: any ImageSet) {
    (self.training, self.test) = (training, test)
  }
}

import Glibc
import MecaCore
import MecaFormats

/// The data of a run: a format with its settings, and where its set lies.
public struct DataConfiguration: Sendable {
  /// Where the set lies, and how much of it is wanted.
  public var place: DataPlace
  private var chosen: any ChosenFormat

  /// A set in a format.
  ///
  /// - Parameters:
  ///   - path: folder or file; nil for sets that are made.
  ///   - seed: the run's, for what settings leave to it.
  public init<Format: DatasetFormat>(
    _ format: Format.Type, path: String?, settings: Format.Settings = Format.Settings(),
    trainLimit: Int? = nil, testLimit: Int? = nil, seed: UInt64 = 1
  ) {
    place = DataPlace(
      path: path ?? "", trainLimit: trainLimit, testLimit: testLimit, seed: seed)
    chosen = Chosen<Format>(settings: settings)
  }

  /// A set in the format of a name, with its usual settings or those of a stored model's run.
  ///
  /// - Throws: `SettingError` for a stored value that cannot be.
  public init(
    _ format: any DatasetFormat.Type, path: String?, trainLimit: Int?, testLimit: Int?,
    seed: UInt64, storedAs stored: (_ name: String) -> String? = { _ in nil }
  ) throws {
    func choose<Format: DatasetFormat>(_ format: Format.Type) throws -> any ChosenFormat {
      Chosen<Format>(settings: try Format.settings(storedAs: stored))
    }
    place = DataPlace(
      path: path ?? "", trainLimit: trainLimit, testLimit: testLimit, seed: seed)
    chosen = try choose(format)
  }

  /// What is known of the format.
  public var facts: FormatFacts { chosen.facts }
  /// The format's name on the command line.
  public var name: String { facts.name }
  /// The folder or file; nil for sets that are made.
  public var path: String? { place.path.isEmpty ? nil : place.path }
  /// Every folder or file that is read, as far as the settings name them.
  public var paths: [String] {
    let settings = ["test-data", "base-data"]
    return [path].compactMap(\.self)
      + values.compactMap { name, value in
        if settings.contains(name), case .text(let path) = value { path } else { nil }
      }
  }

  /// The format's own settings in their order.
  public var values: [(name: String, value: SettingValue)] { chosen.values }
  /// Those that are not the format's defaults.
  var changedValues: [(name: String, value: SettingValue)] {
    zip(values, chosen.defaults).filter { $0.value != $1.value }.map(\.0)
  }

  /// Sets some of the format's own settings to what texts say, and checks all of them.
  ///
  /// - Throws: `SettingError`.
  public mutating func set(_ values: [String: String]) throws { try chosen.set(values) }

  /// What the format finds.
  ///
  /// - Ranks: local.
  /// - Throws: what the format throws; `MissingSetting` where the place is needed and not named.
  func open() throws -> Opening {
    if path == nil {
      let what =
        switch facts.place {
        case .nowhere: ""
        case .folder(let content): "name the folder with \(content)"
        case .file(let content): "name \(content)"
        }
      if !what.isEmpty {
        throw MissingSetting(setting: "data", problem: "for --dataset \(name), \(what)")
      }
    }
    try requireRightKind()
    return try chosen.open(place)
  }

  /// Refuses a file where a folder is wanted, and the other way round.
  private func requireRightKind() throws {
    guard let path, let status = status(of: Array(path.utf8)) else { return }
    let isFolder = status.st_mode & S_IFMT == S_IFDIR
    switch facts.place {
    case .folder(let content) where !isFolder:
      let advice =
        path.lowercased().hasSuffix(".npz")
        ? "; a .npz file is a zip archive of arrays: unzip \(path) -d FOLDER, then --data FOLDER"
        : ""
      throw FileError.malformed(
        path: path, reason: "is a file; --dataset \(name) wants a folder with \(content)" + advice)
    case .file(let what) where isFolder:
      throw FileError.malformed(path: path, reason: "is a folder; --dataset \(name) wants \(what)")
    default: return
    }
  }
}

extension DataConfiguration: Encodable {
  private enum Key: String, CodingKey { case dataset, path, trainLimit, testLimit, seed, settings }

  /// Writes name, place and settings, as `run.json` holds them.
  public func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    try container.encode(name, forKey: .dataset)
    try container.encodeIfPresent(path, forKey: .path)
    try container.encodeIfPresent(place.trainLimit, forKey: .trainLimit)
    try container.encodeIfPresent(place.testLimit, forKey: .testLimit)
    try container.encode(place.seed, forKey: .seed)
    var settings = container.nestedContainer(keyedBy: SettingKey.self, forKey: .settings)
    for (name, value) in values {
      try settings.encode(value, forKey: SettingKey(stringValue: name))
    }
  }
}

/// A format with its settings, whatever their type.
private protocol ChosenFormat: Sendable {
  var facts: FormatFacts { get }
  var values: [(name: String, value: SettingValue)] { get }
  var defaults: [(name: String, value: SettingValue)] { get }
  mutating func set(_ values: [String: String]) throws
  func open(_ place: DataPlace) throws -> Opening
}

private struct Chosen<Format: DatasetFormat>: ChosenFormat {
  var settings: Format.Settings

  var facts: FormatFacts { Format.facts }
  var values: [(name: String, value: SettingValue)] { settings.values }
  var defaults: [(name: String, value: SettingValue)] { Format.Settings().values }

  mutating func set(_ values: [String: String]) throws { try settings.set(values) }
  func open(_ place: DataPlace) throws -> Opening { try Format(settings).open(place) }
}

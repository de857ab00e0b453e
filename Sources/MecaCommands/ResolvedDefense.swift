import Foundation
import MecaCore
import MecaDefenses

/// A defence with every setting decided.
package struct ResolvedDefense: Sendable {
  private let made: any Defense

  /// The defence with these settings.
  package init<Chosen: Defense>(_ chosen: Chosen.Type, _ settings: Chosen.Settings) {
    made = chosen.init(settings)
  }

  /// A defence as it is.
  package init(_ made: some Defense) { self.made = made }

  /// The defence with some settings in the place of a variant's or the defaults.
  ///
  /// - Throws: `SettingProblem` for a variant that nobody has and values that cannot be.
  package init(
    _ chosen: any Defense.Type, variant: String?, _ values: [String: String]
  ) throws {
    func resolve<Chosen: Defense>(_ chosen: Chosen.Type) throws -> ResolvedDefense {
      var settings = try chosen.settings(variant: variant)
      try settings.set(values)
      return ResolvedDefense(chosen, settings)
    }
    self = try resolve(chosen)
  }

  /// Which one.
  package var type: any Defense.Type { Swift.type(of: made) }

  /// What is known of it.
  package var facts: DefenseFacts { type.facts }

  /// Its settings.
  package var settings: any SettingsTable { made.settings }

  /// The defence itself, ready to run.
  package func makeDefense() -> any Defense { made }

  /// The lines of a YAML file that give the same again.
  package var yamlLines: [(String, String?)] {
    [("defense", facts.name)] + settings.values.map { ($0.name, $0.value.text) }
  }
}

extension ResolvedDefense: Encodable {
  private enum Key: String, CodingKey { case name, settings, lists }

  /// Writes name and settings, as `run.json` holds them.
  package func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: Key.self)
    try container.encode(facts.name, forKey: .name)
    var values = container.nestedContainer(keyedBy: SettingKey.self, forKey: .settings)
    for (name, value) in settings.values {
      try values.encode(value, forKey: SettingKey(stringValue: name))
    }
    // What files say is part of what a run is; their names are not all of it.
    if let listed = made as? ListedSamples {
      var digest = SHA256Digest()
      digest.update([UInt8](try JSONEncoder().encode(listed.lists)))
      try container.encode(digest.hexadecimal(), forKey: .lists)
    }
  }
}

extension Defense {
  /// The names of its settings.
  package static var settingNames: [String] { Settings.names }

  /// The settings under a variant's name, or the defaults.
  ///
  /// - Throws: `SettingProblem` for a name that no variant has.
  package static func settings(variant name: String?) throws -> Settings {
    guard let name else { return Settings() }
    let names = Settings.variants.map(\.name)
    guard let variant = Settings.variants.first(where: { $0.name == name }) else {
      if names.isEmpty {
        throw MisplacedSetting(
          setting: "variant", value: name, problem: "\(facts.name) has no variants")
      }
      throw SettingError(
        setting: "variant", value: name,
        allowed: "one of " + names.joined(separator: ", ") + suggestion(for: name, among: names))
    }
    return variant.settings
  }
}

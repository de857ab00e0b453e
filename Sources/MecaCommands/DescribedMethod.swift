import MecaAttacks
import MecaCore
import MecaDefenses
import MecaFormats

/// A format, an attack or a defence and its settings in words, whatever its types are.
struct DescribedMethod {
  /// One setting in words.
  struct Setting {
    var name: String
    var symbol: String?
    /// The default, or what decides.
    var usual: String
    var allowed: String
    var sentence: String
  }

  /// One variant in words.
  struct Variant {
    var name: String
    var sentence: String
    /// What differs from the defaults, as options.
    var options: [String]
  }

  let name: String
  /// Name for people; nil where it is the same.
  let title: String?
  let sentence: String
  /// Where it comes from and what it needs, in lines.
  let facts: [(what: String, words: String)]
  let settings: [Setting]
  let variants: [Variant]

  private init<Settings: SettingsTable>(
    _ name: String, title: String?, _ sentence: String, _ facts: [(String, String)],
    _ table: Settings.Type
  ) {
    self.name = name
    self.title = title
    self.sentence = sentence
    self.facts = facts.filter { !$0.1.isEmpty }.map { (what: $0.0, words: $0.1) }
    let usual = Settings()
    settings = Settings.table.map {
      Setting(
        name: $0.name, symbol: $0.symbol, usual: $0.read(usual).words, allowed: $0.allowed,
        sentence: $0.sentence)
    }
    variants = Settings.variants.map { variant in
      Variant(
        name: variant.name, sentence: variant.sentence,
        options: zip(usual.values, variant.settings.values).filter { $0.0.value != $0.1.value }
          .map { "--\($0.1.name) \($0.1.value.text)" })
    }
  }

  /// A defence.
  init(_ defense: any Defense.Type) {
    func describe<Described: Defense>(_ defense: Described.Type) -> DescribedMethod {
      let facts = defense.facts
      let needs = facts.needs.map { need in
        switch need {
        case .cleanReserve: "samples known to be clean (--clean-reserve)"
        case .truth: "the truth about every sample"
        }
      }
      return DescribedMethod(
        facts.name, title: facts.title, facts.sentence,
        [
          ("source", facts.source),
          ("needs", needs.isEmpty ? "nothing" : needs.sorted().joined(separator: ", ")),
        ], Described.Settings.self)
    }
    self = describe(defense)
  }

  /// An attack.
  init(_ attack: any Attack.Type) {
    func describe<Described: Attack>(_ attack: Described.Type) -> DescribedMethod {
      let facts = attack.facts
      return DescribedMethod(
        facts.name, title: facts.title == facts.name ? nil : facts.title, facts.sentence,
        [("source", facts.source)], Described.Settings.self)
    }
    self = describe(attack)
  }

  /// A format.
  init(_ format: any DatasetFormat.Type) {
    func describe<Described: DatasetFormat>(_ format: Described.Type) -> DescribedMethod {
      let facts = format.facts
      let place =
        switch facts.place {
        case .nowhere: ""
        case .folder(let content): "a folder with \(content)"
        case .file(let what): what
        }
      return DescribedMethod(
        facts.name, title: nil, facts.sentence, [("source", facts.source), ("--data", place)],
        Described.Settings.self)
    }
    self = describe(format)
  }

  /// A few lines on it.
  var summary: String {
    let head = title.map { "\(name): \($0)" } ?? name
    return ([head, "  \(sentence)"] + facts.map { "  \($0.what): \($0.words)" })
      .joined(separator: "\n") + "\n"
  }

  /// All there is to know of it.
  var everything: String {
    var lines = [summary]
    if !variants.isEmpty { lines.append("variants (--variant NAME):") }
    for variant in variants {
      lines.append("  \(variant.name): \(variant.sentence)")
      lines.append("    " + variant.options.joined(separator: " "))
    }
    if !variants.isEmpty { lines.append("") }
    lines.append(
      settings.isEmpty ? "no settings" : "settings (--NAME VALUE, or NAME: VALUE in a file):")
    for setting in settings {
      let symbol = setting.symbol.map { "; \($0) in the paper" } ?? ""
      lines.append("  --\(setting.name) (default: \(setting.usual)\(symbol))")
      lines.append("    \(setting.sentence)")
      lines.append("    must be \(setting.allowed)")
    }
    return lines.joined(separator: "\n")
  }
}

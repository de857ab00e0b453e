import MecaCore
import MecaDefenses

/// A defence and its settings in words, whatever its types are.
struct DescribedDefense {
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

  let facts: DefenseFacts
  let settings: [Setting]
  let variants: [Variant]

  init(_ defense: any Defense.Type) { self = Self.description(of: defense) }

  private init(_ facts: DefenseFacts, _ settings: [Setting], _ variants: [Variant]) {
    (self.facts, self.settings, self.variants) = (facts, settings, variants)
  }

  private static func description<Described: Defense>(
    of defense: Described.Type
  ) -> DescribedDefense {
    let usual = Described.Settings()
    return DescribedDefense(
      defense.facts,
      Described.Settings.table.map {
        Setting(
          name: $0.name, symbol: $0.symbol, usual: $0.read(usual).words, allowed: $0.allowed,
          sentence: $0.sentence)
      },
      Described.Settings.variants.map { variant in
        Variant(
          name: variant.name, sentence: variant.sentence,
          options: zip(usual.values, variant.settings.values).filter { $0.0.value != $0.1.value }
            .map { "--\($0.1.name) \($0.1.value.text)" })
      })
  }

  /// What the defence must be given besides the samples, in words.
  var needs: String {
    let words = facts.needs.map { need in
      switch need {
      case .cleanReserve: "samples known to be clean (--clean-reserve)"
      case .truth: "the truth about every sample"
      }
    }
    return words.isEmpty ? "nothing" : words.sorted().joined(separator: ", ")
  }
}

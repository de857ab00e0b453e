import Foundation
import MecaAttacks
import MecaCommands
import MecaCore
import MecaDefenses
import MecaFormats
import Testing

/// `docs/options.md`, and what every table of settings must be.
@Suite struct OptionsDocumentTests {
  @Test func theDocumentIsUpToDate() throws {
    let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
      .appendingPathComponent("../../docs/options.md").path
    let found = (try? String(contentsOfFile: path, encoding: .utf8)) ?? ""
    let expected = OptionsDocument.text
    func lines(_ text: String) -> [Substring] {
      text.split(separator: "\n", omittingEmptySubsequences: false)
    }
    let same = zip(lines(found), lines(expected)).prefix { $0 == $1 }.count
    #expect(
      found == expected,
      """
      docs/options.md differs from line \(same + 1) on, which should be
      \(lines(expected).dropFirst(same).first ?? "its end")
      To make it anew: \(OptionsDocument.remedy)
      """)
  }

  @Test func everyOptionIsInIt() {
    let text = OptionsDocument.text
    for command in MecaDist.configuration.subcommands {
      for option in OptionTable(of: command).options where option.name != "help" {
        #expect(
          text.contains("`--\(option.name)`") || text.contains("`--\(option.name) ")
            || option.kind == .positional)
        #expect(!option.sentence.isEmpty, "\(command) \(option.name) has no sentence")
      }
    }
    for defense in Defenses.all {
      #expect(text.contains("\n### \(defense.facts.name): "))
      for name in defense.settingNames { #expect(text.contains("| `\(name)` |")) }
    }
  }

  @Test func namesAreTheirOwnersAlone() {
    let options = Set(OptionTable(of: MecaDist.command(named: "train")).names)
    let kinds = [
      Formats.all.map { ($0.facts.name, $0.settingNames) },
      Attacks.all.map { ($0.facts.name, $0.settingNames) },
      Defenses.all.map { ($0.facts.name, $0.settingNames) },
    ]
    for (owner, names) in kinds.joined() {
      #expect(Set(names).count == names.count, "\(owner) has a name twice")
      #expect(options.isDisjoint(with: names), "\(owner)")
      #expect(!names.contains { ["set", "help"].contains($0) || $0.hasPrefix("no-") })
    }
    let all = kinds.map { Set($0.flatMap(\.1)) }
    #expect(all[0].isDisjoint(with: all[1]) && all[2].isDisjoint(with: all[0].union(all[1])))
    // A model's metadata holds the format's settings beside these.
    let metadata = [
      "architecture", "width", "mean", "std", "image-height", "image-width", "stem", "stem-stride",
      "stem-pooling", "tensor-names", "classes", "dataset", "attack", "held-out",
    ]
    #expect(all[0].isDisjoint(with: metadata))
    for names in [Formats.names, Attacks.names, Defenses.names] {
      #expect(Set(names).count == names.count)
    }
  }

  @Test(arguments: Defenses.names)
  func defaultsAndVariantsAreAllowed(name: String) throws {
    func check<Tested: Defense>(_ defense: Tested.Type) throws {
      let all = [Tested.Settings()] + Tested.Settings.variants.map(\.settings)
      for settings in all {
        try settings.validate()
        var copy = Tested.Settings()
        for (name, value) in settings.values { try copy.set(name, to: value.text) }
        #expect(copy == settings, "the table does not hold everything of \(settings)")
      }
      for setting in Tested.Settings.table {
        #expect(setting.sentence.hasSuffix("."), "\(setting.name)")
      }
    }
    guard let defense = Defenses.named(name) else {
      Issue.record("there is no \(name)")
      return
    }
    try check(defense)
  }
}

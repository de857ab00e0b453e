import Foundation
import MecaCommands
import MecaCore
import MecaDefenses
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
        #expect(text.contains("`--\(option.name)`") || option.kind == .positional)
        #expect(!option.sentence.isEmpty, "\(command) \(option.name) has no sentence")
      }
    }
    for defense in Defenses.all {
      #expect(text.contains("\n### \(defense.facts.name): "))
      for name in defense.settingNames { #expect(text.contains("| `\(name)` |")) }
    }
  }

  @Test func namesAreDefencesAlone() {
    let options = Set(OptionTable(of: MecaDist.command(named: "train")).names)
    for defense in Defenses.all {
      let names = defense.settingNames
      #expect(Set(names).count == names.count, "\(defense.facts.name) has a name twice")
      #expect(options.isDisjoint(with: names), "\(defense.facts.name)")
      #expect(!names.contains { ["set", "help"].contains($0) || $0.hasPrefix("no-") })
    }
    #expect(Set(Defenses.names).count == Defenses.names.count)
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

import ArgumentParser
import MecaCore
import MecaDefenses
import MecaMPI

/// Says which defences there are, or everything about one.
struct ListDefenses: RankedCommand {
  static let configuration = CommandConfiguration(
    commandName: "defenses",
    abstract: "List the defences, or the settings of one: meca-dist defenses NAME.")

  @Argument(help: "One of them: its variants and settings.")
  var name: String?

  func run(on communicator: Communicator) throws {
    try communicator.collectively {
      let text = try text()
      if communicator.rank == 0 { print(text) }
    }
  }

  /// What is printed.
  ///
  /// - Throws: `UsageError` for a defence that there is not.
  func text() throws -> String {
    guard let name else {
      return Defenses.all.map { Self.summary(DescribedDefense($0)) }.joined(separator: "\n")
        + "\nThe settings of one: meca-dist defenses NAME"
    }
    guard let defense = Defenses.named(name) else {
      throw UsageError.conflict(
        "\(name): no such defence; there are \(Defenses.names.joined(separator: ", "))"
          + suggestion(for: name, among: Defenses.names))
    }
    return Self.everything(of: DescribedDefense(defense))
  }

  /// A few lines on a defence.
  private static func summary(_ defense: DescribedDefense) -> String {
    let facts = defense.facts
    return """
      \(facts.name): \(facts.title)
        \(facts.sentence)
        source: \(facts.source)
        needs: \(defense.needs)

      """
  }

  /// All there is to know of a defence.
  private static func everything(of defense: DescribedDefense) -> String {
    var lines = [summary(defense)]
    if !defense.variants.isEmpty { lines.append("variants (--variant NAME):") }
    for variant in defense.variants {
      lines.append("  \(variant.name): \(variant.sentence)")
      lines.append("    " + variant.options.joined(separator: " "))
    }
    if !defense.variants.isEmpty { lines.append("") }
    lines.append(
      defense.settings.isEmpty
        ? "no settings" : "settings (--NAME VALUE, or NAME: VALUE in a file):")
    for setting in defense.settings {
      let symbol = setting.symbol.map { "; \($0) in the paper" } ?? ""
      lines.append("  --\(setting.name) (default: \(setting.usual)\(symbol))")
      lines.append("    \(setting.sentence)")
      lines.append("    must be \(setting.allowed)")
    }
    return lines.joined(separator: "\n")
  }
}

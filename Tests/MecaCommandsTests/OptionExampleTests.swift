import ArgumentParser
import MecaCommands
import Testing

/// The examples in `docs/options.md`.
@Suite struct OptionExampleTests {
  private static var commands: [any ParsableCommand.Type] {
    MecaDist.configuration.subcommands.filter { $0.configuration.shouldDisplay }
  }

  @Test func everyOptionHasOne() {
    for command in Self.commands {
      let without = OptionTable(of: command).options
        .filter { !["help", "version"].contains($0.name) && OptionExamples.written($0) == nil }
        .map(\.name)
      #expect(without == [], "\(command._commandName)")
    }
  }

  @Test func noneIsOfAnOptionThatIsGone() {
    let all = Set(
      Self.commands.flatMap { OptionTable(of: $0).options }.filter { $0.kind == .option }
        .map(\.name))
    #expect(Set(OptionExamples.values.keys).subtracting(all) == [])
  }

  /// The parser takes each of them, beside what the command must have.
  @Test func theParserReadsThem() throws {
    for command in Self.commands {
      let options = OptionTable(of: command).options
        .filter { !["help", "version"].contains($0.name) }
      let bare = options.filter {
        $0.kind == .positional && !["options", "--setting"].contains($0.name)
      }
      .flatMap { (OptionExamples.written($0) ?? "").split(separator: " ").map(String.init) }
      for option in options where option.kind == .option {
        var words = ["--\(option.name)", OptionExamples.values[option.name] ?? ""]
        for other in options
        where other.kind == .option && other.name != option.name
          && ["onnx", "output", "scheduler", "weights"].contains(other.name)
        {
          words += ["--\(other.name)", OptionExamples.values[other.name] ?? ""]
        }
        // A command may ask for other options beside it; it has read this one then.
        do {
          _ = try command.parseAsRoot(words + bare)
        } catch {
          #expect(
            String(describing: error).contains("userValidationError"),
            "\(command._commandName) \(words): \(error)")
        }
      }
    }
  }
}

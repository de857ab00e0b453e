import Foundation
import MecaCommands
import Testing

/// `meca-dist.1`.
@Suite struct ManualPageTests {
  @Test func everyCommandAndOptionIsInIt() {
    let page = ManualPage.text
    for command in MecaDist.configuration.subcommands
    where command.configuration.shouldDisplay {
      let name = ManualPage.roff(command._commandName)
      #expect(page.contains("\n.SS meca\\-dist \(name)\n"))
      for option in OptionTable(of: command).options where option.name != "help" {
        let text =
          option.kind == .positional
          ? "\\fI\(ManualPage.roff(option.name.uppercased()))\\fR"
          : "\\fB\(ManualPage.roff("--\(option.name)"))\\fR"
        #expect(page.contains(text), "\(name) \(option.name)")
      }
    }
    #expect(!page.contains("meca\\-dist options\n") && page.contains(".SH EXIT STATUS\n"))
    #expect(page.utf8.allSatisfy { $0 < 128 })
  }

  @Test func textsAreNoMacros() {
    #expect(ManualPage.roff(".TH 'a' \\ b-c…") == "\\&.TH \\(aqa\\(aq \\e b\\-c\\[u2026]")
    #expect(ManualPage.roff("two\nlines") == "two lines")
  }

  /// What groff says of the page, where it is there.
  @Test(.enabled(if: FileManager.default.isExecutableFile(atPath: "/usr/bin/groff")))
  func groffHasNothingAgainstIt() throws {
    let (program, input, errors) = (Process(), Pipe(), Pipe())
    program.executableURL = URL(fileURLWithPath: "/usr/bin/groff")
    program.arguments = ["-man", "-ww", "-Tutf8", "-z"]
    program.standardInput = input
    program.standardError = errors
    try program.run()
    input.fileHandleForWriting.write(Data(ManualPage.text.utf8))
    input.fileHandleForWriting.closeFile()
    let words = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    program.waitUntilExit()
    #expect(program.terminationStatus == 0 && words.isEmpty, "\(words)")
  }
}

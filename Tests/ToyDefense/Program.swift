import Foundation
import MecaCommands
import MecaDefenses

/// The program with one more defence, as somebody else would build it; the tests run it.
@main enum Program {
  static func main() {
    Defenses.add(HalfOfEverything.self)
    exit(MecaDist.run(arguments: Array(CommandLine.arguments.dropFirst())))
  }
}

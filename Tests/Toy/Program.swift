import Foundation
import MecaAttacks
import MecaCommands
import MecaDefenses
import MecaFormats

/// The program with a defence, an attack and a format more, as somebody else would build it; the
/// tests run it.
@main enum Program {
  static func main() {
    Defenses.add(HalfOfEverything.self)
    Defenses.add(Drifting.self)
    Attacks.add(Dot.self)
    Formats.add(ColourList.self)
    exit(MecaDist.run(arguments: Array(CommandLine.arguments.dropFirst())))
  }
}

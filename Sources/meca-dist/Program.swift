import MecaCommands
import MecaTensor

#if canImport(Glibc)
  import Glibc
#endif

/// The process: arguments in, exit status out.
@main
enum Program {
  static func main() {
    OpenBLASCoreType.chooseForThisProcess()
    exit(MecaDist.run(arguments: Array(CommandLine.arguments.dropFirst())))
  }
}

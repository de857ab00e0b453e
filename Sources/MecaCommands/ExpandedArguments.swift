import Glibc
import MecaCore

/// A command line with a configuration file's lines in it, and what stood where.
package struct ExpandedArguments {
  /// Everything, as the parser takes it.
  package let arguments: [String]
  /// The user's own arguments.
  package let own: [String]
  /// The file; nil without one.
  package let path: String?
  /// Names of the settings whose value is the file's.
  private let inFile: Set<String>

  /// A command line without a file.
  package init(_ own: [String]) {
    let own = own.map(withHome)
    (arguments, self.own, path, inFile) = (own, own, nil, [])
  }

  /// A command line and the `options` that a file stands for.
  package init(_ own: [String], path: String, options: [String]) {
    let (own, options) = (own.map(withHome), options.map(withHome))
    let subcommand = MecaDist.isCommand(own.first) ? 1 : 0
    arguments = own.prefix(subcommand) + options + own.dropFirst(subcommand)
    self.own = own
    self.path = path
    inFile = Self.names(in: options).subtracting(Self.names(in: own))
  }

  /// An error in words that name a setting as the user wrote it: in the file, or as an option.
  package func description(of error: any Error) -> String {
    guard let path, let problem = error as? any SettingProblem, inFile.contains(problem.setting)
    else { return "\(error)" }
    return problem.description(inFile: path)
  }

  /// The names that arguments give a value to.
  private static func names(in arguments: [String]) -> Set<String> {
    var names: Set<String> = []
    for (place, argument) in arguments.enumerated() where argument.hasPrefix("--") {
      var name = argument.dropFirst(2)
      if name == "set", place + 1 < arguments.count { name = arguments[place + 1][...] }
      if name.hasPrefix("set=") { name = name.dropFirst("set=".count) }
      name = name.prefix { $0 != "=" }
      names.insert(String(name))
      if name.hasPrefix("no-") { names.insert(String(name.dropFirst("no-".count))) }
    }
    return names
  }
}

/// An argument with the user's home in place of a tilde: `~/runs`, `--output=~/runs`.
///
/// A shell puts it there itself, but not behind an equals sign, and a YAML file has no shell; the
/// folder would be called `~`. Whoever means that writes `./~/runs`.
private func withHome(_ argument: String) -> String {
  guard let home = getenv("HOME").map({ String(cString: $0) }), home.hasPrefix("/") else {
    return argument
  }
  let start =
    argument.hasPrefix("--")
    ? argument.firstIndex(of: "=").map(argument.index(after:)) : argument.startIndex
  guard let start else { return argument }
  let value = argument[start...]
  guard value == "~" || value.hasPrefix("~/") else { return argument }
  return argument[..<start] + home + value.dropFirst()
}

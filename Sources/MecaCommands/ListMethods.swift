import ArgumentParser
import MecaAttacks
import MecaCore
import MecaDefenses
import MecaFormats
import MecaMPI

/// A command that says which methods of a kind there are, or everything about one.
protocol MethodList: RankedCommand {
  /// All of them, in their order.
  static var methods: [DescribedMethod] { get }
  /// What such a method is, for sentences.
  static var noun: String { get }
  /// The one that is asked for.
  var name: String? { get }
}

extension MethodList {
  func run(on communicator: Communicator) throws {
    try communicator.collectively {
      let text = try text()
      if communicator.rank == 0 { print(text) }
    }
  }

  /// What is printed.
  ///
  /// - Throws: `UsageError` for a method that there is not.
  func text() throws -> String {
    guard let name else {
      return Self.methods.map(\.summary).joined(separator: "\n")
        + "\nThe settings of one: meca-dist \(Self._commandName) NAME"
    }
    guard let method = Self.methods.first(where: { $0.name == name }) else {
      let names = Self.methods.map(\.name)
      throw UsageError.conflict(
        "\(name): no such \(Self.noun); there are \(names.joined(separator: ", "))"
          + suggestion(for: name, among: names))
    }
    return method.everything
  }
}

/// The formats of image sets.
struct ListDatasets: MethodList {
  static let configuration = CommandConfiguration(
    commandName: "datasets",
    abstract: "List the formats of image sets, or the settings of one: meca-dist datasets NAME.")
  static let noun = "format"
  static var methods: [DescribedMethod] { Formats.all.map { DescribedMethod($0) } }

  @Argument(help: "One of them: its settings.")
  var name: String?
}

/// The attacks.
struct ListAttacks: MethodList {
  static let configuration = CommandConfiguration(
    commandName: "attacks",
    abstract: "List the attacks, or the settings of one: meca-dist attacks NAME.")
  static let noun = "attack"
  static var methods: [DescribedMethod] { Attacks.all.map { DescribedMethod($0) } }

  @Argument(help: "One of them: its settings.")
  var name: String?
}

/// The defences.
struct ListDefenses: MethodList {
  static let configuration = CommandConfiguration(
    commandName: "defenses",
    abstract: "List the defences, or the settings of one: meca-dist defenses NAME.")
  static let noun = "defence"
  static var methods: [DescribedMethod] { Defenses.all.map { DescribedMethod($0) } }

  @Argument(help: "One of them: its variants and settings.")
  var name: String?
}

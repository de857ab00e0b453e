import Synchronization

/// All defences: the only place where a name becomes code.
public enum Defenses {
  private static let own: [any Defense.Type] = [
    MeCa.self, AntiBackdoorLearning.self, ActiveDefense.self, FineTuning.self,
    ChannelLipschitzness.self, ListedSamples.self, Undefended.self, Oracle.self,
  ]

  private static let added = Mutex<[any Defense.Type]>([])

  /// Every defence, in the order of tables and help.
  public static var all: [any Defense.Type] { own + added.withLock { $0 } }

  /// The names on the command line.
  public static var names: [String] { all.map { $0.facts.name } }

  /// The defence called `name`.
  public static func named(_ name: String) -> (any Defense.Type)? {
    all.first { $0.facts.name == name }
  }

  /// Adds a defence of somebody else's program; before the command line is read.
  public static func add(_ defense: any Defense.Type) {
    precondition(named(defense.facts.name) == nil, "\(defense.facts.name) is taken")
    added.withLock { $0.append(defense) }
  }
}

import Synchronization

/// All attacks: the only place where a name becomes code.
public enum Attacks {
  private static let own: [any Attack.Type] = [
    NoAttack.self, BadNets.self, Blend.self, Signal.self, WaNet.self, Physical.self, TaCT.self,
    AdaptiveBlend.self, AdaptivePatch.self,
  ]

  private static let added = Mutex<[any Attack.Type]>([])

  /// Every attack, in the order of tables and help.
  public static var all: [any Attack.Type] { own + added.withLock { $0 } }

  /// The names on the command line.
  public static var names: [String] { all.map { $0.facts.name } }

  /// The attack called `name`.
  public static func named(_ name: String) -> (any Attack.Type)? {
    all.first { $0.facts.name == name }
  }

  /// Adds an attack of somebody else's program; before the command line is read.
  public static func add(_ attack: any Attack.Type) {
    precondition(named(attack.facts.name) == nil, "\(attack.facts.name) is taken")
    added.withLock { $0.append(attack) }
  }
}

import Synchronization

/// All formats: the only place where a name becomes code.
public enum Formats {
  private static let own: [any DatasetFormat.Type] = [
    ShapesFormat.self, CIFAR10Format.self, CIFAR100Format.self, TinyImageNetFormat.self,
    ImagenetteFormat.self, FolderFormat.self, NumpyFormat.self, PackedFormat.self,
    BackdoorToolboxFormat.self, BackdoorBenchFormat.self, RandomFormat.self,
  ]

  private static let added = Mutex<[any DatasetFormat.Type]>([])

  /// Every format, in the order of tables and help.
  public static var all: [any DatasetFormat.Type] { own + added.withLock { $0 } }

  /// The names on the command line.
  public static var names: [String] { all.map { $0.facts.name } }

  /// The format called `name`.
  public static func named(_ name: String) -> (any DatasetFormat.Type)? {
    all.first { $0.facts.name == name }
  }

  /// Adds a format of somebody else's program; before the command line is read.
  public static func add(_ format: any DatasetFormat.Type) {
    precondition(named(format.facts.name) == nil, "\(format.facts.name) is taken")
    added.withLock { $0.append(format) }
  }
}

/// Where in a run something happens: the names of the stages and members on the way to it.
///
/// Everything random in a stage (first weights, sample orders, augmentation, masks, folds) is drawn
/// from `seed(of:)`, which depends on the run's seed and on this path alone. Two places of a run
/// never share numbers, and none has to know which numbers the others use.
///
/// Example: `StageKey("warm-up").member("detector", 1)` is `warm-up/detector 1`.
public struct StageKey: Hashable, Sendable, Codable, CustomStringConvertible {
  /// The names, outermost first.
  public let path: [String]

  /// A place at the top of a run.
  public init(_ name: String) { path = [name] }

  private init(path: [String]) { self.path = path }

  /// A place within this one.
  public func appending(_ name: String) -> StageKey { StageKey(path: path + [name]) }

  /// One of several places of a kind within this one, numbered from 0 (people read from 1).
  public func member(_ name: String, _ number: Int) -> StageKey {
    appending("\(name) \(number + 1)")
  }

  /// The path with slashes, as in the log.
  public var description: String { path.joined(separator: "/") }

  /// The seed of everything drawn here: the first 8 bytes, little endian, of
  /// SHA-256(run seed as 8 bytes, little endian, then each name in UTF-8 with a zero byte behind it).
  ///
  /// - Ranks: local, and the same on every rank.
  public func seed(of run: UInt64) -> UInt64 {
    var digest = SHA256Digest()
    digest.update([run.littleEndian])
    for name in path { digest.update(Array(name.utf8) + [0]) }
    return digest.bytes().prefix(8).reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }
}

import MecaCore

/// Temporary memory of one lane, shared by all its convolutions, since they run one after another.
///
/// Planning grows it to the largest need; running only reads `pointer`, so that nothing is
/// allocated inside a step. Not for two threads at once.
public final class Workspace {
  private var storage = AlignedStorage<Float>(count: 0)

  /// Starts empty.
  public init() {}

  /// Floats that are there now.
  public var count: Int { storage.count }

  /// First float; changes when `reserve` grows the memory.
  public var pointer: UnsafeMutablePointer<Float> { storage.pointer }

  /// Sees to it that at least `count` floats are there; the content is lost when it grows.
  public func reserve(_ count: Int) {
    if count > storage.count { storage = AlignedStorage(count: count) }
  }
}

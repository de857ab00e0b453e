import MecaCore

/// The partial sums of one contiguous range of logical shards, in the order of the ``ShardTree``.
///
/// A rank (or one thread of it) computes its shards' vectors in ascending order. Like a binary
/// counter, the forest adds two sums as soon as they are siblings, so that it holds about log₂ S
/// vectors and not S. All memory is taken at the start; a step allocates nothing, and its sums end
/// in the same memory as those of the step before.
///
/// ```swift
/// forest.clear()
/// for shard in forest.range {
///   lane.train(objectives[shard], reduction: forest.nextBuffer())
///   forest.add(shard: shard)
/// }
/// try reducer.finish()
/// ```
/// Where the parts of the last vector are complete one after the other, ``addPart(_:)`` does a
/// part's additions at once, and ``close(shard:)`` ends the shard. Several threads: one forest
/// each, over neighbouring ranges, and ``JoinedForests``. A forest is used by one thread at a time;
/// that is why it may be handed over (`@unchecked`).
///
/// - Ranks: local.
public final class ShardForest: @unchecked Sendable {
  /// The tree that fixes the order.
  public let tree: ShardTree
  /// The shards that this forest takes, in ascending order.
  public let range: Range<Int>
  /// Floats of one vector.
  public let elementCount: Int
  /// The shard that is to be filled next; `range.upperBound` when all have been added.
  public private(set) var nextShard: Int

  /// A partial sum.
  struct Partial {
    let node: TreeNode
    let values: UnsafeMutablePointer<Float>
  }
  /// The sums that the complete forest holds, from the left: the same memory in every step.
  private(set) var complete: [Partial] = []
  /// The sums so far, from the left.
  private var partials: [Partial] = []
  private let storage: [AlignedStorage<Float>]
  private let scratch = AlignedStorage<Float>(count: additionBlock)
  private var free: [UnsafeMutablePointer<Float>] = []
  private var filling: UnsafeMutablePointer<Float>?

  /// Takes the memory for summing the vectors of `range`, `elementCount` floats each.
  ///
  /// - Parameters:
  ///   - shards: number of logical shards of the whole batch.
  ///   - range: those of this forest; may be empty.
  ///   - elementCount: floats of one vector.
  public init(shards: Int, range: Range<Int>, elementCount: Int) {
    let tree = ShardTree(shards: shards)
    precondition(
      range.lowerBound >= 0 && range.upperBound <= shards, "shards \(range) of \(shards)")
    precondition(elementCount > 0, "\(elementCount) elements")
    self.tree = tree
    self.range = range
    self.elementCount = elementCount
    nextShard = range.lowerBound
    // The most vectors alive at once: all finished sums and the one that is being filled.
    let most = range.map { tree.nodes(covering: range.lowerBound..<$0).count + 1 }.max() ?? 0
    storage = (0..<most).map { _ in AlignedStorage(count: elementCount) }
    free.reserveCapacity(most)
    partials.reserveCapacity(most)
    // A step without numbers shows where the sums will lie.
    clear()
    for shard in range {
      _ = nextBuffer()
      close(shard: shard)
    }
    complete = partials
    clear()
  }

  /// Forgets all sums; the next step begins.
  public func clear() {
    partials.removeAll(keepingCapacity: true)
    free.removeAll(keepingCapacity: true)
    for buffer in storage.reversed() { free.append(buffer.pointer) }
    filling = nil
    nextShard = range.lowerBound
  }

  /// The memory for the vector of shard ``nextShard``; its old content is arbitrary.
  ///
  /// Valid until ``add(shard:)``; a second call before that gives the same memory.
  public func nextBuffer() -> UnsafeMutablePointer<Float> {
    precondition(nextShard < range.upperBound, "all shards \(range) have been added")
    if let filling { return filling }
    let buffer = free.removeLast()
    filling = buffer
    return buffer
  }

  /// Takes the filled ``nextBuffer()`` as shard `shard`'s vector and adds what became siblings.
  public func add(shard: Int) {
    addPart(0..<elementCount)
    close(shard: shard)
  }

  /// Does the additions that the vector being filled leads to, for its floats `part` alone.
  ///
  /// The vector itself is only read, so that a backward pass may go on reading it.
  public func addPart(_ part: Range<Int>) {
    guard let filling else { preconditionFailure("shard \(nextShard) has not been filled") }
    let depth = additionsDue
    guard depth > 0 else { return }
    for start in stride(from: part.lowerBound, to: part.upperBound, by: additionBlock) {
      let count = min(additionBlock, part.upperBound - start)
      // Only the last sum goes to memory; those between stay in the cache.
      var right = filling + start
      for step in 1...depth {
        let left = partials[partials.count - step].values + start
        let target = step == depth ? left : scratch.pointer
        addPair(left, right, to: target, count: count)
        right = target
      }
    }
  }

  /// Ends shard `shard`, all parts of which have been through ``addPart(_:)``.
  public func close(shard: Int) {
    precondition(shard == nextShard, "shard \(shard) was closed where \(nextShard) was due")
    guard let buffer = filling else { preconditionFailure("shard \(shard) has not been filled") }
    var sum = Partial(node: tree.leaf(shard), values: buffer)
    while let left = partials.last, let parent = tree.parent(left.node, sum.node) {
      partials.removeLast()
      free.append(sum.values)
      sum = Partial(node: parent, values: left.values)
    }
    partials.append(sum)
    filling = nil
    nextShard += 1
  }

  /// True when every shard of ``range`` has been added.
  public var isComplete: Bool { nextShard >= range.upperBound }

  /// How many sums, from the right, the vector being filled is added to in turn.
  private var additionsDue: Int {
    var node = tree.leaf(nextShard)
    var depth = 0
    while depth < partials.count,
      let parent = tree.parent(partials[partials.count - 1 - depth].node, node)
    {
      node = parent
      depth += 1
    }
    return depth
  }
}

import MecaCore

/// The partial sums of one contiguous range of logical shards, in the order of the ``ShardTree``.
///
/// A rank (or one thread of it) computes its shards' vectors in ascending order. Like a binary
/// counter, the forest adds two sums as soon as they are siblings, so that it holds about log₂ S
/// vectors and not S. All memory is taken at the start; a step allocates nothing.
///
/// ```swift
/// forest.clear()
/// for shard in forest.range {
///   lane.train(objectives[shard], reduction: forest.nextBuffer())
///   forest.add(shard: shard)
/// }
/// try reducer.allReduce(forest, into: gradient)
/// ```
/// Several threads: one forest each, over neighbouring ranges; then ``merge(_:)`` on one thread.
/// A forest is used by one thread at a time; that is why it may be handed over (`@unchecked`).
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

  /// A complete partial sum.
  struct Partial {
    let node: TreeNode
    let values: UnsafeMutablePointer<Float>
  }
  /// The sums so far, from the left.
  private(set) var partials: [Partial] = []
  private let storage: [AlignedStorage<Float>]
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
    partials.reserveCapacity(4 * (tree.rootLevel + 1))
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
    precondition(shard == nextShard, "shard \(shard) was added where \(nextShard) was due")
    guard let buffer = filling else { preconditionFailure("shard \(shard) has not been filled") }
    filling = nil
    nextShard += 1
    push(Partial(node: tree.leaf(shard), values: buffer), recycling: true)
  }

  /// True when every shard of ``range`` has been added.
  public var isComplete: Bool { nextShard >= range.upperBound }

  /// Joins the complete forests of neighbouring ranges into the first one and returns it.
  ///
  /// The result may use the others' memory: clear none of them before the sums have been used.
  /// The bits are those of a single forest over the whole range.
  public static func merge(_ forests: [ShardForest]) -> ShardForest {
    precondition(!forests.isEmpty, "no forest")
    let first = forests[0]
    precondition(first.isComplete, "shard \(first.nextShard) of \(first.range) is missing")
    for other in forests.dropFirst() {
      precondition(
        other.tree == first.tree && other.elementCount == first.elementCount,
        "forests of different trees or lengths")
      precondition(other.isComplete, "shard \(other.nextShard) of \(other.range) is missing")
      precondition(
        other.range.lowerBound == first.nextShard,
        "\(other.range) does not follow shard \(first.nextShard - 1)")
      for partial in other.partials { first.push(partial, recycling: false) }
      first.nextShard = other.range.upperBound
    }
    return first
  }

  /// The shards whose sums are here: ``range``, or more after ``merge(_:)``.
  public var covered: Range<Int> { range.lowerBound..<nextShard }

  /// The sum over all shards, when this forest covers them all.
  public var rootValues: UnsafeMutablePointer<Float> {
    precondition(covered == 0..<tree.shards, "\(covered) are not all \(tree.shards) shards")
    return partials[0].values
  }

  /// Appends a sum on the right and adds siblings until none are left.
  private func push(_ partial: Partial, recycling: Bool) {
    partials.append(partial)
    while partials.count > 1,
      let parent = tree.parent(partials[partials.count - 2].node, partials[partials.count - 1].node)
    {
      let right = partials.removeLast()
      let left = partials.removeLast()
      MecaMPI.add(right.values, to: left.values, count: elementCount)
      // A merged forest's memory belongs to another forest and stays there.
      if recycling { free.append(right.values) }
      partials.append(Partial(node: parent, values: left.values))
    }
  }
}

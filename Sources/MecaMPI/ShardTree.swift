/// A node of the fixed binary tree over the logical shards.
///
/// Node (level l, index i) covers the shards [i·2ˡ, (i+1)·2ˡ) ∩ [0, S). Its value is the value of
/// its left child plus that of its right one, or the left one's alone where the right one covers
/// nothing. Level 0 holds the shards themselves.
public struct TreeNode: Hashable, Sendable {
  /// Height above the shards.
  public let level: Int
  /// Number within the level, from the left.
  public let index: Int

  /// The node at `index` of `level`.
  public init(level: Int, index: Int) {
    self.level = level
    self.index = index
  }
}

/// The order in which the vectors of S logical shards are added, whoever holds them.
///
/// Floating-point addition is not associative; fixing the tree fixes the bits of the sum for any
/// number of ranks and threads. With S = 5, the sum is `((0 + 1) + (2 + 3)) + 4`:
///
/// ```
/// level 3            root
/// level 2      0             1 (= shard 4)
/// level 1   0     1          2 (= shard 4)
/// level 0  0 1   2 3         4
/// ```
/// Nodes that cover nothing on their right are the same value on several levels; they are always
/// named by the highest level at which they are still a right child or the root (above: shard 4 is
/// node (2, 1)), so that two nodes can be added exactly if they are siblings.
///
/// - Ranks: local, arithmetic only.
public struct ShardTree: Hashable, Sendable {
  /// Number of logical shards; "S".
  public let shards: Int
  /// Level of the root: the smallest l with 2ˡ ≥ S.
  public let rootLevel: Int

  /// The tree over `shards` logical shards, at least one.
  public init(shards: Int) {
    precondition(shards > 0, "\(shards) shards")
    self.shards = shards
    rootLevel = Int.bitWidth - (shards - 1).leadingZeroBitCount
  }

  /// The node whose value is the whole sum.
  public var root: TreeNode { TreeNode(level: rootLevel, index: 0) }

  /// The node that holds nothing but shard number `shard`.
  public func leaf(_ shard: Int) -> TreeNode {
    precondition(shard >= 0 && shard < shards, "shard \(shard) of \(shards)")
    return raised(TreeNode(level: 0, index: shard))
  }

  /// The shards that `node` covers.
  public func shards(under node: TreeNode) -> Range<Int> {
    (node.index << node.level)..<min(shards, (node.index + 1) << node.level)
  }

  /// Their parent, if the two nodes are a left and a right child of one; nil otherwise.
  public func parent(_ left: TreeNode, _ right: TreeNode) -> TreeNode? {
    guard left.level == right.level, left.index & 1 == 0, right.index == left.index + 1 else {
      return nil
    }
    return raised(TreeNode(level: left.level + 1, index: left.index >> 1))
  }

  /// The same value at the highest level that has a name for it.
  private func raised(_ node: TreeNode) -> TreeNode {
    var (level, index) = (node.level, node.index)
    while level < rootLevel, index & 1 == 0, (index + 1) << level >= shards {
      level += 1
      index >>= 1
    }
    return TreeNode(level: level, index: index)
  }

  /// The fewest nodes that cover `range` exactly, from the left; at most 2·log₂ S of them.
  public func nodes(covering range: Range<Int>) -> [TreeNode] {
    var stack: [TreeNode] = []
    for shard in range {
      stack.append(leaf(shard))
      while stack.count > 1, let parent = parent(stack[stack.count - 2], stack[stack.count - 1]) {
        stack.removeLast(2)
        stack.append(parent)
      }
    }
    return stack
  }

  /// How neighbouring nodes become the fewest that cover the same shards.
  ///
  /// - Parameter nodes: neighbours, from left to right.
  /// - Returns: `additions`, pairs of positions in `nodes`: in turn, the value at `left` becomes the
  ///   sum of the values at `left` and `right`; and `sums`, the nodes that remain then, with the
  ///   positions of their values.
  func joining(
    _ nodes: [TreeNode]
  ) -> (additions: [(left: Int, right: Int)], sums: [(node: TreeNode, position: Int)]) {
    var sums: [(node: TreeNode, position: Int)] = []
    var additions: [(left: Int, right: Int)] = []
    for (position, node) in nodes.enumerated() {
      sums.append((node, position))
      while sums.count > 1,
        let parent = parent(sums[sums.count - 2].node, sums[sums.count - 1].node)
      {
        let right = sums.removeLast()
        let left = sums.removeLast()
        additions.append((left.position, right.position))
        sums.append((parent, left.position))
      }
    }
    return (additions, sums)
  }
}

/// The contiguous range of logical shards that a rank (or a thread, within a rank) owns.
///
/// The first `shards % size` ranks own one shard more than the others; with more ranks than shards
/// the last ranks own none. Where both are powers of two, every rank owns exactly one node of the
/// ``ShardTree``. For example 6 shards on 4 ranks: 0–1, 2–3, 4, 5.
///
/// - Ranks: local; the ranges of all ranks together are 0 to `shards` − 1, without overlap.
public func shardRange(rank: Int, size: Int, shards: Int) -> Range<Int> {
  precondition(size > 0 && rank >= 0 && rank < size, "rank \(rank) of \(size)")
  precondition(shards >= 0, "\(shards) shards")
  let (least, more) = shards.quotientAndRemainder(dividingBy: size)
  let start = rank * least + min(rank, more)
  return start..<(start + least + (rank < more ? 1 : 0))
}

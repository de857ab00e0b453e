import MecaMPI
import Testing

@Suite struct ShardTreeTests {
  @Test func rangesAreDisjointAndComplete() {
    for shards in 0...17 {
      for size in 1...20 {
        let ranges = (0..<size).map { shardRange(rank: $0, size: size, shards: shards) }
        #expect(ranges.flatMap { Array($0) } == Array(0..<shards))
        let counts = ranges.map(\.count)
        #expect(counts.max()! - counts.min()! <= 1)
      }
    }
  }

  @Test func powersOfTwoOwnOneNodeEach() {
    for shards in [1, 2, 4, 8, 16, 64] {
      let tree = ShardTree(shards: shards)
      var size = 1
      while size <= shards {
        for rank in 0..<size {
          let nodes = tree.nodes(covering: shardRange(rank: rank, size: size, shards: shards))
          #expect(nodes.count == 1 && nodes[0].index == rank)
        }
        size *= 2
      }
    }
  }

  @Test func nodesCoverExactlyTheirRange() {
    for shards in 1...17 {
      let tree = ShardTree(shards: shards)
      #expect(tree.nodes(covering: 0..<shards) == [tree.root])
      for start in 0...shards {
        for end in start...shards {
          let covered = tree.nodes(covering: start..<end).flatMap { Array(tree.shards(under: $0)) }
          #expect(covered == Array(start..<end))
        }
      }
    }
  }

  @Test func ranksAddWithinHostsWhereTheyAreNeighboursAndEquallyMany() {
    func each(_ hosts: String) -> Int? { neighbours(on: hosts.map(String.init)) }
    #expect(each("aabb") == 2 && each("aaabbbccc") == 3 && each("aaaabbbb") == 4)
    for hosts in ["a", "aa", "ab", "abab", "aab", "aabbaa", "aaabbc", "aabbb"] {
      #expect(each(hosts) == nil, "\(hosts)")
    }
  }

  @Test func rootLevelIsTheLogarithmRoundedUp() {
    #expect(
      [1, 2, 3, 4, 5, 8, 9].map { ShardTree(shards: $0).rootLevel } == [0, 1, 2, 2, 3, 3, 4])
  }

  /// The example of the documentation: with 5 shards, shard 4 is the right child of the root.
  @Test func aLoneTailIsNamedByItsHighestLevel() {
    let tree = ShardTree(shards: 5)
    #expect(tree.leaf(4) == TreeNode(level: 2, index: 1))
    #expect(tree.leaf(3) == TreeNode(level: 0, index: 3))
    #expect(tree.parent(TreeNode(level: 2, index: 0), tree.leaf(4)) == tree.root)
    #expect(tree.parent(tree.leaf(1), tree.leaf(2)) == nil)
    #expect(tree.parent(tree.leaf(3), tree.leaf(2)) == nil)
  }
}

import MecaCore

/// The partial sums of a rank whose threads have a ``ShardForest`` each.
///
/// Where two forests end in siblings, these are added here, part by part; the bits are those of a
/// single forest over the whole range.
///
/// - Ranks: local.
public final class JoinedForests {
  /// The forests, over neighbouring ranges.
  public let forests: [ShardForest]
  /// The shards of all forests.
  public let range: Range<Int>
  /// The fewest nodes that cover ``range``, from the left.
  let nodes: [TreeNode]
  /// Where the value of each of `nodes` lies after ``join(_:)``.
  let values: [UnsafeMutablePointer<Float>]
  private let additions:
    [(target: UnsafeMutablePointer<Float>, source: UnsafeMutablePointer<Float>)]

  /// Plans the additions; the forests may still be empty.
  public init(_ forests: [ShardForest]) {
    precondition(!forests.isEmpty, "no forest")
    let first = forests[0]
    var end = first.range.lowerBound
    var partials: [ShardForest.Partial] = []
    for forest in forests {
      precondition(
        forest.tree == first.tree && forest.elementCount == first.elementCount,
        "forests of different trees or lengths")
      precondition(
        forest.range.lowerBound == end, "\(forest.range) does not follow shard \(end - 1)")
      end = forest.range.upperBound
      partials += forest.complete
    }
    let joining = first.tree.joining(partials.map(\.node))
    self.forests = forests
    additions = joining.additions.map {
      (target: partials[$0.left].values, source: partials[$0.right].values)
    }
    range = first.range.lowerBound..<end
    nodes = joining.sums.map(\.node)
    values = joining.sums.map { partials[$0.position].values }
  }

  /// Does the additions between the forests for the floats `part`, which are complete in all.
  public func join(_ part: Range<Int>) {
    guard !additions.isEmpty else { return }
    for start in stride(from: part.lowerBound, to: part.upperBound, by: additionBlock) {
      let count = min(additionBlock, part.upperBound - start)
      for (target, source) in additions { add(source + start, to: target + start, count: count) }
    }
  }

  /// True when every shard of every forest has been added.
  public var isComplete: Bool { forests.allSatisfy(\.isComplete) }

  /// The sum over all shards, when the forests cover them all.
  package var rootValues: UnsafeMutablePointer<Float> {
    let tree = forests[0].tree
    precondition(range == 0..<tree.shards, "\(range) are not all \(tree.shards) shards")
    return values[0]
  }
}

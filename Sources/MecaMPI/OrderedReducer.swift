import CMecaShims
import MecaCore

/// Sums the vectors of all logical shards over all ranks, with the same bits for any number of
/// ranks.
///
/// Every rank brings a ``ShardForest`` with the partial sums of its shards (``shardRange``); every
/// rank ends with the value of the ``ShardTree``'s root. Two ways lead there:
/// - where every rank holds one node of one level (powers of two), recursive halving and doubling:
///   see `HalvingExchange`;
/// - otherwise the vector is cut into one chunk for each rank; everybody sends chunk j of each of
///   its nodes to rank j, which adds them in the order of the tree, and the sums go to all: see
///   `ChunkExchange`.
///
/// With one rank no MPI call is made. Memory and counts are set up once; a call allocates nothing.
///
/// - Ranks: collective.
public final class OrderedReducer {
  /// How ranks exchange; only tests and measurements choose.
  package enum Algorithm: String, CaseIterable {
    case chunks, halving
  }

  /// What the exchanges have cost so far, on this rank.
  public struct Statistics: Sendable, Equatable {
    /// Number of all-reduces.
    public var calls = 0
    /// Bytes that this rank gave to MPI for other ranks.
    public var bytesSent = 0
    /// Seconds inside ``OrderedReducer/allReduce(_:into:)``, waiting for later ranks included.
    public var seconds = 0.0
  }

  /// The tree that fixes the order of the additions.
  public let tree: ShardTree
  /// The shards whose sums this rank must bring.
  public let range: Range<Int>
  /// Floats of one vector.
  public let elementCount: Int
  /// Cost so far; the caller may set it back to zero.
  public var statistics = Statistics()

  private enum Exchange {
    case none
    case chunks(ChunkExchange)
    case halving(HalvingExchange)
  }
  private let exchange: Exchange

  /// Prepares all-reduces of vectors of `elementCount` floats, at most 2³¹ − 1.
  ///
  /// - Ranks: local, with the same arguments on every rank.
  public convenience init(communicator: Communicator, shards: Int, elementCount: Int) {
    self.init(
      communicator: communicator, shards: shards, elementCount: elementCount, algorithm: nil)
  }

  /// As above, with the algorithm that a test wants; nil takes the faster one.
  package init(
    communicator: Communicator, shards: Int, elementCount: Int, algorithm: Algorithm?
  ) {
    precondition(
      elementCount > 0 && elementCount <= Int(Int32.max), "\(elementCount) elements")
    tree = ShardTree(shards: shards)
    range = shardRange(rank: communicator.rank, size: communicator.size, shards: shards)
    self.elementCount = elementCount
    let layout = ReductionLayout(tree: tree, size: communicator.size, elementCount: elementCount)
    if communicator.size == 1 {
      exchange = .none
    } else if algorithm != .chunks && layout.isOneLevel {
      exchange = .halving(HalvingExchange(communicator: communicator, layout: layout))
    } else {
      precondition(algorithm != .halving, "\(shards) shards do not allow recursive halving")
      exchange = .chunks(ChunkExchange(communicator: communicator, layout: layout))
    }
  }

  /// Writes the sum over all shards of all ranks to `destination`.
  ///
  /// - Ranks: collective.
  /// - Parameters:
  ///   - forest: the complete sums of ``range``; its values are used up.
  ///   - destination: ``elementCount`` floats, none of them the forest's.
  /// - Throws: ``MPIError``.
  public func allReduce(
    _ forest: ShardForest, into destination: UnsafeMutablePointer<Float>
  ) throws {
    precondition(forest.tree == tree, "\(forest.tree.shards) shards, not \(tree.shards)")
    precondition(forest.covered == range, "sums of \(forest.covered), not of \(range)")
    precondition(
      forest.elementCount == elementCount, "\(forest.elementCount) floats, not \(elementCount)")
    let start = ContinuousClock.now
    switch exchange {
    case .none:
      destination.update(from: forest.partials[0].values, count: elementCount)
    case .chunks(let exchange):
      statistics.bytesSent += try exchange.run(forest.partials, into: destination)
    case .halving(let exchange):
      statistics.bytesSent += try exchange.run(forest.partials[0].values, into: destination)
    }
    let passed = (ContinuousClock.now - start).components
    statistics.seconds += Double(passed.seconds) + Double(passed.attoseconds) * 1e-18
    statistics.calls += 1
  }
}

/// Who holds which nodes of the tree, and how the vector is cut into one chunk for each rank.
struct ReductionLayout {
  let tree: ShardTree
  let elementCount: Int
  /// Nodes held by each rank, from the left.
  let nodes: [[TreeNode]]
  /// Where chunk j begins, and after the last one the end.
  ///
  /// Multiples of 16 floats (64 bytes), so that two ranks' chunks never share a cache line.
  let chunkStarts: [Int]

  init(tree: ShardTree, size: Int, elementCount: Int) {
    self.tree = tree
    self.elementCount = elementCount
    nodes = (0..<size).map {
      tree.nodes(covering: shardRange(rank: $0, size: size, shards: tree.shards))
    }
    let lines = (elementCount + 15) / 16
    chunkStarts = (0...size).map { min(elementCount, lines * $0 / size * 16) }
  }

  /// True where rank r holds just node r of one level: exchanging in pairs then is the tree.
  var isOneLevel: Bool {
    guard nodes.count & (nodes.count - 1) == 0 else { return false }
    return nodes.indices.allSatisfy { rank in
      nodes[rank] == [TreeNode(level: nodes[0].first?.level ?? 0, index: rank)]
    }
  }

  func chunk(_ index: Int) -> Range<Int> { chunkStarts[index]..<chunkStarts[index + 1] }
}

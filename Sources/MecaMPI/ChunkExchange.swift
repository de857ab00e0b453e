import CMecaShims
import MecaCore

/// The exchange of ``OrderedReducer``: rank j adds chunk j of everybody's nodes.
///
/// The vector is cut into one chunk for each rank. Where the numbers of shards and ranks are powers
/// of two, every rank holds one node; otherwise some hold several, because their shards are not
/// one subtree.
///
/// Rank r holds K(r) nodes, K = max K(r). K exchanges (`MPI_Alltoallv`, straight from the nodes'
/// memory) bring chunk j of all nodes to rank j, which adds them in the order of the tree; one
/// `MPI_Allgatherv` gives the sums to all. With N floats and P ranks each rank sends
/// (K(r) + 1)·N·(P − 1)/P floats; with K = 1 that is the least that any all-reduce can do.
///
/// - Ranks: collective.
final class ChunkExchange {
  private let communicator: Communicator
  private let additions: [(left: Int, right: Int)]
  private let inbox: AlignedStorage<Float>
  /// For each exchange, counts and displacements of what goes out and of what comes in.
  private struct Round {
    var sendCounts, sendStarts, receiveCounts, receiveStarts: [Int32]
  }
  private var rounds: [Round] = []
  /// Length and beginning of each rank's chunk; the beginnings are multiples of 16 floats
  /// (64 bytes), so that two ranks' chunks share no cache line.
  private let chunkCounts: [Int32]
  private let chunkStarts: [Int32]
  private let mine: Range<Int>
  /// My chunk of every node of every rank, from the left; own nodes are set at each call.
  private var parts: [UnsafeMutablePointer<Float>] = []
  private let firstOwnPart: Int
  /// Bytes that this rank sends in one ``run(_:into:)``.
  let bytesPerCall: Int

  init(communicator: Communicator, tree: ShardTree, elementCount: Int) {
    self.communicator = communicator
    let (rank, size) = (communicator.rank, communicator.size)
    let nodes = (0..<size).map {
      tree.nodes(covering: shardRange(rank: $0, size: size, shards: tree.shards))
    }
    additions = tree.additions(joining: nodes.flatMap { $0 })
    let lines = (elementCount + 15) / 16
    let starts = (0...size).map { min(elementCount, lines * $0 / size * 16) }
    chunkStarts = starts.dropLast().map(Int32.init)
    chunkCounts = zip(starts, starts.dropFirst()).map { Int32($1 - $0) }
    let mine = starts[rank]..<starts[rank + 1]
    self.mine = mine
    let own = nodes[rank].count
    let partCount = nodes.reduce(0) { $0 + $1.count }
    inbox = AlignedStorage(count: (partCount - own) * mine.count)
    precondition(inbox.count <= Int(Int32.max), "\(inbox.count) floats come in at once")
    firstOwnPart = nodes[..<rank].reduce(0) { $0 + $1.count }

    let zeros = [Int32](repeating: 0, count: size)
    let roundCount = nodes.map(\.count).max() ?? 0
    rounds = [Round](
      repeating: Round(
        sendCounts: zeros, sendStarts: chunkStarts, receiveCounts: zeros, receiveStarts: zeros),
      count: roundCount)
    var start = 0
    for other in 0..<size {
      for slot in nodes[other].indices {
        parts.append(inbox.pointer + start)
        guard other != rank else { continue }
        rounds[slot].receiveCounts[other] = Int32(mine.count)
        rounds[slot].receiveStarts[other] = Int32(start)
        start += mine.count
      }
      if other != rank {
        for slot in 0..<own { rounds[slot].sendCounts[other] = chunkCounts[other] }
      }
    }
    bytesPerCall =
      MemoryLayout<Float>.stride
      * (own * (elementCount - mine.count) + (size - 1) * mine.count)
  }

  /// Sums `partials`, which are used up, with those of the other ranks into `destination`.
  func run(
    _ partials: [ShardForest.Partial], into destination: UnsafeMutablePointer<Float>
  ) throws {
    for slot in rounds.indices {
      // A rank without a node in this round sends nothing; MPI still wants an address.
      let source = slot < partials.count ? partials[slot].values : inbox.pointer
      try check(
        meca_all_to_all_v(
          source, rounds[slot].sendCounts, rounds[slot].sendStarts, inbox.pointer,
          rounds[slot].receiveCounts, rounds[slot].receiveStarts, meca_float(),
          communicator.handle),
        "MPI_Alltoallv")
    }
    for slot in partials.indices {
      parts[firstOwnPart + slot] = partials[slot].values + mine.lowerBound
    }
    // Block by block, so that a block's sums stay in the cache from addition to addition.
    let block = 4096
    for start in stride(from: 0, to: mine.count, by: block) {
      let count = min(block, mine.count - start)
      let target = destination + mine.lowerBound + start
      for (left, right) in additions.dropLast() {
        add(parts[right] + start, to: parts[left] + start, count: count)
      }
      if let last = additions.last {
        addPair(parts[last.left] + start, parts[last.right] + start, to: target, count: count)
      } else {
        target.update(from: parts[0] + start, count: count)
      }
    }
    try check(
      meca_all_gather_v_in_place(
        destination, chunkCounts, chunkStarts, meca_float(), communicator.handle),
      "MPI_Allgatherv")
  }
}

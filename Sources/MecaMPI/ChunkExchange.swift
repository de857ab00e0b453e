import CMecaShims
import MecaCore

/// The all-reduce for any number of ranks: rank j adds chunk j of everybody's nodes.
///
/// Rank r holds K(r) nodes, K = max K(r). K exchanges (`MPI_Alltoallv`, straight from the nodes'
/// memory) bring chunk j of all nodes to rank j, which adds them in the order of the tree; one
/// `MPI_Allgatherv` gives the sums to all. With N floats and P ranks each rank sends
/// (K(r) + 1)·N·(P − 1)/P floats; a K above 1 is the price of counts that are no power of two.
final class ChunkExchange {
  private let communicator: Communicator
  private let layout: ReductionLayout
  private let additions: [(left: Int, right: Int)]
  private let inbox: AlignedStorage<Float>
  /// For each exchange, counts and displacements of what goes out and of what comes in.
  private struct Round {
    var sendCounts, sendStarts, receiveCounts, receiveStarts: [Int32]
  }
  private var rounds: [Round] = []
  private let chunkCounts: [Int32]
  private let chunkStarts: [Int32]
  /// My chunk of every node of every rank, from the left; own nodes are set at each call.
  private var parts: [UnsafeMutablePointer<Float>] = []
  private let firstOwnPart: Int
  private let bytesPerCall: Int

  init(communicator: Communicator, layout: ReductionLayout) {
    self.communicator = communicator
    self.layout = layout
    let (rank, size) = (communicator.rank, communicator.size)
    additions = layout.tree.additions(joining: layout.nodes.flatMap { $0 })
    let mine = layout.chunk(rank)
    let own = layout.nodes[rank].count
    let partCount = layout.nodes.reduce(0) { $0 + $1.count }
    inbox = AlignedStorage(count: (partCount - own) * mine.count)
    precondition(inbox.count <= Int(Int32.max), "\(inbox.count) floats come in at once")
    chunkCounts = (0..<size).map { Int32(layout.chunk($0).count) }
    chunkStarts = (0..<size).map { Int32(layout.chunkStarts[$0]) }
    firstOwnPart = layout.nodes[..<rank].reduce(0) { $0 + $1.count }

    let zeros = [Int32](repeating: 0, count: size)
    let roundCount = layout.nodes.map(\.count).max() ?? 0
    rounds = [Round](
      repeating: Round(
        sendCounts: zeros, sendStarts: chunkStarts, receiveCounts: zeros, receiveStarts: zeros),
      count: roundCount)
    var start = 0
    for other in 0..<size {
      for slot in layout.nodes[other].indices {
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
      * (own * (layout.elementCount - mine.count) + (size - 1) * mine.count)
  }

  /// Sums `partials`, which are used up, with those of the other ranks into `destination`.
  ///
  /// - Returns: the bytes that this rank sent.
  func run(
    _ partials: [ShardForest.Partial], into destination: UnsafeMutablePointer<Float>
  ) throws -> Int {
    let mine = layout.chunk(communicator.rank)
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
      for (left, right) in additions {
        add(parts[right] + start, to: parts[left] + start, count: count)
      }
      (destination + mine.lowerBound + start).update(from: parts[0] + start, count: count)
    }
    try check(
      meca_all_gather_v_in_place(
        destination, chunkCounts, chunkStarts, meca_float(), communicator.handle),
      "MPI_Allgatherv")
    return bytesPerCall
  }
}

import CMecaShims
import MecaCore

/// The exchange of ``OrderedReducer`` between ranks: bucket by bucket, rank j adds chunk j of
/// everybody's nodes.
///
/// A bucket is cut into one chunk for each rank. Where the numbers of shards and ranks are powers
/// of two, every rank holds one node; otherwise some hold several, because their shards are not one
/// subtree. Chunk j of all nodes goes to rank j straight from the nodes' memory; rank j adds in the
/// order of the tree and sends the sum to all. With N floats, P ranks and K nodes on a rank, this
/// rank sends (K + 1)·N·(P − 1)/P floats; with K = 1 that is the least that any all-reduce can do.
///
/// All messages are non-blocking and from rank to rank: a collective of MPI would move only inside
/// its own call. Several buckets are under way at once, but what came in is kept for `window` of
/// them only, so that the memory beside the vectors is small. The sum takes the place of the
/// leftmost node, once its old values have been sent.
///
/// - Ranks: every rank goes through the buckets in the same order, each at its own time.
final class BucketExchange {
  private let communicator: Communicator
  private let plan: BucketPlan
  private let joined: JoinedForests
  /// Where the sum will be.
  private let sum: UnsafeMutablePointer<Float>
  /// The other ranks, beginning behind this one, so that not all begin with rank 0.
  private let peers: [Int]
  /// For each bucket, the beginnings of the ranks' chunks and the end of the last; multiples of 16
  /// floats from the bucket's beginning.
  private let bounds: [[Int]]
  private let additions: [(left: Int, right: Int)]
  /// Rank and position in `parts` of every node that comes from another rank.
  private let foreign: [(rank: Int, part: Int)]
  /// My chunk of every node of every rank, from the left.
  private var parts: [UnsafeMutablePointer<Float>]
  private let firstOwnPart: Int
  private let inbox: AlignedStorage<Float>
  /// Floats of the inbox that one node of one bucket takes.
  private let inboxStride: Int
  private let scatters: RequestTable
  private let gathers: RequestTable

  /// Buckets whose nodes are on their way, at most.
  private static let window = 4
  private static let (scatterTag, gatherTag) = (Int32(1), Int32(2))

  /// Buckets whose exchange has begun, whose chunk has been added, whose sum is here.
  private var (begun, added, gathered) = (0, 0, 0)

  /// Bytes that this rank sends in one exchange of the whole vector.
  let bytesPerCall: Int

  init(
    communicator: Communicator, joined: JoinedForests, plan: BucketPlan,
    sum: UnsafeMutablePointer<Float>
  ) {
    self.communicator = communicator
    self.joined = joined
    self.plan = plan
    self.sum = sum
    let (rank, size) = (communicator.rank, communicator.size)
    peers = (1..<size).map { (rank + $0) % size }
    let tree = joined.forests[0].tree
    let nodes = (0..<size).map {
      tree.nodes(covering: shardRange(rank: $0, size: size, shards: tree.shards))
    }
    precondition(nodes[rank] == joined.nodes, "nodes \(joined.nodes), not \(nodes[rank])")
    additions = tree.additions(joining: nodes.flatMap { $0 })
    bounds = plan.ranges.map { bucket in
      let lines = (bucket.count + 15) / 16
      return (0...size).map { min(bucket.upperBound, bucket.lowerBound + lines * $0 / size * 16) }
    }
    var foreign: [(rank: Int, part: Int)] = []
    var position = 0
    for other in 0..<size {
      if other != rank {
        foreign += nodes[other].indices.map { (rank: other, part: position + $0) }
      }
      position += nodes[other].count
    }
    self.foreign = foreign
    parts = [UnsafeMutablePointer<Float>](repeating: sum, count: position)
    firstOwnPart = nodes[..<rank].reduce(0) { $0 + $1.count }
    inboxStride = bounds.map { $0[rank + 1] - $0[rank] }.max() ?? 0
    let window = min(Self.window, plan.ranges.count)
    inbox = AlignedStorage(count: window * foreign.count * inboxStride)
    scatters = RequestTable(
      rows: window, columns: foreign.count + joined.nodes.count * peers.count)
    gathers = RequestTable(rows: plan.ranges.count, columns: 2 * peers.count)
    let mine = bounds.reduce(0) { $0 + $1[rank + 1] - $1[rank] }
    bytesPerCall =
      MemoryLayout<Float>.stride
      * (joined.nodes.count * (plan.elementCount - mine) + peers.count * mine)
  }

  /// Whether a bucket has been begun and its sum is not here yet.
  var isUnderWay: Bool { gathered < begun }

  /// Forgets the last exchange.
  func reset() {
    precondition(!isUnderWay, "bucket \(gathered) of the exchange before is still under way")
    (begun, added, gathered) = (0, 0, 0)
  }

  /// Does whatever can be done for the first `ready` buckets, whose sums on this rank are complete.
  ///
  /// - Parameter waiting: stay until they are done.
  func advance(ready: Int, waiting: Bool) throws {
    while true {
      while begun < ready, begun - added < scatters.rows {
        joined.join(plan.ranges[begun])
        try beginScatter(begun)
        begun += 1
      }
      guard added < begun, try scatters.isDone(added % scatters.rows, waiting: waiting) else {
        break
      }
      addChunks(of: added)
      try beginGather(added)
      added += 1
    }
    while gathered < added, try gathers.isDone(gathered, waiting: waiting) { gathered += 1 }
  }

  /// Sends the chunks of `bucket` to the ranks that add them.
  private func beginScatter(_ bucket: Int) throws {
    let row = bucket % scatters.rows
    scatters.clear(row)
    let mine = chunk(communicator.rank, of: bucket)
    if !mine.isEmpty {
      for (index, part) in foreign.enumerated() {
        try check(
          meca_begin_receive(
            inboxPlace(bucket, index), Int32(mine.count), meca_float(), Int32(part.rank),
            Self.scatterTag, communicator.handle, scatters.next(row)),
          "MPI_Irecv")
      }
    }
    for peer in peers {
      let theirs = chunk(peer, of: bucket)
      guard !theirs.isEmpty else { continue }
      for values in joined.values {
        try check(
          meca_begin_send(
            values + theirs.lowerBound, Int32(theirs.count), meca_float(), Int32(peer),
            Self.scatterTag, communicator.handle, scatters.next(row)),
          "MPI_Isend")
      }
    }
  }

  /// Adds this rank's chunk of `bucket` in the order of the tree, into the sum.
  private func addChunks(of bucket: Int) {
    let mine = chunk(communicator.rank, of: bucket)
    for (index, part) in foreign.enumerated() { parts[part.part] = inboxPlace(bucket, index) }
    for (index, values) in joined.values.enumerated() {
      parts[firstOwnPart + index] = values + mine.lowerBound
    }
    let target = sum + mine.lowerBound
    guard let last = additions.last else {
      // A single shard: its owner has it in place already.
      if parts[0] != target { target.update(from: parts[0], count: mine.count) }
      return
    }
    for start in stride(from: 0, to: mine.count, by: additionBlock) {
      let count = min(additionBlock, mine.count - start)
      for (left, right) in additions.dropLast() {
        add(parts[right] + start, to: parts[left] + start, count: count)
      }
      addPair(parts[last.left] + start, parts[last.right] + start, to: target + start, count: count)
    }
  }

  /// Sends this rank's sums of `bucket` to all and takes in theirs.
  private func beginGather(_ bucket: Int) throws {
    gathers.clear(bucket)
    let mine = chunk(communicator.rank, of: bucket)
    for peer in peers {
      let theirs = chunk(peer, of: bucket)
      if !theirs.isEmpty {
        try check(
          meca_begin_receive(
            sum + theirs.lowerBound, Int32(theirs.count), meca_float(), Int32(peer),
            Self.gatherTag, communicator.handle, gathers.next(bucket)),
          "MPI_Irecv")
      }
      if !mine.isEmpty {
        try check(
          meca_begin_send(
            sum + mine.lowerBound, Int32(mine.count), meca_float(), Int32(peer), Self.gatherTag,
            communicator.handle, gathers.next(bucket)),
          "MPI_Isend")
      }
    }
  }

  private func chunk(_ rank: Int, of bucket: Int) -> Range<Int> {
    bounds[bucket][rank]..<bounds[bucket][rank + 1]
  }

  private func inboxPlace(_ bucket: Int, _ index: Int) -> UnsafeMutablePointer<Float> {
    inbox.pointer + (bucket % scatters.rows * foreign.count + index) * inboxStride
  }
}

/// Rows of calls of MPI that have begun; a row is done when all of its calls are.
private final class RequestTable {
  let rows: Int
  private let columns: Int
  private let requests: UnsafeMutablePointer<MecaRequest>
  private var counts: [Int]

  init(rows: Int, columns: Int) {
    self.rows = rows
    self.columns = columns
    requests = .allocate(capacity: max(1, rows * columns))
    requests.initialize(repeating: MecaRequest(), count: max(1, rows * columns))
    counts = [Int](repeating: 0, count: rows)
  }

  deinit { requests.deallocate() }

  /// Forgets the calls of a row that is done.
  func clear(_ row: Int) { counts[row] = 0 }

  /// The place for the row's next call.
  func next(_ row: Int) -> UnsafeMutablePointer<MecaRequest> {
    precondition(counts[row] < columns, "row \(row) has its \(columns) calls")
    defer { counts[row] += 1 }
    return requests + row * columns + counts[row]
  }

  /// Whether the row is done; always, after it has waited for that.
  func isDone(_ row: Int, waiting: Bool) throws -> Bool {
    let (first, count) = (requests + row * columns, Int32(counts[row]))
    if waiting {
      try check(meca_wait_all(first, count), "MPI_Waitall")
      return true
    }
    var done: Int32 = 0
    try check(meca_test_all(first, count, &done), "MPI_Testall")
    return done != 0
  }
}

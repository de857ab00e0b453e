import CMecaShims
import MecaCore

/// One round of a ``BucketExchange``: every rank of a group adds one chunk of everybody's nodes, and
/// later sends what has become of it to the others.
///
/// A column, the part of a bucket that the group is about, is cut into one chunk for each of its
/// ranks. Chunk j of all nodes goes to rank j straight from the nodes' memory; rank j adds in the
/// order of the tree. What comes of that are the fewest nodes that cover the group's shards, of
/// which rank j has its chunk. With N floats in a column, P ranks and K nodes on a rank, this rank
/// sends K·N·(P − 1)/P floats, and N·(P − 1)/P more when the sum is gathered; with K = 1 that is the
/// least that any all-reduce can do.
///
/// All messages are non-blocking and from rank to rank: a collective of MPI would move only inside
/// its own call. What came in is kept for `window` buckets.
///
/// - Ranks: every rank of the group goes through the buckets in the same order.
final class ExchangeRound {
  /// A rank of the group, and the shards whose sums it brings.
  struct Member {
    var rank: Int
    var shards: Range<Int>
  }
  /// Of each bucket, this rank's chunk.
  let chunks: [Range<Int>]

  private let communicator: Communicator
  /// The ranks of the group.
  private let group: [Int]
  private let scatterTag: Int32
  private let gatherTag: Int32
  /// Places of the others in the group, beginning behind this one, so that not all begin with the
  /// first.
  private let peers: [Int]
  /// For each bucket, the beginnings of the chunks and the end of the last.
  private let bounds: [[Int]]
  /// The additions among all nodes of the group, by position, and where the sums are then.
  private let additions: [(left: Int, right: Int)]
  private let results: [Int]
  private let nodeCount: Int
  private let firstOwnNode: Int
  private let ownNodeCount: Int
  /// Place in the group and position of every node that comes from another rank.
  private let foreign: [(place: Int, position: Int)]
  private let window: Int
  /// Where my chunk of every node is, for each bucket of the window.
  private var nodes: [UnsafeMutablePointer<Float>]
  /// My chunk of the nodes of others.
  private let inbox: AlignedStorage<Float>
  /// Floats of the inbox that one node of one bucket takes.
  private let inboxStride: Int
  private let scatters: RequestTable
  private let gathers: RequestTable

  /// Plans the round.
  ///
  /// - Parameters:
  ///   - members: the group, this rank among them, in the order of their shards, without gaps.
  ///   - columns: what the round is about, for each bucket; the same on all ranks of the group.
  ///   - window: how many buckets may be between ``begin(_:with:)`` and the end of their additions,
  ///     and of whatever is still sent of these.
  ///   - number: which round of the exchange this is.
  init(
    _ communicator: Communicator, members: [Member], tree: ShardTree, columns: [Range<Int>],
    window: Int, number: Int
  ) {
    self.communicator = communicator
    self.window = window
    (scatterTag, gatherTag) = (Int32(2 * number + 1), Int32(2 * number + 2))
    group = members.map(\.rank)
    guard let place = group.firstIndex(of: communicator.rank) else {
      preconditionFailure("rank \(communicator.rank) is not in \(group)")
    }
    let size = members.count
    peers = (1..<size).map { (place + $0) % size }
    let bounds = columns.map { column in
      let lines = (column.count + 15) / 16
      return (0...size).map { min(column.upperBound, column.lowerBound + lines * $0 / size * 16) }
    }
    self.bounds = bounds
    chunks = bounds.map { $0[place]..<$0[place + 1] }

    let nodesOfPlace = members.map { tree.nodes(covering: $0.shards) }
    let joining = tree.joining(nodesOfPlace.flatMap { $0 })
    (additions, results) = (joining.additions, joining.sums.map(\.position))
    nodeCount = nodesOfPlace.reduce(0) { $0 + $1.count }
    firstOwnNode = nodesOfPlace[..<place].reduce(0) { $0 + $1.count }
    ownNodeCount = nodesOfPlace[place].count
    var foreign: [(place: Int, position: Int)] = []
    var position = 0
    for (other, nodes) in nodesOfPlace.enumerated() {
      if other != place { foreign += nodes.indices.map { (other, position + $0) } }
      position += nodes.count
    }
    self.foreign = foreign
    inboxStride = chunks.map(\.count).max() ?? 0
    inbox = AlignedStorage(count: window * foreign.count * inboxStride)
    nodes = [UnsafeMutablePointer<Float>](repeating: inbox.pointer, count: window * nodeCount)
    scatters = RequestTable(rows: window, columns: foreign.count + ownNodeCount * peers.count)
    gathers = RequestTable(rows: columns.count, columns: 2 * peers.count)
  }

  /// Bytes that this rank sends to each rank of the group in one exchange of all buckets.
  var bytesByRank: [(rank: Int, bytes: Int)] {
    let mine = chunks.reduce(0) { $0 + $1.count }
    return peers.map { peer in
      let theirs = bounds.reduce(0) { $0 + $1[peer + 1] - $1[peer] }
      return (group[peer], MemoryLayout<Float>.stride * (ownNodeCount * theirs + mine))
    }
  }

  /// Sends the chunks of `bucket` to the ranks that add them.
  ///
  /// - Parameter value: where the values of this rank's node number k are, for the float at `index`
  ///   of the whole vector.
  func begin(
    _ bucket: Int, with value: (_ node: Int, _ index: Int) -> UnsafeMutablePointer<Float>
  ) throws {
    let row = bucket % window
    scatters.clear(row)
    let mine = chunks[bucket]
    for (index, node) in foreign.enumerated() {
      let inboxPlace = inbox.pointer + (row * foreign.count + index) * inboxStride
      nodes[row * nodeCount + node.position] = inboxPlace
      guard !mine.isEmpty else { continue }
      try check(
        meca_begin_receive(
          inboxPlace, Int32(mine.count), meca_float(), Int32(group[node.place]), scatterTag,
          communicator.handle, scatters.next(row)),
        "MPI_Irecv")
    }
    for node in 0..<ownNodeCount {
      nodes[row * nodeCount + firstOwnNode + node] = value(node, mine.lowerBound)
    }
    for peer in peers {
      let (start, end) = (bounds[bucket][peer], bounds[bucket][peer + 1])
      guard start < end else { continue }
      for node in 0..<ownNodeCount {
        try check(
          meca_begin_send(
            value(node, start), Int32(end - start), meca_float(), Int32(group[peer]), scatterTag,
            communicator.handle, scatters.next(row)),
          "MPI_Isend")
      }
    }
  }

  /// Whether this rank's chunks of `bucket` are here, and its own have been sent.
  func hasScattered(_ bucket: Int, waiting: Bool) throws -> Bool {
    try scatters.isDone(bucket % window, waiting: waiting)
  }

  /// Adds this rank's chunk of `bucket` in the order of the tree.
  ///
  /// - Parameter sum: where the chunk of the only sum goes; nil leaves the sums to ``sum(_:of:_:)``.
  func add(_ bucket: Int, into sum: UnsafeMutablePointer<Float>?) {
    let row = bucket % window * nodeCount
    let count = chunks[bucket].count
    guard let last = additions.last else {
      // Whoever has the only node has it in place already.
      if let sum, nodes[row] != sum { sum.update(from: nodes[row], count: count) }
      return
    }
    for start in stride(from: 0, to: count, by: additionBlock) {
      let part = min(additionBlock, count - start)
      for (left, right) in additions.dropLast() {
        MecaMPI.add(nodes[row + right] + start, to: nodes[row + left] + start, count: part)
      }
      let left = nodes[row + last.left] + start
      addPair(
        left, nodes[row + last.right] + start, to: sum.map { $0 + start } ?? left, count: part)
    }
  }

  /// Where sum number `number` of this rank's chunk of `bucket` is, after ``add(_:into:)``; `index`
  /// counts in the whole vector.
  func sum(_ number: Int, of bucket: Int, _ index: Int) -> UnsafeMutablePointer<Float> {
    nodes[bucket % window * nodeCount + results[number]] + (index - chunks[bucket].lowerBound)
  }

  /// Sends this rank's chunk of `bucket` of the vector `sum` to the group and takes in the others.
  func beginGather(_ bucket: Int, of sum: UnsafeMutablePointer<Float>) throws {
    gathers.clear(bucket)
    let mine = chunks[bucket]
    for peer in peers {
      let (start, end) = (bounds[bucket][peer], bounds[bucket][peer + 1])
      if start < end {
        try check(
          meca_begin_receive(
            sum + start, Int32(end - start), meca_float(), Int32(group[peer]), gatherTag,
            communicator.handle, gathers.next(bucket)),
          "MPI_Irecv")
      }
      if !mine.isEmpty {
        try check(
          meca_begin_send(
            sum + mine.lowerBound, Int32(mine.count), meca_float(), Int32(group[peer]), gatherTag,
            communicator.handle, gathers.next(bucket)),
          "MPI_Isend")
      }
    }
  }

  /// Whether the group's chunks of `bucket` are here, and this rank's has been sent.
  func hasGathered(_ bucket: Int, waiting: Bool) throws -> Bool {
    try gathers.isDone(bucket, waiting: waiting)
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

import MecaCore

/// The exchange of ``OrderedReducer`` between ranks, bucket by bucket, in one round or in two.
///
/// On one host, one round among all ranks. On several with equally many neighbouring ranks each
/// (``neighbours(on:)``), two: first the ranks of a host add among themselves, each a column of the
/// bucket; then the ranks with the same column, one of each host, add what the hosts have, each a
/// chunk of the column; and the sums go back the same way. The order of the additions is the tree's
/// in both cases. With N floats and R ranks on each of H hosts, a host sends 2·N·(H − 1)/H floats to
/// others in two rounds, and R times as many in one.
///
/// Several buckets are under way at once, but what came in is kept for `window` of them only, so
/// that the memory beside the vectors is small. The sum takes the place of the leftmost node, once
/// its old values have been sent.
///
/// - Ranks: every rank goes through the buckets in the same order, each at its own time.
final class BucketExchange {
  private let joined: JoinedForests
  private let plan: BucketPlan
  /// Where the sum will be.
  private let sum: UnsafeMutablePointer<Float>
  private let rounds: [ExchangeRound]

  /// Buckets that have been begun.
  private var begun = 0
  /// Buckets that have ended each stage.
  ///
  /// The stages are the scatters of all rounds, then their gathers, the last round's first. A bucket
  /// begins the next stage when it ends one.
  private var done: [Int]

  /// Buckets whose nodes are on their way, at most.
  private static let window = 4

  /// Bytes that this rank sends in one exchange of the whole vector.
  let bytesPerCall: Int
  /// Those of them that go to other hosts.
  let bytesBetweenHostsPerCall: Int

  /// - Parameter hosts: the machine of every rank, by which the rounds are planned.
  init(
    communicator: Communicator, joined: JoinedForests, plan: BucketPlan,
    sum: UnsafeMutablePointer<Float>, hosts: [String]
  ) {
    self.joined = joined
    self.plan = plan
    self.sum = sum
    let (rank, size, tree) = (communicator.rank, communicator.size, joined.forests[0].tree)
    precondition(hosts.count == size, "\(hosts.count) hosts of \(size) ranks")
    func shards(_ ranks: Range<Int>) -> Range<Int> {
      shardRange(rank: ranks.lowerBound, size: size, shards: tree.shards)
        .lowerBound..<shardRange(rank: ranks.upperBound - 1, size: size, shards: tree.shards)
        .upperBound
    }
    precondition(
      tree.nodes(covering: shards(rank..<rank + 1)) == joined.nodes, "nodes \(joined.nodes)")
    let window = min(Self.window, plan.ranges.count)
    var rounds: [ExchangeRound] = []
    func addRound(_ members: [ExchangeRound.Member]) {
      rounds.append(
        ExchangeRound(
          communicator, members: members, tree: tree, columns: rounds.last?.chunks ?? plan.ranges,
          window: window, number: rounds.count))
    }
    if let each = neighbours(on: hosts) {
      let first = rank / each * each
      addRound((first..<first + each).map { .init(rank: $0, shards: shards($0..<$0 + 1)) })
      addRound(
        stride(from: 0, to: size, by: each).map {
          .init(rank: $0 + rank % each, shards: shards($0..<$0 + each))
        })
    } else {
      addRound((0..<size).map { .init(rank: $0, shards: shards($0..<$0 + 1)) })
    }
    self.rounds = rounds
    done = [Int](repeating: 0, count: 2 * rounds.count)
    let sent = rounds.flatMap(\.bytesByRank)
    bytesPerCall = sent.reduce(0) { $0 + $1.bytes }
    bytesBetweenHostsPerCall = sent.reduce(0) {
      $0 + (hosts[$1.rank] == hosts[rank] ? 0 : $1.bytes)
    }
  }

  /// Whether a bucket has been begun and its sum is not here yet.
  var isUnderWay: Bool { done[done.count - 1] < begun }

  /// Forgets the last exchange.
  func reset() {
    precondition(!isUnderWay, "an exchange is still under way: \(done) of \(begun) buckets")
    begun = 0
    for stage in done.indices { done[stage] = 0 }
  }

  /// Does whatever can be done for the first `ready` buckets, whose sums on this rank are complete.
  ///
  /// - Parameter waiting: stay until they are done.
  func advance(ready: Int, waiting: Bool) throws {
    try moveOn(ready)
    guard waiting else { return }
    // Whoever waits for the oldest of its buckets waits for ranks that have come at least as far.
    while isUnderWay {
      let oldest = done[done.count - 1]
      guard let stage = done.firstIndex(of: oldest) else { preconditionFailure("\(done)") }
      try end(stage, of: oldest, waiting: true)
      try moveOn(ready)
    }
  }

  /// Begins and ends what can be without waiting.
  private func moveOn(_ ready: Int) throws {
    while true {
      while begun < ready, begun - done[rounds.count - 1] < Self.window {
        joined.join(plan.ranges[begun])
        let joined = joined
        try rounds[0].begin(begun) { joined.values[$0] + $1 }
        begun += 1
      }
      let added = done[rounds.count - 1]
      for stage in done.indices {
        while done[stage] < (stage == 0 ? begun : done[stage - 1]),
          try end(stage, of: done[stage], waiting: false)
        {}
      }
      guard begun < ready, done[rounds.count - 1] > added else { return }
    }
  }

  /// Ends a stage of `bucket`, if it is done, and begins the next.
  @discardableResult
  private func end(_ stage: Int, of bucket: Int, waiting: Bool) throws -> Bool {
    if stage < rounds.count {
      let round = rounds[stage]
      guard try round.hasScattered(bucket, waiting: waiting) else { return false }
      if stage + 1 < rounds.count {
        round.add(bucket, into: nil)
        try rounds[stage + 1].begin(bucket) { round.sum($0, of: bucket, $1) }
      } else {
        round.add(bucket, into: sum + round.chunks[bucket].lowerBound)
        try round.beginGather(bucket, of: sum)
      }
    } else {
      let round = 2 * rounds.count - 1 - stage
      guard try rounds[round].hasGathered(bucket, waiting: waiting) else { return false }
      if round > 0 { try rounds[round - 1].beginGather(bucket, of: sum) }
    }
    done[stage] += 1
    return true
  }
}

/// How many neighbouring ranks each host has, where there are several hosts with equally many, more
/// than one; nil otherwise.
///
/// - Parameter hosts: the host of every rank.
package func neighbours(on hosts: [String]) -> Int? {
  let each = hosts.prefix { $0 == hosts[0] }.count
  guard each > 1, each < hosts.count, hosts.count % each == 0 else { return nil }
  let firsts = stride(from: 0, to: hosts.count, by: each)
  guard
    firsts.allSatisfy({ first in hosts[first..<first + each].allSatisfy { $0 == hosts[first] } })
  else { return nil }
  return Set(firsts.map { hosts[$0] }).count == hosts.count / each ? each : nil
}

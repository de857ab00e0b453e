import CMecaShims

/// Where a rank runs: its machine and the cores that the system lets it use.
public struct Placement: Sendable, Equatable {
  /// The rank.
  public let rank: Int
  /// Name of its machine.
  public let host: String
  /// Numbers of the logical processors it may run on, ascending; empty where the system does not
  /// tell.
  public let cores: [Int]

  /// One line for the log, for example `rank 2 on node1: cores 0-3,8`.
  public var summary: String {
    let list = cores.isEmpty ? "cores unknown" : "cores " + rangeText(cores)
    return "rank \(rank) on \(host): \(list)"
  }
}

extension Communicator {
  /// Where this rank runs.
  ///
  /// - Ranks: local.
  public var placement: Placement {
    Placement(rank: rank, host: host, cores: allowedCores())
  }

  /// Where every rank runs, at the index of its rank.
  ///
  /// - Ranks: collective.
  public func placements() throws -> [Placement] {
    let mine = allowedCores().map(Int32.init)
    let counts = try allGather(
      local: [Int64(mine.count)], counts: [Int](repeating: 1, count: size)
    ).map(Int.init)
    let cores = try allGather(local: mine, counts: counts)
    let offsets = startOffsets(counts)
    return (0..<size).map { rank in
      let range = offsets[rank]..<(offsets[rank] + counts[rank])
      return Placement(rank: rank, host: hosts[rank], cores: cores[range].map(Int.init))
    }
  }
}

/// The logical processors that this thread may run on (`sched_getaffinity`), ascending.
///
/// - Ranks: local.
public func allowedCores() -> [Int] {
  // 8192 processors; the 1024 of C's `cpu_set_t` are too few for some machines.
  var words = [UInt64](repeating: 0, count: 128)
  let failed = meca_allowed_processors(&words, words.count * 8) != 0
  guard !failed else { return [] }
  return words.indices.flatMap { word in
    (0..<64).filter { words[word] >> UInt64($0) & 1 == 1 }.map { word * 64 + $0 }
  }
}

/// Ascending numbers with neighbours joined: 0, 1, 2, 5 is `0-2,5`.
func rangeText(_ numbers: [Int]) -> String {
  var ranges: [ClosedRange<Int>] = []
  for number in numbers {
    if let last = ranges.last, last.upperBound + 1 == number {
      ranges[ranges.count - 1] = last.lowerBound...number
    } else {
      ranges.append(number...number)
    }
  }
  return ranges.map {
    $0.count == 1 ? "\($0.lowerBound)" : "\($0.lowerBound)-\($0.upperBound)"
  }.joined(separator: ",")
}

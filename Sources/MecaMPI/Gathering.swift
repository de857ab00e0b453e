import CMecaShims

extension Communicator {
  /// Joins the arrays of all ranks in the order of the ranks.
  ///
  /// - Ranks: collective.
  /// - Parameters:
  ///   - local: this rank's part.
  ///   - counts: the number of elements of every rank's part, the same list on all ranks.
  /// - Returns: all parts, one after the other.
  public func allGather<T: BitwiseCopyable>(local: [T], counts: [Int]) throws -> [T] {
    precondition(counts.count == size, "\(counts.count) counts for \(size) ranks")
    precondition(
      local.count == counts[rank], "rank \(rank) has \(local.count) elements, not \(counts[rank])")
    guard size > 1 else { return local }
    let offsets = startOffsets(counts)
    let total = counts.reduce(0, +)
    let stride = MemoryLayout<T>.stride
    return try Array(unsafeUninitializedCapacity: total) { buffer, filled in
      if total * stride <= Int(Int32.max) {
        try local.withUnsafeBytes { source in
          try place.waiting {
            try check(
              meca_all_gather_v(
                source.baseAddress, Int32(source.count), buffer.baseAddress,
                counts.map { Int32($0 * stride) }, offsets.map { Int32($0 * stride) }, meca_byte(),
                handle),
              "MPI_Allgatherv")
          }
        }
      } else {
        // Byte offsets that 32 bits cannot say: each rank's part is broadcast, in pieces.
        _ = buffer[offsets[rank]..<(offsets[rank] + counts[rank])].initialize(from: local)
        for root in 0..<size {
          try broadcast(
            UnsafeMutableBufferPointer(
              rebasing: buffer[offsets[root]..<(offsets[root] + counts[root])]),
            from: root)
        }
      }
      filled = total
    }
  }

  /// The first rank whose `text` is not that of rank 0, and both texts; nil if all are equal.
  ///
  /// - Ranks: collective; every rank returns the same.
  public func firstDifference(
    in text: String
  ) throws -> (rank: Int, text: String, expected: String)? {
    let all = try allGatherText(text)
    guard let rank = all.firstIndex(where: { $0 != all[0] }) else { return nil }
    return (rank, all[rank], all[0])
  }

  /// Every rank's text on every rank, at the index of its rank.
  ///
  /// - Ranks: collective.
  public func allGatherText(_ text: String) throws -> [String] {
    let bytes = Array(text.utf8)
    let counts = try allGather(
      local: [Int64(bytes.count)], counts: [Int](repeating: 1, count: size)
    ).map(Int.init)
    return split(try allGather(local: bytes, counts: counts), counts)
  }

  private func split(_ bytes: [UInt8], _ counts: [Int]) -> [String] {
    zip(startOffsets(counts), counts).map { start, count in
      String(decoding: bytes[start..<(start + count)], as: UTF8.self)
    }
  }
}

/// The index at which each part begins when parts of the given lengths lie one after the other.
func startOffsets(_ counts: [Int]) -> [Int] {
  var start = 0
  return counts.map { count in
    defer { start += count }
    return start
  }
}

import CMecaShims

/// Most bytes that go into one call of MPI, whose counts are 32-bit numbers.
let largestPiece = 1 << 30

extension Communicator {
  /// Gives `root`'s array to every rank, whatever length the others' arrays had.
  ///
  /// - Ranks: collective.
  public func broadcast<T: BitwiseCopyable>(_ values: inout [T], from root: Int = 0) throws {
    preconditionRank(root)
    guard size > 1 else { return }
    var count = Int64(values.count)
    try withUnsafeMutableBytes(of: &count) { try broadcast(bytes: $0, from: root) }
    if rank == root {
      // Bcast only reads at the root; the copy on write of `values` is not needed.
      try values.withUnsafeBytes {
        try broadcast(bytes: UnsafeMutableRawBufferPointer(mutating: $0), from: root)
      }
    } else {
      values = try Array(unsafeUninitializedCapacity: Int(count)) { buffer, filled in
        try broadcast(
          bytes: UnsafeMutableRawBufferPointer(
            start: buffer.baseAddress, count: Int(count) * MemoryLayout<T>.stride),
          from: root)
        filled = Int(count)
      }
    }
  }

  /// Gives `root`'s elements to every rank; the buffers must be equally long on all ranks.
  ///
  /// - Ranks: collective.
  public func broadcast<T: BitwiseCopyable>(
    _ buffer: UnsafeMutableBufferPointer<T>, from root: Int = 0
  ) throws {
    preconditionRank(root)
    guard size > 1 else { return }
    try broadcast(bytes: UnsafeMutableRawBufferPointer(buffer), from: root)
  }

  /// Gives `root`'s value to every rank.
  ///
  /// - Ranks: collective.
  /// - Returns: what `root` passed in.
  public func broadcastValue<T: BitwiseCopyable>(_ value: T, from root: Int = 0) throws -> T {
    preconditionRank(root)
    guard size > 1 else { return value }
    var value = value
    try withUnsafeMutableBytes(of: &value) { try broadcast(bytes: $0, from: root) }
    return value
  }

  /// Gives `root`'s text to every rank; the others' `text` is ignored.
  ///
  /// - Ranks: collective.
  /// - Returns: what `root` passed in.
  public func broadcastText(_ text: String, from root: Int = 0) throws -> String {
    guard size > 1 else { return text }
    var bytes = rank == root ? Array(text.utf8) : []
    try broadcast(&bytes, from: root)
    return String(decoding: bytes, as: UTF8.self)
  }

  /// Broadcasts bytes, in pieces that a 32-bit count can say.
  private func broadcast(bytes: UnsafeMutableRawBufferPointer, from root: Int) throws {
    guard let base = bytes.baseAddress else { return }
    for start in stride(from: 0, to: bytes.count, by: largestPiece) {
      let count = min(largestPiece, bytes.count - start)
      try place.waiting {
        try check(
          meca_broadcast(base + start, Int32(count), meca_byte(), Int32(root), handle), "MPI_Bcast")
      }
    }
  }

  func preconditionRank(_ root: Int) {
    precondition(root >= 0 && root < size, "root \(root) is not one of \(size) ranks")
  }
}

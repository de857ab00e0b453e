import CMecaShims

/// Element-wise reductions whose result does not depend on the order of the ranks.
///
/// There is deliberately no sum of floats here: its order would be MPI's choice. Sums of floats go
/// through ``OrderedReducer``.
extension Communicator {
  /// Replaces each element by its largest value on any rank.
  ///
  /// - Ranks: collective.
  public func allReduceMax(_ values: inout [Int64]) throws {
    try reduce(&values, meca_int64(), meca_max())
  }

  /// Replaces each element by its smallest value on any rank.
  ///
  /// - Ranks: collective.
  public func allReduceMin(_ values: inout [Int64]) throws {
    try reduce(&values, meca_int64(), meca_min())
  }

  /// Sums floats in whatever order the MPI library likes: the yardstick of ``OrderedReducer``.
  ///
  /// For measurements only; its bits change with the number of ranks and with the library.
  ///
  /// - Ranks: collective.
  package func unorderedAllReduceSum(_ values: UnsafeMutablePointer<Float>, count: Int) throws {
    guard size > 1 else { return }
    try check(
      meca_all_reduce_in_place(values, Int32(count), meca_float(), meca_sum(), handle),
      "MPI_Allreduce")
  }

  private func reduce<T: BitwiseCopyable>(
    _ values: inout [T], _ type: MecaDatatype, _ operation: MecaOperation
  ) throws {
    guard size > 1 else { return }
    try values.withUnsafeMutableBufferPointer { buffer in
      guard let base = buffer.baseAddress else { return }
      let piece = largestPiece / MemoryLayout<T>.stride
      for start in stride(from: 0, to: buffer.count, by: piece) {
        let count = Int32(min(piece, buffer.count - start))
        try place.waiting {
          try check(
            meca_all_reduce_in_place(base + start, count, type, operation, handle), "MPI_Allreduce")
        }
      }
    }
  }
}

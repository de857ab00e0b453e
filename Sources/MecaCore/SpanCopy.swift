extension MutableSpan where Element: BitwiseCopyable {
  /// Copies all of `source`, which must have as many elements.
  @inline(__always)
  package mutating func copy(from source: borrowing Span<Element>) {
    precondition(source.count == count, "\(source.count) elements for \(count)")
    source.withUnsafeBufferPointer { source in
      withUnsafeMutableBufferPointer { target in
        guard let to = target.baseAddress, let from = source.baseAddress else { return }
        to.update(from: from, count: source.count)
      }
    }
  }

  /// Copies `source`, which must have as many bytes as the elements have.
  @inline(__always)
  package mutating func copy(fromBytes source: UnsafeRawBufferPointer) {
    precondition(
      source.count == count * MemoryLayout<Element>.stride, "\(source.count) bytes for \(count)")
    withUnsafeMutableBytes { $0.copyMemory(from: source) }
  }
}

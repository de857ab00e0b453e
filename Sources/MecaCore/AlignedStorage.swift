#if canImport(Glibc)
  import Glibc
#endif

/// Memory of `count` elements on a 64-byte boundary, zero at first, freed with its owner.
///
/// The one place where a buffer that C kernels or MPI work on comes from. Not synchronised: who
/// shares one between threads sees to it that nobody writes what another reads.
public final class AlignedStorage<Element: BitwiseCopyable>: @unchecked Sendable {
  /// First element.
  public let pointer: UnsafeMutablePointer<Element>
  /// Number of elements.
  public let count: Int

  /// Takes memory for `count` elements and clears it.
  public init(count: Int) {
    precondition(count >= 0, "count \(count) is negative")
    self.count = count
    let bytes = max(64, (count * MemoryLayout<Element>.stride + 63) / 64 * 64)
    let memory = UnsafeMutableRawPointer.allocate(byteCount: bytes, alignment: 64)
    memset(memory, 0, bytes)
    pointer = memory.bindMemory(to: Element.self, capacity: max(1, count))
  }

  deinit { UnsafeMutableRawPointer(pointer).deallocate() }

  /// The elements as a mutable buffer.
  public var buffer: UnsafeMutableBufferPointer<Element> {
    UnsafeMutableBufferPointer(start: pointer, count: count)
  }

  /// Runs `body` on all elements, or on those of `range`, which nobody else must use meanwhile.
  public func withMutableSpan<Result, Failure>(
    _ range: Range<Int>? = nil,
    _ body: (inout MutableSpan<Element>) throws(Failure) -> Result
  ) throws(Failure) -> Result {
    let range = range ?? 0..<count
    precondition(
      range.lowerBound >= 0 && range.upperBound <= count, "elements \(range) of \(count)")
    var span = MutableSpan(
      _unsafeElements: UnsafeMutableBufferPointer(rebasing: buffer[range]))
    return try body(&span)
  }

  /// The element at `index`.
  public subscript(index: Int) -> Element {
    get {
      precondition(index >= 0 && index < count, "index \(index) is not below \(count)")
      return pointer[index]
    }
    set {
      precondition(index >= 0 && index < count, "index \(index) is not below \(count)")
      pointer[index] = newValue
    }
  }

  /// A copy as an array.
  public var array: [Element] { Array(buffer) }

  /// Sets every element to `value`.
  public func fill(_ value: Element) { buffer.update(repeating: value) }

  /// Copies all of `elements`, which must be `count` many.
  public func copy(from elements: [Element]) {
    precondition(elements.count == count, "\(elements.count) elements for \(count)")
    elements.withUnsafeBufferPointer { source in
      if let base = source.baseAddress { pointer.update(from: base, count: count) }
    }
  }
}

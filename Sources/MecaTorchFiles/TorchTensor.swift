import MecaCore

/// A tensor in a file of PyTorch: its elements stay in the mapped file until they are asked for.
///
/// - Ranks: local. Safe from any thread.
public struct TorchTensor: Sendable {
  /// Type of the elements.
  public let element: TensorElement
  /// Extents; empty for a single number.
  public let shape: [Int]
  private let view: TensorView
  private let file: MappedFile
  /// Where the storage begins in the file.
  private let start: Int

  /// A view that `TensorView.fits` its storage, which begins at byte `start` of the file.
  init(_ view: TensorView, element: TensorElement, file: MappedFile, start: Int) {
    self.view = view
    self.element = element
    self.file = file
    self.start = start
    shape = view.shape
  }

  /// Number of elements.
  public var count: Int { product(of: shape) ?? 0 }

  /// All elements as 32-bit floating-point numbers, last index fastest.
  ///
  /// 64-bit numbers are rounded; integers are converted.
  public func floats() -> [Float] {
    if element == .float32, view.isContiguous {
      return file.withBytes { bytes in
        [Float](unsafeUninitializedCapacity: count) { target, filled in
          filled = count
          let first = start + view.offset * 4
          UnsafeMutableRawBufferPointer(target).copyMemory(
            from: UnsafeRawBufferPointer(rebasing: bytes[first..<first + count * 4]))
        }
      }
    }
    return elements { Float(element.float($0, at: $1)) }
  }

  /// All elements as 32-bit floating-point numbers; nil where one of 64 bits is none.
  func exactFloats() -> [Float]? {
    let values = floats()
    guard element == .float64 else { return values }
    let wide = elements { element.float($0, at: $1) }
    return zip(values, wide).allSatisfy { Double($0) == $1 || $1.isNaN } ? values : nil
  }

  /// All elements as integers, last index fastest; nil where one is not a whole number of 64 bits.
  public func integers() -> [Int]? {
    if element.isInteger { return elements { element.integer($0, at: $1) } }
    let whole = elements { Int(exactly: element.float($0, at: $1)) }
    let integers = whole.compactMap { $0 }
    return integers.count == whole.count ? integers : nil
  }

  /// Writes the sub-tensor at `index` of the first dimension as bytes, last index fastest.
  ///
  /// Bytes are copied; of floating-point numbers x in [0, 1] it writes ⌊255·x + ½⌋ in 32-bit
  /// arithmetic, as torchvision's `save_image` does, numbers outside as 0 or 255, NaN as 0.
  package func copyImage(at index: Int, into image: inout MutableSpan<UInt8>) {
    precondition(index >= 0 && index < shape[0], "image \(index) of \(shape[0])")
    precondition(image.count == count / shape[0], "\(image.count) bytes, not \(count / shape[0])")
    image.withUnsafeMutableBufferPointer { target in
      let isDone: Void? = withFloats(at: index) { source in
        for place in source.indices { target[place] = pixel(source[place]) }
      }
      guard isDone == nil else { return }
      var place = 0
      forEachElement(of: view.selecting(index)) { bytes, offset in
        target[place] =
          element == .uint8 ? bytes[offset] : pixel(Float(element.float(bytes, at: offset)))
        place += 1
      }
    }
  }

  /// The first number of the sub-tensor at `index` of the first dimension that is not within `limits`;
  /// NaN never is.
  package func firstNumber(outside limits: ClosedRange<Float>, at index: Int) -> Float? {
    if let found = withFloats(at: index, { source in source.first { !limits.contains($0) } }) {
      return found
    }
    var found: Float?
    forEachElement(of: view.selecting(index)) { bytes, offset in
      let value = Float(element.float(bytes, at: offset))
      if found == nil && !limits.contains(value) { found = value }
    }
    return found
  }

  /// Runs `body` on the numbers of the sub-tensor at `index`, if they lie side by side as 32-bit
  /// floating-point numbers that can be read where they are; else nil.
  private func withFloats<Result>(
    at index: Int, _ body: (UnsafeBufferPointer<Float>) -> Result
  ) -> Result? {
    guard element == .float32, view.blockIsContiguous(from: 1) else { return nil }
    let size = count / shape[0]
    return file.withBytes { bytes in
      let first = start + (view.offset + index * view.strides[0]) * 4
      let block = UnsafeRawBufferPointer(rebasing: bytes[first..<first + size * 4])
      guard let base = block.baseAddress, Int(bitPattern: base) % 4 == 0 else { return nil }
      return block.withMemoryRebound(to: Float.self, body)
    }
  }

  /// What `read` makes of each element, given the file's bytes and the element's first.
  private func elements<Value>(
    _ read: (UnsafeRawBufferPointer, Int) -> Value
  ) -> [Value] {
    var values: [Value] = []
    values.reserveCapacity(count)
    forEachElement(of: view) { values.append(read($0, $1)) }
    return values
  }

  /// Visits all elements of a view of the same storage, last index fastest.
  private func forEachElement(of view: TensorView, _ visit: (UnsafeRawBufferPointer, Int) -> Void) {
    guard !view.shape.contains(0) else { return }
    file.withBytes { bytes in
      var index = [Int](repeating: 0, count: view.shape.count)
      var offset = view.offset
      while true {
        visit(bytes, start + offset * element.size)
        // Counts up like an odometer: the last index that is not at its end.
        guard let turning = index.indices.last(where: { index[$0] + 1 < view.shape[$0] }) else {
          return
        }
        for place in turning + 1..<index.count {
          offset -= index[place] * view.strides[place]
          index[place] = 0
        }
        index[turning] += 1
        offset += view.strides[turning]
      }
    }
  }
}

extension TensorView {
  /// The part at `index` of the first dimension.
  fileprivate func selecting(_ index: Int) -> TensorView {
    TensorView(
      storage: storage, offset: offset + index * strides[0], shape: Array(shape.dropFirst()),
      strides: Array(strides.dropFirst()))
  }
}

/// ⌊255·x + ½⌋ within 0 to 255; 0 for what is not a number.
@inline(__always)
private func pixel(_ value: Float) -> UInt8 {
  let scaled = value * 255 + 0.5
  // A comparison with NaN is false, so both conversions see a number in range.
  guard scaled >= 0 else { return 0 }
  return scaled < 256 ? UInt8(scaled) : 255
}

/// Floats of a block that is added up while it lies in the cache: 16 kB, so that the blocks of two
/// operands fit into any first-level cache.
let additionBlock = 4096

/// Adds `source` to `destination`, element by element.
func add(
  _ source: UnsafePointer<Float>, to destination: UnsafeMutablePointer<Float>, count: Int
) {
  for index in 0..<count { destination[index] += source[index] }
}

/// Writes `left` + `right` to `target`, element by element; `target` may be one of the two.
func addPair(
  _ left: UnsafePointer<Float>, _ right: UnsafePointer<Float>,
  to target: UnsafeMutablePointer<Float>, count: Int
) {
  // The compiler's vector loop is for memory that does not overlap.
  if UnsafePointer(target) == left {
    add(right, to: target, count: count)
  } else if UnsafePointer(target) == right {
    add(left, to: target, count: count)
  } else {
    for index in 0..<count { target[index] = left[index] + right[index] }
  }
}

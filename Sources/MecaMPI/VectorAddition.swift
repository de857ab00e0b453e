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
  for index in 0..<count { target[index] = left[index] + right[index] }
}

import MecaCore
import MecaData

/// A set of random images; sample i has the label i mod `classes`.
func randomSet(
  count: Int, classes: Int = 10,
  shape: ImageShape = ImageShape(channels: 3, height: 32, width: 32)
) -> MemorySet {
  var random = KeyedRandom(seed: 5, purpose: .test)
  return MemorySet(
    name: "random", classNames: (0..<classes).map { "class \($0)" }, imageShape: shape,
    labels: (0..<count).map { $0 % classes },
    images: (0..<count * shape.byteCount).map { _ in UInt8(random.integer(below: 256)) })
}

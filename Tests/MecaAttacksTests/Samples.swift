import MecaAttacks
import MecaCore
import MecaImages

/// Sizes with a height unlike the width, one channel, and no common factor with 4 among them.
let shapes = [
  ImageShape(channels: 3, height: 32, width: 32), ImageShape(channels: 3, height: 64, width: 48),
  ImageShape(channels: 1, height: 7, width: 12), ImageShape(channels: 3, height: 224, width: 224),
]

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

/// What an attack puts into poisons, covers and test images, where all three are alike.
func triggers(of attack: AttackConfiguration, _ shape: ImageShape) throws -> [any Trigger] {
  [
    try attack.attack.trainingTrigger(for: shape, samples: []),
    try attack.attack.coverTrigger(for: shape, samples: []),
    try attack.attack.testTrigger(for: shape),
  ]
}

/// How much of an image each pixel keeps of itself, and what is added: black and white images tell.
///
/// - Returns: weight of the trigger in each byte, 0 to 1 with an error of 1/255, and its value on a
///   black image.
func weights(
  _ trigger: any Trigger, _ shape: ImageShape, index: Int = 0
) -> (weight: [Double], onBlack: [UInt8]) {
  let count = shape.byteCount
  let black = trigger.marked([UInt8](repeating: 0, count: count), shape: shape, index: index)
  let white = trigger.marked([UInt8](repeating: 255, count: count), shape: shape, index: index)
  return (zip(black, white).map { 1 - (Double($1) - Double($0)) / 255 }, black)
}

/// The attacks by short names.
enum AttackKind: String, CaseIterable {
  case none, badnets, blend, sig, wanet, physical, tact
  case adaptiveBlend = "adaptive-blend"
  case adaptivePatch = "adaptive-patch"

  var type: any Attack.Type { Attacks.named(rawValue) ?? NoAttack.self }
}

extension AttackConfiguration {
  /// An attack with some of its settings changed; those that it has not are passed over.
  init(
    kind: AttackKind, poisonRate: Double = 0.05, target: Int = 1, seed: UInt64 = 1,
    _ settings: [String: String] = [:]
  ) throws {
    self.init(kind.type, poisonRate: poisonRate, target: .number(target), seed: seed)
    try set(settings)
  }

  /// The text of a setting; nil for one that the attack has not.
  func text(of setting: String) -> String? {
    values.first { $0.name == setting }?.value.text
  }
}

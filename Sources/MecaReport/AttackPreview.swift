import MecaAttacks
import MecaImages

/// What an attack makes of one image: original, poisoned, and what it changed.
public struct AttackPreview: Sendable {
  /// Attack and kind of sample, for the caption.
  public let caption: String
  /// The image with the mark: channel, row, column.
  public let marked: [UInt8]

  /// All different marks of an attack on one image.
  ///
  /// In training: one, or for attacks whose samples differ the first two, for Adaptive-Patch all
  /// four; then those of covers and of test images where they look otherwise.
  ///
  /// - Ranks: local.
  /// - Throws: `FileError` or `UsageError` if the trigger file is not to be had.
  public static func all(
    of attack: AttackConfiguration, on image: [UInt8], shape: ImageShape
  ) throws -> [AttackPreview] {
    let (name, attack) = (attack.name, attack.attack)
    // So many that each of an attack's patches gets one.
    let samples = Array(0..<max(4, attack.markCount))
    let training = try attack.trainingTrigger(for: shape, samples: samples)
    var marks: [[UInt8]] = []
    for index in samples.prefix(attack.markCount) {
      let mark = training.marked(image, shape: shape, index: index)
      if !marks.contains(mark) { marks.append(mark) }
    }
    let test = try attack.testTrigger(for: shape).marked(image, shape: shape, index: 0)
    let isTestAlike = marks == [test]
    let other = attack.goal.target + 1
    let label = attack.poisonLabel(original: other) == other ? ", label kept" : ""
    var previews = marks.enumerated().map { place, mark in
      let number = marks.count > 1 ? " \(place + 1)" : ""
      let kind = isTestAlike ? "training and test" : "training" + number
      return AttackPreview(caption: "\(name): \(kind)\(label)", marked: mark)
    }
    if attack.coverRate > 0 {
      let cover = try attack.coverTrigger(for: shape, samples: samples)
        .marked(image, shape: shape, index: 0)
      if !marks.contains(cover) {
        previews.append(
          AttackPreview(caption: "\(name): cover, label kept", marked: cover))
      }
    }
    if !isTestAlike {
      previews.append(AttackPreview(caption: "\(name): test", marked: test))
    }
    return previews
  }
}

/// A sheet of previews, each the original, the marked image and their difference side by side.
///
/// Pixels are enlarged 8 times at most, so that an image has about 160 pixels; the difference is
/// |x′ − x| of each channel, times the power of two that its title says.
///
/// - Returns: a PNG file.
public func previewSheet(
  _ previews: [AttackPreview], original: [UInt8], shape: ImageShape
) throws -> [UInt8] {
  let layout = SheetLayout(shape: shape, blocks: previews.count)
  var canvas = Canvas(width: layout.width, height: layout.height)
  for (place, preview) in previews.enumerated() {
    let (x, y) = layout.corner(of: place)
    let (difference, factor) = amplifiedDifference(original, preview.marked)
    canvas.write(preview.caption, x: x, y: y, scale: SheetLayout.letterScale)
    for (panel, (title, image)) in [
      ("original", original), ("poisoned", preview.marked), ("difference x\(factor)", difference),
    ].enumerated() {
      let left = x + panel * (layout.panelWidth + SheetLayout.gap)
      canvas.write(
        title, x: left, y: y + layout.lineHeight, scale: SheetLayout.letterScale, colour: .grey)
      canvas.draw(
        image, shape: shape, scale: layout.scale, x: left, y: y + 2 * layout.lineHeight)
    }
  }
  return try canvas.png()
}

/// |marked − original|, times the largest power of two that leaves every byte below 256.
func amplifiedDifference(_ original: [UInt8], _ marked: [UInt8]) -> ([UInt8], factor: Int) {
  let difference = zip(original, marked).map { $0 > $1 ? $0 - $1 : $1 - $0 }
  let largest = Int(difference.max() ?? 0)
  var factor = 1
  while largest > 0 && largest * factor * 2 <= 255 && factor < 64 { factor *= 2 }
  return (difference.map { UInt8(Int($0) * factor) }, factor)
}

/// Where the blocks of a sheet lie: one column, or two for more than four blocks.
private struct SheetLayout {
  static let letterScale = 2
  static let gap = 12

  let scale: Int
  let panelWidth: Int
  let lineHeight = Canvas.lineHeight(scale: letterScale)
  let width: Int
  let height: Int
  private let columns: Int
  private let blockWidth: Int
  private let blockHeight: Int

  init(shape: ImageShape, blocks: Int) {
    scale = max(1, min(8, 160 / max(shape.height, shape.width)))
    // "difference x64" must fit.
    panelWidth = max(
      shape.width * scale, Canvas.width(of: "difference x64", scale: Self.letterScale))
    blockWidth = 3 * panelWidth + 2 * Self.gap
    blockHeight = 2 * lineHeight + shape.height * scale
    columns = blocks > 4 ? 2 : 1
    let rows = (blocks + columns - 1) / columns
    width = columns * blockWidth + (columns + 1) * 2 * Self.gap
    height = rows * blockHeight + (rows + 1) * 2 * Self.gap
  }

  /// The upper left corner of a block.
  func corner(of block: Int) -> (x: Int, y: Int) {
    (
      2 * Self.gap + block % columns * (blockWidth + 2 * Self.gap),
      2 * Self.gap + block / columns * (blockHeight + 2 * Self.gap)
    )
  }
}

import MecaCore
import MecaImages

/// Size and place of an attack's own patch, for images of any size.
struct PatchLayout: Sendable {
  /// Side of the patch at 32 pixels; elsewhere in proportion to the shorter side of the image.
  var sideOf32: Int
  /// Distance from the image's borders at 32 pixels; elsewhere in proportion.
  var marginOf32: Int
  /// Corner, or the centre.
  var place: TriggerPlace

  /// Pixels for `part` of 32 pixels, rounded half up.
  private func scaled(_ part: Int, _ extent: Int) -> Int { (2 * part * extent + 32) / 64 }

  /// The side in images of `shape`: at least 1.
  func side(in shape: ImageShape) -> Int {
    // The height decides, as in published code; in very flat images the width.
    min(max(1, scaled(sideOf32, shape.height)), shape.height, shape.width)
  }

  /// The box of a patch of `side` pixels.
  func box(side: Int, in shape: ImageShape) -> PixelBox {
    func offset(_ extent: Int, _ end: End) -> Int {
      let room = extent - side
      let margin = min(scaled(marginOf32, extent), room)
      return switch end {
      case .low: margin
      case .middle: room / 2
      case .high: room - margin
      }
    }
    let (vertical, horizontal): (End, End) =
      switch place {
      case .topLeft: (.low, .low)
      case .topRight: (.low, .high)
      case .bottomLeft: (.high, .low)
      case .bottomRight: (.high, .high)
      case .centre: (.middle, .middle)
      }
    return PixelBox(
      top: offset(shape.height, vertical), left: offset(shape.width, horizontal), height: side,
      width: side)
  }

  private enum End { case low, middle, high }
}

/// A patch ready to be laid over images of one shape.
struct Patch: Sendable {
  /// What it looks like.
  var picture: Picture
  /// Where it lies; as large as the picture.
  var box: PixelBox

  /// The patch of an attack: the user's picture or the attack's drawing, where the options say.
  ///
  /// A picture of the user's that is exactly as large as the images lies over them as it is, like
  /// the trigger files of the published toolboxes, unless size or place are given; any other is
  /// resized to the square in which the drawing would lie. The patch is what is opaque of it.
  ///
  /// - Parameters:
  ///   - drawing: the attack's own patch of a side and a number of channels.
  ///   - usual: its size and place.
  /// - Throws: as `TriggerFile.picture`.
  init(
    _ settings: PatchSettings, in shape: ImageShape, usual: PatchLayout,
    drawing: (_ side: Int, _ channels: Int) -> Picture
  ) throws {
    var layout = usual
    layout.place = settings.place ?? usual.place
    let side = settings.size ?? usual.side(in: shape)
    box = layout.box(side: side, in: shape)
    guard let file = settings.trigger else {
      picture = drawing(side, shape.channels)
      return
    }
    let own = try file.picture(blackIsTransparent: true).withChannels(shape.channels)
    if own.shape == shape, settings.size == nil, settings.place == nil {
      box = own.opaqueBox
      picture = own.cropped(
        rows: box.top..<box.top + box.height, columns: box.left..<box.left + box.width)
    } else {
      picture = own.resized(height: side, width: side)
      guard picture.opacity.contains(where: { $0 > 0 }) else {
        throw FileError.malformed(
          path: file.path,
          reason: "what is opaque of it vanishes in \(side)x\(side) pixels and would change no "
            + "image; cut it out, or give a larger --trigger-size")
      }
    }
  }

  /// The patch as a layer of weight `alpha`.
  func overlay(alpha: Double) -> Overlay { Overlay(picture, in: box, alpha: alpha) }

  /// The quarters of the patch: upper left, upper right, lower left, lower right.
  ///
  /// Cut at half its height and width, rounded down; a patch of one row or column has empty
  /// quarters, which are left out.
  var quadrants: [Patch] {
    let (middle, centre) = (box.height / 2, box.width / 2)
    return [0..<middle, middle..<box.height].flatMap { rows in
      [0..<centre, centre..<box.width].compactMap { columns in
        guard !rows.isEmpty && !columns.isEmpty else { return nil }
        return Patch(
          picture: picture.cropped(rows: rows, columns: columns),
          box: PixelBox(
            top: box.top + rows.lowerBound, left: box.left + columns.lowerBound,
            height: rows.count, width: columns.count))
      }
    }
  }

  init(picture: Picture, box: PixelBox) {
    self.picture = picture
    self.box = box
  }
}

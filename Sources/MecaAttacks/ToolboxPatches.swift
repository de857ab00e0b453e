import MecaImages

/// The usual patches of Adaptive-Patch, drawn anew in the sizes, places and weights that
/// backdoor-toolbox gives them for CIFAR-10.
///
/// | patch | pixels of 32 | place | α in training | at test |
/// |---|---|---|---|---|
/// | small emblem | 5 | flush bottom right | 0.5 | 1 |
/// | large emblem | 13 | top right, one pixel from the borders | 0.2 | - |
/// | four grids | 3 | flush in the corners | 0.5 | 1 |
/// | nested squares | 8 | rows and columns 21–28, three pixels from the borders | 0.3 | - |
///
/// Other image sizes in proportion. At test time the first and the third lie on every image.
func toolboxPatches(
  for shape: ImageShape, seed: UInt64
) -> (training: [any Trigger], test: any Trigger) {
  func patch(
    _ layout: PatchLayout, _ drawing: (_ side: Int, _ channels: Int) -> Picture
  ) -> Patch {
    let side = layout.side(in: shape)
    return Patch(
      picture: drawing(side, shape.channels), box: layout.box(side: side, in: shape))
  }
  let small = patch(PatchLayout(sideOf32: 5, marginOf32: 0, place: .bottomRight)) {
    emblem(side: $0, channels: $1, seed: seed, number: 2)
  }
  let large = patch(Physical.layout) { emblem(side: $0, channels: $1, seed: seed) }
  let corners = [TriggerPlace.topLeft, .topRight, .bottomLeft, .bottomRight].map {
    patch(PatchLayout(sideOf32: 3, marginOf32: 0, place: $0), grid)
  }
  let squares = patch(
    PatchLayout(sideOf32: 8, marginOf32: 3, place: .bottomRight), nestedSquares)
  func trigger(_ patches: [Patch], _ alpha: Double) -> any Trigger {
    OverlayTrigger(patches.map { $0.overlay(alpha: alpha) })
  }
  return (
    [
      trigger([small], 0.5), trigger([large], 0.2), trigger(corners, 0.5),
      trigger([squares], 0.3),
    ], trigger([small] + corners, 1)
  )
}

/// White and black thirds: black where exactly one of row and column third is the middle one.
private func grid(side: Int, channels: Int) -> Picture {
  drawn(side: side, channels: channels) { row, column in
    (row * 3 / side == 1) == (column * 3 / side == 1) ? [255, 255, 255] : [0, 0, 0]
  }
}

/// Squares within each other, red and yellow.
private func nestedSquares(side: Int, channels: Int) -> Picture {
  drawn(side: side, channels: channels) { row, column in
    let ring = min(row, column, side - 1 - row, side - 1 - column)
    return ring * 8 / side % 2 == 0 ? [220, 30, 30] : [250, 220, 40]
  }
}

private func drawn(
  side: Int, channels: Int, _ colour: (_ row: Int, _ column: Int) -> [UInt8]
) -> Picture {
  let shape = ImageShape(channels: channels, height: side, width: side)
  let pixels = (0..<channels).flatMap { channel in
    (0..<side * side).map { colour($0 / side, $0 % side)[channel % 3] }
  }
  return Picture(shape: shape, pixels: pixels)
}

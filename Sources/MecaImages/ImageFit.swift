/// How a picture of any size becomes one of the wanted size.
public enum ImageFit: String, Codable, Sendable, CaseIterable {
  /// The shorter side is brought to the wanted size, the middle is cut out.
  case cover
  /// The shorter side is brought to 8/7 of the wanted size, the middle is cut out: 256 and 224.
  case margin
  /// Both sides are brought to the wanted size, whatever becomes of the proportions.
  case stretch
}

extension ImageFit {
  /// Where the wanted pixels lie in the resized picture.
  ///
  /// For `cover` and `margin` the picture is enlarged or reduced until the wanted size, or 8/7 of
  /// it, just fits in: the shorter side is rounded to nearest, the longer is cut down to a whole
  /// number. The cut begins at half of what is left over, rounded to even.
  ///
  /// Example: 500x375 with `margin` to 224x224: resized to 341x256, columns 58 to 281, rows 16 to
  /// 239.
  ///
  /// - Returns: for rows and columns the length of the resized picture, and the part to keep.
  package func plan(
    from source: ImageShape, to wanted: ImageShape
  ) -> (rows: ResizedAxis, columns: ResizedAxis) {
    if self == .stretch {
      return (
        ResizedAxis(source: source.height, length: wanted.height, kept: wanted.height),
        ResizedAxis(source: source.width, length: wanted.width, kept: wanted.width)
      )
    }
    var (height, width) = (wanted.height, wanted.width)
    if self == .margin { (height, width) = ((16 * height + 7) / 14, (16 * width + 7) / 14) }
    // height/source.height against width/source.width: the larger factor covers both.
    if height * source.width >= width * source.height {
      width = max(width, height * source.width / source.height)
    } else {
      height = max(height, width * source.height / source.width)
    }
    return (
      ResizedAxis(source: source.height, length: height, kept: wanted.height),
      ResizedAxis(source: source.width, length: width, kept: wanted.width)
    )
  }
}

/// One direction of a picture that is resized and cut.
package struct ResizedAxis: Equatable {
  /// Pixels before.
  package var source: Int
  /// Pixels after.
  package var length: Int
  /// First pixel that is kept, counted in the resized picture.
  package var start: Int
  /// Pixels that are kept.
  package var kept: Int

  /// The middle `kept` pixels of `length`.
  init(source: Int, length: Int, kept: Int) {
    precondition(kept >= 1 && kept <= length, "\(kept) of \(length) pixels")
    self.source = source
    self.length = length
    self.kept = kept
    start = Int((Double(length - kept) / 2).rounded(.toNearestOrEven))
  }
}

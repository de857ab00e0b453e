import MecaCore
import MecaData

extension AttackConfiguration {
  /// Pixels along the side of a warp grid at most; a finer one would be noise.
  private static let finestWarpGrid = 1024

  /// Checks every value; those that refer to other values only for attacks that use them.
  ///
  /// - Parameters:
  ///   - classCount: classes of the data set.
  ///   - imageShape: size of its images, where it is known.
  /// - Throws: `SettingError`.
  public func validate(classCount: Int, imageShape: ImageShape? = nil) throws {
    try validateSelection(classCount: classCount)
    try validateMarks(imageShape: imageShape)
  }

  private func validateSelection(classCount: Int) throws {
    try requireFraction("poison-rate", poisonRate, "a fraction of the training set, 0 to 1")
    try requireFraction("cover-rate", coverRate, "a fraction of the training set, 0 to 1")
    let classNumbers = "a class number, 0 to \(classCount - 1)"
    try require(target >= 0 && target < classCount, "target", "\(target)", classNumbers)
    let used = settings
    if used.contains(.source) {
      try require(source >= 0 && source < classCount, "source", "\(source)", classNumbers)
      try require(
        source != target, "source", "\(source)", "another class than --target (\(target))")
    }
    if used.contains(.coverClasses), let coverClasses {
      let text = coverClasses.map(String.init).joined(separator: ",")
      try require(
        !coverClasses.isEmpty && coverClasses.allSatisfy { (0..<classCount).contains($0) },
        "cover-classes", text, "class numbers with commas between them, 0 to \(classCount - 1)")
      try require(
        !coverClasses.contains(source) && !coverClasses.contains(target), "cover-classes", text,
        "other classes than --source (\(source)) and --target (\(target))")
    }
  }

  private func validateMarks(imageShape: ImageShape?) throws {
    let side = imageShape.map { min($0.height, $0.width) }
    if let triggerSize {
      try require(
        triggerSize >= 1 && triggerSize <= side ?? Int.max, "trigger-size", "\(triggerSize)",
        side.map { "from 1 to \($0), the size of the images" } ?? "at least 1")
    }
    try requireFraction("blend-alpha", alpha, "from 0 to 1")
    try requireFraction("test-alpha", testAlpha ?? 0, "from 0 to 1")
    for (setting, value) in [
      ("sig-amplitude", sigAmplitude), ("sig-test-amplitude", sigTestAmplitude ?? 0),
    ] {
      try require(value >= 0 && value <= 255, setting, "\(value)", "from 0 to 255")
    }
    try require(
      sigFrequency >= 1 && sigFrequency <= 1_000_000, "sig-frequency", "\(sigFrequency)",
      "at least 1, at most 1000000")
    try require(
      warpStrength >= 0 && warpStrength <= 1000, "warp-strength", "\(warpStrength)",
      "from 0 to 1000")
    try require(
      warpGrid >= 2 && warpGrid <= Self.finestWarpGrid, "warp-grid", "\(warpGrid)",
      "from 2 to \(Self.finestWarpGrid)")
    try validatePieces(side: kind == .adaptiveBlend ? side : nil)
  }

  private func validatePieces(side: Int?) throws {
    let most = side.map { $0 < 1024 ? $0 * $0 : 1024 * 1024 } ?? 1024 * 1024
    try require(
      pieces >= 1 && pieces <= most && squareSide(of: pieces) != nil, "pieces", "\(pieces)",
      "a square number (1, 4, 9, 16, ...), at most \(most)")
    try require(
      blankedPieces >= 0 && blankedPieces <= pieces, "blanked-pieces", "\(blankedPieces)",
      "from 0 to \(pieces), the number of --pieces")
  }

  /// Throws for `setting` unless `isGood`; a comparison with NaN is false, so NaN never passes.
  private func require(
    _ isGood: Bool, _ setting: String, _ value: String, _ allowed: String
  ) throws {
    if !isGood { throw SettingError(setting: setting, value: value, allowed: allowed) }
  }

  private func requireFraction(_ setting: String, _ value: Double, _ allowed: String) throws {
    try require(value >= 0 && value <= 1, setting, "\(value)", allowed)
  }
}

/// The side of a square of `number` pieces; nil if there is none.
func squareSide(of number: Int) -> Int? {
  guard number >= 1, number <= 1 << 40 else { return nil }
  let side = Int(Double(number).squareRoot().rounded())
  return side * side == number ? side : nil
}

import MecaCore

/// Random changes of the images that a model learns from, drawn anew for every sample and epoch.
///
/// Crop, flip, colour jitter and affine change one image, in this order, as pixels in [0, 1] that
/// are never rounded to bytes in between; CutMix then mixes the images of a microbatch. Everything
/// is drawn from keyed random numbers, so that an image of an epoch comes out the same on any rank
/// and thread. Without any of them (`none`) images stay as they are, bit for bit.
///
/// - Source: the transformations of torchvision on tensors; where one differs, its type says so.
public struct Augmentation: Codable, Hashable, Sendable {
  /// Shifts the image under a frame of its own size; nil: off.
  public var crop: RandomCrop?
  /// Mirrors left and right with probability ½.
  public var flips: Bool
  /// Changes brightness, contrast and saturation; nil: off.
  public var jitter: ColourJitter?
  /// Rotates, shifts and scales; nil: off.
  public var affine: RandomAffine?
  /// Mixes images and labels of a microbatch; nil: off.
  public var cutMix: CutMix?

  /// The transformations that are not left out.
  public init(
    crop: RandomCrop? = nil, flips: Bool = false, jitter: ColourJitter? = nil,
    affine: RandomAffine? = nil, cutMix: CutMix? = nil
  ) {
    self.crop = crop
    self.flips = flips
    self.jitter = jitter
    self.affine = affine
    self.cutMix = cutMix
  }

  /// Images as they are.
  public static let none = Augmentation()
  /// Crop and flip, which are usual for CIFAR (arXiv:1512.03385, §4.2).
  public static let cropAndFlip = Augmentation(crop: RandomCrop(), flips: true)
  /// Flip, jitter and affine: the transformations of PhysicalBA (arXiv:2104.02361) in BackdoorBox.
  public static let physical = Augmentation(
    flips: true, jitter: ColourJitter(), affine: RandomAffine())

  /// Whether single images are changed; CutMix mixes what comes after that.
  public var changesImages: Bool { crop != nil || flips || jitter != nil || affine != nil }

  /// Checks every value.
  ///
  /// - Parameter imageShape: size of the images, where it is known.
  /// - Throws: `SettingError`.
  public func validate(imageShape: ImageShape? = nil) throws {
    try crop?.validate(imageShape: imageShape)
    try jitter?.validate()
    try affine?.validate()
    try cutMix?.validate()
  }
}

/// Throws for `setting` unless `isGood`; a comparison with NaN is false, so NaN never passes.
func require(_ isGood: Bool, _ setting: String, _ value: some Any, _ allowed: String) throws {
  if !isGood { throw SettingError(setting: setting, value: "\(value)", allowed: allowed) }
}

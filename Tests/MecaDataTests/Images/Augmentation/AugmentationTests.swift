import Foundation
import MecaCore
import MecaFormats
import MecaImages
import Testing

@Suite struct AugmentationTests {
  static let everything = Augmentation(
    crop: RandomCrop(padding: 2), flips: true,
    jitter: ColourJitter(brightness: 0.3, contrast: 0.4, saturation: 0.5), affine: RandomAffine())

  /// Two images of one epoch, an image in two epochs, and two seeds have nothing in common.
  @Test func pixelsHangOnTheKeyAlone() {
    let bytes = randomBytes(oddShape)
    func pixels(_ seed: UInt64, _ epoch: Int, _ index: Int) -> [Float] {
      augmented(Self.everything, bytes, oddShape, seed: seed, epoch: epoch, index: index)
    }
    let first = pixels(1, 0, 0)
    #expect(first == pixels(1, 0, 0))
    #expect(first != pixels(2, 0, 0) && first != pixels(1, 1, 0) && first != pixels(1, 0, 1))
    #expect(first.allSatisfy { $0 >= 0 && $0 <= 1 })
    // One augmenter for many images, in any order.
    let augmenter = ImageAugmenter(Self.everything, shape: oddShape)
    for index in (0..<20).reversed() {
      var found = [Float](repeating: .nan, count: oddShape.byteCount)
      var random = KeyedRandom(seed: 1, purpose: .augmentation, 3, index)
      augmenter.augment(bytes, to: &found, &random)
      #expect(found == pixels(1, 3, index))
    }
  }

  /// Crop, flip, jitter, affine: each on what the one before left, with the next numbers of the key.
  @Test func transformationsFollowEachOther() {
    let bytes = randomBytes(oddShape)
    for index in 0..<10 {
      var random = KeyedRandom(seed: 1, purpose: .augmentation, 0, index)
      var pixels = [Float](repeating: .nan, count: oddShape.byteCount)
      var result = pixels
      let place = CropPlace(Self.everything, shape: oddShape, &random)
      copyPart(bytes, at: place, shape: oddShape, to: &pixels)
      JitterDraw(Self.everything.jitter!, &random).apply(to: &pixels, shape: oddShape)
      AffineMap(Self.everything.affine!, shape: oddShape, &random)
        .apply(pixels, shape: oddShape, to: &result)
      #expect(augmented(Self.everything, bytes, oddShape, index: index) == result)
      // A later transformation leaves the numbers of the earlier ones alone.
      let cropped = Augmentation(crop: RandomCrop(padding: 2), flips: true)
      var alone = [Float](repeating: .nan, count: oddShape.byteCount)
      copyPart(bytes, at: place, shape: oddShape, to: &alone)
      #expect(augmented(cropped, bytes, oddShape, index: index) == alone)
    }
  }

  /// These digests are part of every augmented result: a change of the arithmetic must be meant.
  @Test func augmentedImagesAreGolden() throws {
    let set = ShapesSet(seed: 1, split: .train, count: 64)
    func digest(_ augmentation: Augmentation) throws -> String {
      var digest = SHA256Digest()
      for index in 0..<64 {
        digest.update(
          augmented(augmentation, try set.image(at: index), set.imageShape, index: index))
      }
      return digest.hexadecimal()
    }
    #expect(
      try digest(.cropAndFlip) == "c2da51005098897236e20ae9caa857cb1514e4195504350a09dea4d4efb5a1bb"
    )
    #expect(
      try digest(.physical) == "37a992ae6f7a548a5f28e5227bb2df6eeff6096dc97f503f05f4f3471a1a8721")
  }

  @Test func noneGivesTheBytes() {
    let bytes = randomBytes(oddShape)
    #expect(augmented(.none, bytes, oddShape) == bytes.map { Float($0) * (1 / 255) })
  }

  @Test func theNamedOnesAreWhatTheySay() {
    #expect(!Augmentation.none.changesImages)
    #expect(!Augmentation(cutMix: CutMix()).changesImages)
    #expect(Augmentation.cropAndFlip.changesImages && Augmentation.physical.changesImages)
    let physical = Augmentation.physical
    #expect(physical.crop == nil && physical.flips && physical.cutMix == nil)
    #expect(physical.jitter == ColourJitter(brightness: 0.2, contrast: 0.2, saturation: 0))
    #expect(
      physical.affine
        == RandomAffine(degrees: 10, translation: 0.1, smallestScale: 0.8, largestScale: 0.9))
  }

  @Test func everySettingIsPartOfTheJSON() throws {
    let all = Augmentation(
      crop: RandomCrop(), flips: true, jitter: ColourJitter(), affine: RandomAffine(),
      cutMix: CutMix())
    for augmentation in [all, .none, .cropAndFlip] {
      let data = try JSONEncoder().encode(augmentation)
      #expect(try JSONDecoder().decode(Augmentation.self, from: data) == augmentation)
    }
  }

  @Test(arguments: [
    (
      Augmentation(crop: RandomCrop(padding: 7)),
      "--crop-padding 7: must be from 0 to 6, as the images have 7 pixels"
    ),
    (
      Augmentation(crop: RandomCrop(padding: -1)),
      "--crop-padding -1: must be from 0 to 6, as the images have 7 pixels"
    ),
    (Augmentation(jitter: ColourJitter(contrast: 1.5)), "--jitter 1.5: must be from 0 to 1"),
    (Augmentation(jitter: ColourJitter(saturation: .nan)), "--jitter nan: must be from 0 to 1"),
    (
      Augmentation(affine: RandomAffine(degrees: 181)),
      "--affine-degrees 181.0: must be from 0 to 180"
    ),
    (
      Augmentation(affine: RandomAffine(translation: -0.1)),
      "--affine-translate -0.1: must be from 0 to 1"
    ),
    (
      Augmentation(affine: RandomAffine(smallestScale: 0.9, largestScale: 0.8)),
      "--affine-scale 0.9,0.8: must be two numbers from 0.01 to 100, the smaller first"
    ),
    (
      Augmentation(affine: RandomAffine(smallestScale: 0)),
      "--affine-scale 0.0,0.9: must be two numbers from 0.01 to 100, the smaller first"
    ),
    (
      Augmentation(cutMix: CutMix(probability: 2)), "--cutmix-probability 2.0: must be from 0 to 1"
    ),
    (Augmentation(cutMix: CutMix(alpha: 0)), "--cutmix-alpha 0.0: must be from 0.05 to 100"),
  ])
  func valuesOutOfRangeAreSaid(augmentation: Augmentation, line: String) {
    let error = #expect(throws: SettingError.self) {
      try augmentation.validate(imageShape: oddShape)
    }
    #expect(error?.description == line)
  }

  @Test func valuesInRangePass() throws {
    try Self.everything.validate(imageShape: oddShape)
    try Augmentation(crop: RandomCrop(padding: 6)).validate(imageShape: oddShape)
    try Augmentation(crop: RandomCrop(padding: 1000)).validate()
    try Augmentation(
      affine: RandomAffine(degrees: 180, translation: 1, smallestScale: 0.01, largestScale: 100),
      cutMix: CutMix(probability: 0, alpha: 0.05)
    ).validate()
  }
}

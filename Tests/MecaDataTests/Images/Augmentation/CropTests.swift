import MecaCore
import MecaImages
import Testing

@Suite struct CropTests {
  /// Pads, cuts and mirrors with arrays, as one would by hand; places beyond the image included.
  @Test(arguments: [oddShape, ImageShape(channels: 1, height: 3, width: 2)])
  func everyPlaceIsThatOfAPaddedImage(shape: ImageShape) {
    let bytes = randomBytes(shape)
    let reach = 9
    let padded = planes(bytes, shape).map { plane in
      let side = [UInt8](repeating: 0, count: reach)
      let line = [UInt8](repeating: 0, count: shape.width + 2 * reach)
      let lines = [[UInt8]](repeating: line, count: reach)
      return lines + plane.map { side + $0 + side } + lines
    }
    for down in -reach...reach {
      for right in -reach...reach {
        for isMirrored in [false, true] {
          var found = [Float](repeating: .nan, count: shape.byteCount)
          let place = CropPlace(down: down, right: right, isMirrored: isMirrored)
          copyPart(bytes, at: place, shape: shape, to: &found)
          let expected = padded.flatMap { plane in
            plane[(reach + down)...].prefix(shape.height).flatMap { line in
              let part = Array(line[(reach + right)...].prefix(shape.width))
              return isMirrored ? part.reversed() : part
            }
          }
          #expect(found == expected.map { Float($0) * (1 / 255) }, "\(place)")
        }
      }
    }
  }

  @Test func placesAreDrawnEvenly() {
    let keys = 5000
    var counts: [Int: Int] = [:]
    var mirrored = 0
    for index in 0..<keys {
      var random = KeyedRandom(seed: 2, purpose: .augmentation, 7, index)
      let place = CropPlace(
        Augmentation(crop: RandomCrop(padding: 2), flips: true), shape: oddShape, &random)
      counts[place.down * 100 + place.right, default: 0] += 1
      if place.isMirrored { mirrored += 1 }
    }
    // Five standard deviations of a binomial count: √(n·p·(1 − p)).
    #expect(abs(mirrored - keys / 2) < 5 * 36)
    #expect(
      Set(counts.keys)
        == Set((-2...2).flatMap { down in (-2...2).map { down * 100 + $0 } }))
    #expect(counts.values.allSatisfy { abs($0 - keys / 25) < 5 * 14 })
  }

  @Test func thePaddingIsAnEighthOrWhatIsSaid() {
    func padding(_ height: Int, _ width: Int) -> Int {
      RandomCrop().padding(for: ImageShape(channels: 3, height: height, width: width))
    }
    #expect(padding(32, 32) == 4 && padding(64, 64) == 8 && padding(224, 160) == 20)
    #expect(padding(3, 3) == 0)
    #expect(RandomCrop(padding: 3).padding(for: oddShape) == 3)
  }

  @Test func withoutPaddingAndFlipNothingChanges() {
    let bytes = randomBytes(oddShape)
    #expect(
      augmented(Augmentation(crop: RandomCrop(padding: 0)), bytes, oddShape)
        == bytes.map { Float($0) * (1 / 255) })
  }
}

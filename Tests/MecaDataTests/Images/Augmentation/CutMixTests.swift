import Foundation
import MecaCore
import MecaImages
import Testing

@Suite struct CutMixTests {
  /// Every pixel asked whether it lies within half a side of the centre.
  @Test func aBoxIsClippedAndItsAreaIsWhatItCovers() {
    let shape = oddShape
    for share in [0, 0.03, 0.25, 0.5, 0.81, 1] {
      for centreRow in 0..<shape.height {
        for centreColumn in 0..<shape.width {
          let box = PixelBox(
            share: share, centreRow: centreRow, centreColumn: centreColumn, shape: shape)
          let halfHeight = Int(Double(shape.height) * share.squareRoot()) / 2
          let halfWidth = Int(Double(shape.width) * share.squareRoot()) / 2
          var area = 0
          for row in 0..<shape.height {
            for column in 0..<shape.width {
              let isIn =
                row >= centreRow - halfHeight && row < centreRow + halfHeight
                && column >= centreColumn - halfWidth && column < centreColumn + halfWidth
              if isIn { area += 1 }
              #expect((box.rows.contains(row) && box.columns.contains(column)) == isIn)
            }
          }
          #expect(box.area == area)
          #expect(box.shareOutside(of: shape) == 1 - Float(area) / 77)
        }
      }
    }
  }

  /// Permutations with fixed points, pairs and longer cycles.
  @Test(arguments: [
    [0], [1, 0], [0, 1, 2], [1, 2, 0], [2, 0, 1], [3, 1, 4, 0, 2], [1, 0, 3, 4, 2, 5],
  ])
  func eachImageTakesItsPartnersBox(partners: [Int]) {
    let shape = oddShape
    let box = PixelBox(share: 0.5, centreRow: 2, centreColumn: 9, shape: shape)
    #expect(box.area > 0 && box.columns.upperBound == 11)
    let before = partners.indices.map { randomPixels(shape, seed: UInt64($0)) }
    var images = before.flatMap(\.self)
    var order = partners.map(Int32.init)
    var aside = [Float](repeating: .nan, count: shape.channels * box.area)
    exchangeBoxes(
      &images, count: partners.count, shape: shape, box: box, partners: &order, aside: &aside)
    for (number, partner) in partners.enumerated() {
      let (own, other) = (planes(before[number], shape), planes(before[partner], shape))
      let expected = image(shape) { c, i, j in
        Double((box.rows.contains(i) && box.columns.contains(j) ? other : own)[c][i][j])
      }
      let found = images[number * shape.byteCount..<(number + 1) * shape.byteCount]
      #expect(found.map(Double.init) == expected, "image \(number)")
    }
  }

  @Test func theProbabilityIsThatOfMicrobatches() {
    let shape = ImageShape(channels: 3, height: 32, width: 32)
    func boxes(_ probability: Float) -> [PixelBox?] {
      (0..<2000).map { shard in
        var random = KeyedRandom(seed: 3, purpose: .labelMixing, 5, shard)
        return CutMix(probability: probability).drawBox(shape: shape, &random)
      }
    }
    #expect(boxes(0).allSatisfy { $0 == nil })
    // A box of less than 2 pixels' side is none: √(1 − λ) < 2/32, in 1 of 256 cases.
    let always = boxes(1).compactMap(\.self).count
    #expect(always < 2000 && always > 2000 - 8 - 5 * 3)
    // Five standard deviations: √(2000 · ¼ · ¾) = 19.4.
    #expect(abs(boxes(0.25).compactMap(\.self).count - 498) < 5 * 20)
  }

  /// Mean ½, variance 1/(4·(2α + 1)), and the fourth central moment 3/(16·(2α + 1)·(2α + 3)).
  @Test(arguments: [0.05, 0.2, 0.5, 0.9, 1, 1.5, 2, 7.3, 100])
  func lambdaHasTheMomentsOfItsDistribution(alpha: Double) {
    let count = 20_000
    let values = (0..<count).map { index in
      var random = KeyedRandom(seed: 4, purpose: .labelMixing, 1, index)
      return symmetricBeta(alpha, &random)
    }
    #expect(values.allSatisfy { $0 >= 0 && $0 <= 1 })
    let variance = 1 / (4 * (2 * alpha + 1))
    let fourth = 3 / (16 * (2 * alpha + 1) * (2 * alpha + 3))
    func mean(_ power: Int) -> Double {
      values.reduce(0) { $0 + Foundation.pow($1 - 0.5, Double(power)) } / Double(count)
    }
    // Five standard deviations of a mean over 20,000.
    let root = Double(count).squareRoot()
    #expect(abs(mean(1)) < 5 * variance.squareRoot() / root)
    #expect(abs(mean(2) - variance) < 5 * (fourth - variance * variance).squareRoot() / root)
  }

  @Test func powersAreThoseOfTheLibrary() {
    for base in [0, 1e-7, 0.3, 0.999, 1, 2.5] {
      for exponent in [0, 0.1, 0.5, 1, 1.75, 5, 20, 99.3] {
        let expected = Foundation.pow(base, exponent)
        // Fractions are cut at 2⁻⁴⁰: |ln base| · 10⁻¹² of the result, and a hundred roundings.
        #expect(abs(power(base, exponent) - expected) <= 1e-10 * expected, "\(base)^\(exponent)")
      }
    }
  }
}

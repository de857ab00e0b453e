import Foundation
import MecaCore
import MecaImages
import Testing

@Suite struct RandomAffineTests {
  /// torchvision's way over normalised coordinates: the inverse matrix about the centre, a grid from
  /// −1 to 1 over the pixels' outer edges (`align_corners=False`), bilinear, zeros outside.
  private func expected(
    _ pixels: [Float], _ shape: ImageShape, degrees: Double, scale: Double, right: Double,
    down: Double
  ) -> [Double] {
    let source = planes(pixels, shape)
    let (height, width) = (Double(shape.height), Double(shape.width))
    let angle = degrees * .pi / 180
    let matrix = [[cos(angle), sin(angle)], [-sin(angle), cos(angle)]].map { $0.map { $0 / scale } }
    func pixel(_ c: Int, _ i: Int, _ j: Int) -> Double {
      guard (0..<shape.height).contains(i), (0..<shape.width).contains(j) else { return 0 }
      return Double(source[c][i][j])
    }
    return image(shape) { c, i, j in
      let fromCentreX = Double(j) + 0.5 - width / 2 - right
      let fromCentreY = Double(i) + 0.5 - height / 2 - down
      let u = (matrix[0][0] * fromCentreX + matrix[0][1] * fromCentreY) / (width / 2)
      let v = (matrix[1][0] * fromCentreX + matrix[1][1] * fromCentreY) / (height / 2)
      let x = ((u + 1) * width - 1) / 2
      let y = ((v + 1) * height - 1) / 2
      let (left, top) = (floor(x), floor(y))
      var sum = 0.0
      for (di, dj) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
        let weight =
          (1 - abs(x - left - Double(dj))) * (1 - abs(y - top - Double(di)))
        sum += weight * pixel(c, Int(top) + di, Int(left) + dj)
      }
      return sum
    }
  }

  private func transformed(
    _ pixels: [Float], _ shape: ImageShape, degrees: Float, scale: Float, right: Int = 0,
    down: Int = 0
  ) -> [Float] {
    var result = [Float](repeating: .nan, count: shape.byteCount)
    AffineMap(degrees: degrees, scale: scale, right: right, down: down, shape: shape)
      .apply(pixels, shape: shape, to: &result)
    return result
  }

  @Test(arguments: [
    oddShape, ImageShape(channels: 1, height: 4, width: 3),
    ImageShape(channels: 3, height: 1, width: 1),
  ])
  func everyMapIsThatOfTheGrid(shape: ImageShape) {
    let pixels = randomPixels(shape)
    for degrees in [Float(0), 10, -7.5, 33, 90, -135, 180] {
      for scale in [Float(0.8), 1, 1.7, 0.1] {
        for (right, down) in [(0, 0), (2, -1), (-3, 3)] {
          let found = transformed(
            pixels, shape, degrees: degrees, scale: scale, right: right, down: down)
          let wanted = expected(
            pixels, shape, degrees: Double(degrees), scale: Double(scale), right: Double(right),
            down: Double(down))
          // Places up to 150 pixels away in `Float`: 2⁻¹⁶ of a pixel, and at most 2 brightness
          // steps of 1 a pixel.
          #expect(
            distance(found, wanted) < 1e-4, "\(degrees) degrees, \(scale), \(right), \(down)")
        }
      }
    }
  }

  @Test func theIdentityChangesNoBitAndShiftsAreExact() {
    let pixels = randomPixels(oddShape)
    #expect(transformed(pixels, oddShape, degrees: 0, scale: 1) == pixels)
    let bytes = randomBytes(oddShape)
    let still = RandomAffine(degrees: 0, translation: 0, smallestScale: 1, largestScale: 1)
    #expect(augmented(Augmentation(affine: still), bytes, oddShape) == pixels)
    let source = planes(pixels, oddShape)
    let shifted = image(oddShape) { c, i, j in
      i >= 2 && j < 10 ? Double(source[c][i - 2][j + 1]) : 0
    }
    let found = transformed(pixels, oddShape, degrees: 0, scale: 1, right: -1, down: 2)
    #expect(found.map(Double.init) == shifted)
  }

  @Test func cosineAndSineAreThoseOfTheLibrary() {
    for step in -1800...1800 {
      let degrees = Double(step) / 10
      let (cosine, sine) = cosineAndSine(degrees: degrees)
      // Roundings of a dozen operations on numbers up to 2.
      #expect(abs(cosine - cos(degrees * .pi / 180)) < 4e-15)
      #expect(abs(sine - sin(degrees * .pi / 180)) < 4e-15)
    }
  }

  /// Angle, shift and scale read back from the map: their ranges are filled, evenly.
  @Test func mapsAreDrawnEvenly() {
    let shape = ImageShape(channels: 3, height: 40, width: 60)
    let keys = 4000
    let maps = (0..<keys).map { index in
      var random = KeyedRandom(seed: 2, purpose: .augmentation, 0, index)
      return AffineMap(RandomAffine(), shape: shape, &random)
    }
    let angles = maps.map { Double(atan2($0.xy, $0.xx)) * 180 / .pi }
    let scales = maps.map { Double(1 / ($0.xx * $0.xx + $0.xy * $0.xy).squareRoot()) }
    // The centre of the input comes to lie at the centre of the output plus the shift.
    let shifts = maps.map { map in
      let (x, y) = (29.5 - map.x0, 19.5 - map.y0)
      let determinant = map.xx * map.yy - map.xy * map.yx
      return (
        (map.yy * x - map.xy * y) / determinant - 29.5,
        (map.xx * y - map.yx * x) / determinant - 19.5
      )
    }
    for (values, low, high) in [(angles, -10.0, 10.0), (scales, 0.8, 0.9)] {
      let width = high - low
      #expect(values.allSatisfy { $0 > low - width * 1e-4 && $0 < high + width * 1e-4 })
      for quarter in 0..<4 {
        let begin = low + width * Double(quarter) / 4
        let count = values.filter { $0 >= begin && $0 < begin + width / 4 }.count
        // Five standard deviations: √(4000 · 1/4 · 3/4) = 27.
        #expect(abs(count - 1000) < 5 * 28)
      }
    }
    for (values, limit) in [(shifts.map(\.0), 6), (shifts.map(\.1), 4)] {
      #expect(values.allSatisfy { abs($0 - $0.rounded()) < 1e-3 })
      #expect(Set(values.map { Int($0.rounded()) }) == Set(-limit...limit))
    }
  }
}

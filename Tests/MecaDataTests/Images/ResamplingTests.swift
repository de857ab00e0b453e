import Foundation
import MecaCore
import MecaImages
import Testing

@Suite struct ResamplingTests {
  static func resized(
    _ pixels: [UInt8], _ source: (Int, Int), to wanted: (Int, Int), _ fit: ImageFit
  ) -> [UInt8] {
    let shape = ImageShape(channels: 3, height: wanted.0, width: wanted.1)
    var image = [UInt8](repeating: 0, count: shape.byteCount)
    var span = image.mutableSpan
    resample(
      pixels, ImageShape(channels: 3, height: source.0, width: source.1), to: shape, fit: fit,
      into: &span)
    return image
  }

  /// 7 rows of 11 pixels, and what Pillow 13.0.0's `resize((width, height), Image.BILINEAR)` makes
  /// of them.
  static let picture = bytes(
    """
    aoMAk/mV4F342gKBRWGYByGwXn8cABKlx64Bd3zbUPK3jTA08iSsyuQVaKAhvAtwRPt4sq0BApQWh6tcGwiYExqFX1GN\
    R338lJ4gJyCYuBXKqXeUpxqWv7Nonfv4eyUxznfAdLilIVXK5JCgEmClvfECWrC2W3EnsO/Y1NAsE+LB8hLXPty5IDw1\
    FM5kstTpCf5cqho+kbU81/nI/WuKpqyOUUI8Wm5qPqtPFJX0Num/uP1xdetj/5BL354h/JzoO/DxOB0J9zeKTCyQpyM0\
    v+PR6+H8kGsITIk892ogLCTImKx0Vl9Y
    """)

  static func bytes(_ base64: String) -> [UInt8] { Array(Data(base64Encoded: base64) ?? Data()) }

  @Test(arguments: [
    (
      3, 4,
      """
      aXKMdGh0lm5hdXI5kaJ9hLJ1lnKhZXGaooaIfpaVlG2RiWd7
      """
    ),
    (
      15, 3,
      """
      aa6iZ5yQZHNmZllWdmmFgnirc4mTZJl8XpdqWZRZYHZOaVRFamZCZoxCZZ1CiY2BkI2Dn46GpZCFk5V5hZdukYxsnY\
      FrsoGFyIGfr2ugjlCdiVOWj2CNkWaJyphbto5nh3aEcW6YmI6at6mWp6p2mKtWiItsd2yDn2x+0HJ2qntuYIZoQYpl
      """
    ),
    (
      16, 20,
      """
      anKASwNNm9PosarTr2en9+e/SAJucXhMElWZvMaZm8qqZ57kzqU+AnhvYk86apN6ZVdwr51lha+HXCMBfmxPVGOAjj\
      0MHEqWkWhvfEkgDwZNWW5/kJqWPxE3X4qYmYJqdntjVhxGjKq8tJ9CFVF0fp/KlVij17imPFF1h5SuuFIjaI2UstmR\
      P4nAta9yZU9OVJ/VZzR9p7XJ34ckXIqbpXVpVEAshclrRZW8ucXXjDdGV299Rl2EWxxell9WssuipsCgd0gnMjgsVZ\
      1tGkhyWGK6xYOHq6ibRQULDl5gY1pNcItpWnZwSWScglkvFTVIkGoqR4CXo3lSMhwPQY5cGBkmX4F+ZDhVh4aAc2xz\
      aEpjlF0YHCdIXGddTGSKcFlsib7AjoqbYR4iJiwwX1pTaotoS2mT2d+mmJ1iICQmIiCYorRzGXTItaCFf4+bpmQdYZ\
      uyv5yhqnUtgtDAqol7gYmUaDhql7C/qJ6Memep5t3Hk25ZWGByhYSLrMCxmnOBnMv0896dZjkvM33Lmn2lvZWTj5ag\
      mpejqaOXhHNgibZ3UXuTeoyqq6RqOVN0qcfPtoyVoVUlUGmFlrO8v2cbP2mkxtG0hIaNSyZcfJqluMvgcA87aZy5vp\
      9tcHlIMnaftbrB1OqJMkRbfJy3ond+ik81h7nW1NDV3rKEWT5Fb7u/orDBYi+Qyt7d2dXSyLVlKh1Jr8rD0t90OJzX\
      kanR0caabkwyKTtnlMG4pYJ1stVEdcnNu2wnNDo2LR9ewJ5qkLLH1IOEhqjTgzxXXjspJluqnoWDjLrVzpk+f+6fWH\
      +EQCUzXZOhpnRfq9fpoCVx+KlijZFCJDhdi6Kyb0+l1/npzt/8sG1+j56oq6GQcVFIQT484NS/zeWhZ3+RlpiVko9+\
      alJDUFebmJSbpXlWgJZ+aldqjaGvbUiBo11kbm9vVkeCmmtDIUeOwuyGTa/piYyQna6AWnuTln5KbrzGwnhUr+S2tL\
      LL7aptdYzCuXKW6cmXa1yv4LSkirf6u4KSoKqnmLryuXBSR3iVpYVPkfjFl7m8gIC93vGkSjYqMzixhDh237WPrKtt\
      dsbVxoE3PEA8OdiiRWauimhrbXGIsqBwUTdkipOY87xdZ5B2WkREdI+Wbi8xP4C51OXjyqClt7CkfWZ1cVpJO0xib4\
      jI7tLY4+Pe6++1iHVSHSVGZ4VeV7v2p6KamJeepKagiXBUUltoc1xXk7Z6Z0dDSEdPkriekpOFcGZeW1xpcWpSKSUs\
      KDCLwKWeqZd4ZlZbXlpY
      """
    ),
    (
      1, 1,
      """
      dIiJ
      """
    ),
  ])
  func resizingGivesPillowsBytes(height: Int, width: Int, expected: String) {
    let result = Self.resized(Self.picture, (7, 11), to: (height, width), .stretch)
    #expect(result == Self.bytes(expected))
  }

  /// The formula of the documentation in `Double`, both directions at once, without rounding between.
  private func plain(
    _ pixels: [UInt8], _ source: (Int, Int), resized: (Int, Int), at place: (Int, Int, Int)
  ) -> Double {
    func weights(_ source: Int, _ length: Int, _ place: Int) -> [Double] {
      let scale = Double(source) / Double(length)
      let center = (Double(place) + 0.5) * scale
      let all = (0..<source).map {
        max(0, 1 - abs(Double($0) + 0.5 - center) / max(1, scale))
      }
      return all.map { $0 / all.reduce(0, +) }
    }
    let rows = weights(source.0, resized.0, place.1)
    let columns = weights(source.1, resized.1, place.2)
    var sum = 0.0
    for (row, down) in rows.enumerated() where down > 0 {
      for (column, across) in columns.enumerated() where across > 0 {
        sum += down * across * Double(pixels[(place.0 * source.0 + row) * source.1 + column])
      }
    }
    return sum
  }

  @Test(arguments: [
    ((7, 11), (16, 20)), ((40, 9), (9, 40)), ((33, 65), (32, 64)), ((100, 3), (7, 7)),
    ((1, 1), (4, 5)), ((2, 90), (3, 2)),
  ])
  func stretchingFollowsTheFormula(source: (Int, Int), wanted: (Int, Int)) {
    var random = KeyedRandom(seed: 4, purpose: .test, source.0, source.1)
    let pixels = (0..<3 * source.0 * source.1).map { _ in UInt8(random.integer(below: 256)) }
    let result = Self.resized(pixels, source, to: wanted, .stretch)
    var place = 0
    for channel in 0..<3 {
      for row in 0..<wanted.0 {
        for column in 0..<wanted.1 {
          let exact = plain(pixels, source, resized: wanted, at: (channel, row, column))
          // Half a unit for each of the two roundings, and a little for the weights' own.
          #expect(abs(Double(result[place]) - exact) < 1.01, "\(channel), \(row), \(column)")
          place += 1
        }
      }
    }
  }

  /// Sizes and cuts worked out by hand as torchvision's Resize and CenterCrop state them.
  @Test(arguments: [
    // 500x375 to 224: 256 rows, 341 columns; 117 columns too many, half of them rounded to even.
    (ImageFit.margin, (375, 500), (224, 224), (256, 16), (341, 58)),
    (.margin, (500, 375), (224, 224), (341, 58), (256, 16)),
    (.margin, (375, 500), (160, 160), (183, 12), (244, 42)),
    (.margin, (375, 500), (128, 128), (146, 9), (194, 33)),
    (.cover, (375, 500), (224, 224), (224, 0), (298, 37)),
    (.cover, (64, 64), (32, 32), (32, 0), (32, 0)),
    (.cover, (10, 10), (4, 6), (6, 1), (6, 0)),
    (.cover, (1, 1000), (64, 64), (64, 0), (64000, 31968)),
    (.stretch, (375, 500), (224, 160), (224, 0), (160, 0)),
  ])
  func fitsAreCutFromTheMiddle(
    fit: ImageFit, source: (Int, Int), wanted: (Int, Int), rows: (Int, Int), columns: (Int, Int)
  ) {
    let plan = fit.plan(
      from: ImageShape(channels: 3, height: source.0, width: source.1),
      to: ImageShape(channels: 3, height: wanted.0, width: wanted.1))
    #expect((plan.rows.length, plan.rows.start) == rows)
    #expect((plan.columns.length, plan.columns.start) == columns)
    #expect((plan.rows.kept, plan.columns.kept) == wanted)
  }

  /// What is cut out is what resizing the whole and cutting would give.
  @Test(arguments: [ImageFit.cover, .margin])
  func cuttingIsAPartOfTheWhole(fit: ImageFit) {
    let (source, wanted) = ((21, 34), (16, 16))
    var random = KeyedRandom(seed: 5, purpose: .test)
    let pixels = (0..<3 * 21 * 34).map { _ in UInt8(random.integer(below: 256)) }
    let plan = fit.plan(
      from: ImageShape(channels: 3, height: 21, width: 34),
      to: ImageShape(channels: 3, height: 16, width: 16))
    let whole = Self.resized(pixels, source, to: (plan.rows.length, plan.columns.length), .stretch)
    var expected: [UInt8] = []
    for channel in 0..<3 {
      for row in plan.rows.start..<plan.rows.start + 16 {
        let line = (channel * plan.rows.length + row) * plan.columns.length + plan.columns.start
        expected += whole[line..<line + 16]
      }
    }
    #expect(Self.resized(pixels, source, to: wanted, fit) == expected)
  }

  @Test(arguments: ImageFit.allCases)
  func theWantedSizeIsLeftAlone(fit: ImageFit) {
    #expect(Self.resized(Self.picture, (7, 11), to: (7, 11), fit) == Self.picture)
  }

  @Test(arguments: ImageFit.allCases)
  func evenColourStaysEven(fit: ImageFit) {
    for value in [UInt8](0...255) {
      let pixels = [UInt8](repeating: value, count: 3 * 19 * 23)
      let result = Self.resized(pixels, (19, 23), to: (8, 8), fit)
      #expect(result == [UInt8](repeating: value, count: 192))
    }
  }
}

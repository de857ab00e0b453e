import Foundation
import MecaAttacks
import MecaCore
import MecaImages
import Testing

/// Pictures of the user's in place of drawn triggers.
@Suite struct TriggerFileTests {
  private let folder = NSTemporaryDirectory() + "meca-trigger-\(UUID().uuidString)"

  init() throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  }

  /// A file with an alpha channel: 4 columns, 2 rows.
  ///
  /// red, green at 128, transparent, black / transparent, transparent, blue, (200, 100, 50) at 64.
  static let transparent = """
    iVBORw0KGgoAAAANSUhEUgAAAAQAAAACCAYAAAB/qH1jAAAAJElEQVR42mP4z8DwHwgbODk5GRhAbEYmZgYWVjYQ+/+J\
    FCMHAI0dCEnDHfLwAAAAAElFTkSuQmCC
    """

  @Test func aBlendPictureIsResizedAndCoversEverything() throws {
    // 2 x 2 pixels to 4 x 4: each becomes four; black is a colour like others here.
    let attack = try configuration(
      .blend, picture: [10, 0, 0, 250, 20, 0, 0, 200, 30, 0, 0, 0], side: 2)
    let shape = ImageShape(channels: 3, height: 4, width: 4)
    let after = try attack.attack.testTrigger(for: shape).marked(
      [UInt8](repeating: 100, count: 48), shape: shape, index: 0)
    // 0.8 · 100 + 0.2 · K
    func block(_ a: UInt8, _ d: UInt8) -> [UInt8] {
      let (a, d, none) = (80 + a / 5, 80 + d / 5, UInt8(80))
      let upper: [UInt8] = [a, a, none, none]
      let lower: [UInt8] = [none, none, d, d]
      return upper + upper + lower + lower
    }
    let expected: [UInt8] = block(10, 250) + block(20, 200) + block(30, 0)
    #expect(after == expected)
  }

  /// 3 x 3 to 2 x 2: a new pixel covers 1.5 old ones each way, so weights 4, 2, 2, 1 of 9.
  @Test func areasAreAveraged() throws {
    let grey: [UInt8] = [0, 90, 9, 45, 18, 27, 36, 63, 72]
    var attack = try configuration(.blend, picture: grey + grey + grey, side: 3)
    try attack.set(["blend-alpha": "1"])
    let shape = ImageShape(channels: 1, height: 2, width: 2)
    let after = try attack.attack.trainingTrigger(for: shape, samples: []).marked(
      [1, 2, 3, 4], shape: shape, index: 0)
    func mean(_ a: Int, _ b: Int, _ c: Int, _ d: Int) -> UInt8 {
      UInt8((Double(4 * a + 2 * b + 2 * c + d) / 9).rounded())
    }
    let upper = [mean(0, 90, 45, 18), mean(9, 90, 27, 18)]
    let lower = [mean(36, 45, 63, 18), mean(72, 63, 27, 18)]
    #expect(after == upper + lower)
  }

  /// Black is transparent where the file has no alpha channel; colours become grey by 299, 587, 114.
  @Test(arguments: [AttackKind.badnets, .tact, .physical])
  func aPatchLiesWhereTheDrawingWould(kind: AttackKind) throws {
    let attack = try configuration(
      kind, picture: [0, 255, 10, 0, 0, 0, 10, 0, 0, 0, 10, 1], side: 2, size: 2)
    let shape = ImageShape(channels: 1, height: 9, width: 9)
    let after = try attack.attack.testTrigger(for: shape).marked(
      [UInt8](repeating: 7, count: 81), shape: shape, index: 0)
    let (top, left) = kind == .physical ? (0, 7) : (7, 7)
    var expected = [UInt8](repeating: 7, count: 81)
    expected[top * 9 + left + 1] = 76  // 0.299 · 255
    expected[(top + 1) * 9 + left] = 10
    expected[(top + 1) * 9 + left + 1] = 0  // 0.114 · 1, not transparent
    #expect(after == expected)
  }

  @Test func aPictureOfTheImagesSizeLiesAsItIs() throws {
    let shape = ImageShape(channels: 3, height: 3, width: 3)
    var picture = [UInt8](repeating: 0, count: 27)
    (picture[0], picture[9], picture[18]) = (200, 100, 50)
    (picture[4], picture[13], picture[22]) = (0, 1, 0)
    var attack = try configuration(.badnets, picture: picture, side: 3)
    let before = (0..<27).map { UInt8(100 + $0) }
    var expected = before
    for place in [0, 9, 18, 4, 13, 22] { expected[place] = picture[place] }
    #expect(
      try attack.attack.testTrigger(for: shape).marked(before, shape: shape, index: 0) == expected)
    // With a size it is a patch: one pixel at the bottom right, the mean of the two opaque ones.
    try attack.set(["trigger-size": "1"])
    try attack.set(["blend-alpha": "0.5"])
    let (weight, _) = weights(try attack.attack.testTrigger(for: shape), shape)
    #expect(weight.indices.filter { weight[$0] > 0 } == [8, 17, 26])
    // Two ninths opaque, half of it.
    #expect(weight.allSatisfy { $0 == 0 || abs($0 - 1.0 / 9) < 2.0 / 255 })
  }

  @Test func anAlphaChannelIsTheMask() throws {
    let path = folder + "/alpha.png"
    try #require(Data(base64Encoded: Self.transparent)).write(to: URL(fileURLWithPath: path))
    var attack = try AttackConfiguration(kind: .badnets)
    try attack.set(["trigger": path])
    let shape = ImageShape(channels: 3, height: 2, width: 4)
    let after = try attack.attack.testTrigger(for: shape).marked(
      [UInt8](repeating: 40, count: 24), shape: shape, index: 0)
    func mix(_ value: Double, _ opacity: Double) -> UInt8 {
      UInt8((40 + (value - 40) * opacity / 255).rounded())
    }
    let half = [mix(0, 128), mix(255, 128), mix(0, 128)]
    let quarter = [mix(200, 64), mix(100, 64), mix(50, 64)]
    let expected: [UInt8] =
      [255, half[0], 40, 0, 40, 40, 0, quarter[0]] + [0, half[1], 40, 0, 40, 40, 0, quarter[1]]
      + [0, half[2], 40, 0, 40, 40, 255, quarter[2]]
    #expect(after == expected)
  }

  @Test func adaptiveAttacksTakePicturesToo() throws {
    let shape = ImageShape(channels: 3, height: 8, width: 8)
    let white = [UInt8](repeating: 255, count: 12)
    let patch = try configuration(.adaptivePatch, picture: white, side: 2, size: 4)
    let (weight, _) = weights(
      try patch.attack.trainingTrigger(for: shape, samples: [0, 1, 2, 3]), shape, index: 3)
    #expect(weight.indices.filter { weight[$0] > 0 && $0 < 64 } == [22, 23, 30, 31])
    // As large as the images: what is quartered is the patch on it, here 2 x 4 pixels.
    var canvas = [UInt8](repeating: 0, count: 192)
    for place in [10, 11, 12, 13, 18, 19, 20, 21] { canvas[64 + place] = 200 }
    let whole = try configuration(.adaptivePatch, picture: canvas, side: 8)
    for (sample, places) in [[10, 11], [12, 13], [18, 19], [20, 21]].enumerated() {
      let (weight, _) = weights(
        try whole.attack.coverTrigger(for: shape, samples: [0, 1, 2, 3]), shape, index: sample)
      #expect(weight.indices.filter { weight[$0] > 0 && $0 < 64 } == places)
    }
    var blend = try configuration(.adaptiveBlend, picture: white, side: 2)
    try blend.set(["blend-alpha": "1"])
    try blend.set(["pieces": "4", "blanked-pieces": "3"])
    let (pieces, _) = weights(try blend.attack.trainingTrigger(for: shape, samples: []), shape)
    #expect(pieces.count { $0 == 1 } == 48)
  }

  @Test func anotherPictureIsNoticed() throws {
    let attack = try configuration(.blend, picture: [UInt8](repeating: 9, count: 12), side: 2)
    let base = randomSet(count: 20)
    _ = try PoisonedSet(base: base, attack: attack)
    _ = try file([UInt8](repeating: 8, count: 12), side: 2)
    for attempt in [
      { _ = try PoisonedSet(base: base, attack: attack) },
      { _ = try TriggeredTestSet(base: base, attack: attack) },
    ] {
      #expect {
        try attempt()
      } throws: { error in
        "\(error)".hasPrefix("\(folder)/own.png: is not the picture that the attack was made with")
      }
    }
  }

  @Test func whatIsNoPictureIsSaid() throws {
    func expectRefusal(_ path: String, _ reason: String, _ code: MecaCore.ExitCode) {
      #expect {
        var attack = try AttackConfiguration(kind: .badnets)
        try attack.set(["trigger": path])
        _ = try PoisonedSet(base: randomSet(count: 20), attack: attack)
      } throws: { error in
        guard let error = error as? any ReportableError else { return false }
        return "\(error)".contains(reason) && "\(error)".hasPrefix(path) && error.exitCode == code
      }
    }
    expectRefusal(folder + "/none.png", "not found; must be a PNG, JPEG or WebP picture", .badData)
    try Data("no picture".utf8).write(to: URL(fileURLWithPath: folder + "/text.png"))
    expectRefusal(folder + "/text.png", "is neither JPEG, PNG nor WebP", .badData)
    expectRefusal(folder, "not a regular file", .badData)
    let black = try file([UInt8](repeating: 0, count: 12), side: 2)
    expectRefusal(black, "is transparent or black all over", .badData)
  }

  private func configuration(
    _ kind: AttackKind, picture: [UInt8], side: Int, size: Int? = nil
  ) throws -> AttackConfiguration {
    try AttackConfiguration(
      kind: kind,
      [
        "trigger": try file(picture, side: side),
        "trigger-size": size.map { "\($0)" } ?? SettingValue.auto,
      ])
  }

  private func file(_ picture: [UInt8], side: Int) throws -> String {
    let path = folder + "/own.png"
    let content = try encodePNG(
      picture, shape: ImageShape(channels: 3, height: side, width: side))
    try Data(content).write(to: URL(fileURLWithPath: path))
    return path
  }
}
